"""JSON as the package stores it, and text that every database accepts."""

from __future__ import annotations

import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from celery_jobman.exceptions import UnencodableValue


def encode(value: Any, what: str) -> str:
    """Return ``value`` as JSON text.

    Raises:
        UnencodableValue: It cannot be written as JSON.  ``what`` names it in the message.
    """
    try:
        return json.dumps(value, cls=DjangoJSONEncoder)
    except (TypeError, ValueError, RecursionError) as error:
        raise UnencodableValue(what, value, error) from error


def clean(text: str, length: int) -> str:
    """Return ``text`` without NUL (which PostgreSQL refuses) and at most ``length`` long."""
    if "\x00" in text:
        text = text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    text = text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text
    return text if len(text) <= length else text[: length - 1] + "…"
