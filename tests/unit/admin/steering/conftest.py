"""What the tests of steering share: users, and sending a verb's form as a browser does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User

    from celery_jobman.models import Job

#: The addresses of the verbs, by the name of their route.
ROUTES = ("cancel", "retry", "retry_from", "edit_retry", "priority", "reschedule")


class Send(Protocol):
    """Sends the form of a verb for a job."""

    def __call__(self, client: Client, job: Job, route: str, **data: Any) -> Any: ...


@pytest.fixture
def user_with(db: None) -> Callable[..., User]:  # noqa: ARG001 - users are rows
    """Make a member of staff who has these permissions."""
    return _user_with


def _user_with(*names: str) -> Any:
    user = get_user_model().objects.create(username="ana", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return user


@pytest.fixture
def client_with(user_with: Callable[..., User]) -> Callable[..., Client]:
    """Log in a member of staff who has these permissions."""

    def client_with(*names: str) -> Client:
        client = Client()
        client.force_login(user_with(*names))
        return client

    return client_with


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
