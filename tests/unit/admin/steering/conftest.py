"""What the tests of steering share: users, and sending a verb's form as a browser does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from celery_jobman.models import Job

#: The addresses of the verbs, by the name of their route.
ROUTES = ("cancel", "retry", "retry_from", "edit_retry", "priority", "reschedule")


class Send(Protocol):
    """Sends the form of a verb for a job."""

    def __call__(self, client: Client, job: Job, route: str, **data: Any) -> Any: ...


@pytest.fixture
def url() -> Callable[[Job, str], str]:
    return _url


def _url(job: Job, route: str) -> str:
    return reverse(f"admin:jobman_job_{route}", kwargs={"pk": job.pk})


@pytest.fixture
def send() -> Send:
    """Send a verb's form with the standing of the job as the caller's row has it."""

    def send(client: Client, job: Job, route: str, **data: Any) -> Any:
        standing = {"state": str(job.state), "attempt": job.attempt}
        return client.post(_url(job, route), {**standing, **data})

    return send


@pytest.fixture
def said() -> Callable[[Any], str]:
    """Return what the messages of an answer say."""
    return lambda answer: " ".join(str(m) for m in get_messages(answer.wsgi_request))
