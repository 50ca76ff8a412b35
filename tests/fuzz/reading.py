"""Reading: a GET, which must be answered and must not write."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.fuzz.material import sendable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.test import Client

#: How statements begin that write nothing.
READING = ("SELECT", "SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "SET", "WITH", "EXPLAIN")


def read(client: Client, address: str, query: Mapping[str, str]) -> tuple[int, str]:
    """Ask, check that it was answered and nothing written, and return status and body."""
    sent = urlencode({key: sendable(value) for key, value in query.items()})
    with CaptureQueriesContext(connection) as asked:
        answer = client.get(f"{address}?{sent}")
        body = b"".join(answer) if answer.streaming else answer.content
    assert answer.status_code < 500
    written = [each["sql"] for each in asked if not each["sql"].lstrip("(\n ").startswith(READING)]
    assert written == []
    return answer.status_code, body.decode()
