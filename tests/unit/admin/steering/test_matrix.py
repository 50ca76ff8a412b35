"""Every verb, with and without its permissions, in every state: what is offered is what works."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.test import Client, RequestFactory

from celery_jobman.admin.access import PERMISSIONS, Deed
from celery_jobman.admin.steering.offers import VERBS, offers
from celery_jobman.models import Job, JobAction
from celery_jobman.states import FINAL, State
from tests.factories import checkpoint, job_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Celery
    from django.contrib.auth.models import User

pytestmark = pytest.mark.django_db

TASK = "tests.matrix.add"
MOVABLE = {State.SCHEDULED, State.QUEUED}
#: The states in which each verb is open.
OPEN = {
    Deed.CANCEL: set(State) - FINAL,
    Deed.RETRY: set(FINAL),
    Deed.RETRY_FROM: set(FINAL),
    Deed.EDIT_RETRY: set(FINAL),
    Deed.PRIORITY: MOVABLE,
    Deed.RESCHEDULE: MOVABLE,
}
#: What each form is filled in with.
FIELDS: dict[Deed, dict[str, str]] = {
    Deed.CANCEL: {},
    Deed.RETRY: {"confirm": "on"},
    Deed.RETRY_FROM: {"step": "fetch"},
    Deed.EDIT_RETRY: {"args": "[1]", "kwargs": "{}"},
    Deed.PRIORITY: {"priority": "7"},
    Deed.RESCHEDULE: {"when": "hour"},
}
WHO = ("all", "lacking", "nobody")


@pytest.fixture(autouse=True)
def task(app: Celery) -> Iterator[None]:
    @app.task(name=TASK, shared=False)  # type: ignore[untyped-decorator]
    def add(x: int) -> None: ...

    yield
    app.tasks.pop(TASK, None)


def _permissions(deed: Deed, who: str) -> list[str]:
    names = list(PERMISSIONS[deed])
    return {"all": names, "lacking": names[:-1], "nobody": []}[who]


def _job(state: State, **fields: Any) -> Job:
    job = job_in(state, task=TASK, args="[1]", **fields)
    checkpoint(job, "fetch")
    return job


def _offered(user: User, job: Job) -> dict[Deed, bool]:
    request = RequestFactory().get("/")
    request.user = user
    found = offers(admin.site._registry[Job], request, job)
    assert all(bool(offer.why) is not offer.enabled for offer in found)
    return {offer.deed: offer.enabled for offer in found}


def _token(client: Client, address: str) -> dict[str, str]:
    page = client.get(address)
    form = page.context.get("form") if page.status_code == 200 else None
    return {"token": form["token"].value()} if form and "token" in form.fields else {}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("deed", VERBS)
def test_what_is_offered_is_what_works(
    user_with: Callable[..., User], url: Any, send: Any, deed: Deed, who: str, state: State
) -> None:
    job = _job(state)
    user = user_with(*_permissions(deed, who))
    client = Client()
    client.force_login(user)
    route = VERBS[deed].route

    offered = _offered(user, job).get(deed)
    token = _token(client, url(job, route))
    answer = send(client, job, route, **FIELDS[deed], **token)

    assert offered is (state in OPEN[deed] if who == "all" else None)
    assert answer.status_code == (302 if who == "all" else 404)
    assert JobAction.objects.filter(job_id=job.pk).exists() is bool(offered)


#: What jobman cannot steer: a plain task's message and body, and a job without a message.
CLOSED = {
    "observed": {Deed.CANCEL, Deed.EDIT_RETRY, Deed.PRIORITY, Deed.RESCHEDULE},
    "eager": {Deed.PRIORITY, Deed.RESCHEDULE},
}


@pytest.mark.parametrize(("kind", "state"), list(product(CLOSED, State)))
@pytest.mark.parametrize("deed", VERBS)
def test_what_jobman_cannot_steer_is_neither_offered_nor_done(  # noqa: PLR0913, PLR0917
    admin_client: Client, admin_user: User, url: Any, send: Any, deed: Deed, kind: str, state: State
) -> None:
    job = _job(state, **{kind: True})
    route = VERBS[deed].route

    offered = _offered(admin_user, job)[deed]
    token = _token(admin_client, url(job, route))
    send(admin_client, job, route, **FIELDS[deed], **token)

    assert offered is (state in OPEN[deed] and deed not in CLOSED[kind])
    assert JobAction.objects.exists() is offered
