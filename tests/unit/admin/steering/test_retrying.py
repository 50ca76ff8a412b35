"""When, where and how urgently a job runs again, and what it may do a second time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from celery_jobman import JobTask
from celery_jobman.models import Job, JobAction, Queue, Step, StepState
from celery_jobman.states import State
from tests.factories import checkpoint, finished_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery
    from django.test import Client

pytestmark = pytest.mark.django_db

TASK = "tests.retrying.load"
#: The pages, each with what it asks for beside the terms.
PAGES: dict[str, dict[str, str]] = {"retry": {}, "retry_from": {"step": "load"}}


@pytest.fixture(autouse=True)
def task(app: Celery) -> Iterator[None]:
    """A task one of whose steps acts outside."""

    @app.task(base=JobTask, name=TASK, shared=False, effects={"load": "sends <b>a mail</b>"})  # type: ignore[untyped-decorator]
    def load() -> None: ...

    yield
    app.tasks.pop(TASK, None)


def _job(state: State = State.FAILED, **fields: Any) -> Job:
    job = finished_job(state, task=TASK, declared_steps=["fetch", "load"], **fields)
    checkpoint(job, "fetch", "a file")
    return job


@pytest.mark.parametrize("route", PAGES)
def test_a_job_can_wait_in_another_queue_and_go_first(
    admin_client: Client, send: Any, said: Any, route: str
) -> None:
    Queue.objects.create(name="slow")
    job = _job(priority=3)
    due = (timezone.now() + timedelta(days=1)).replace(second=0, microsecond=0)
    terms = {"when": "at", "at": due.strftime("%Y-%m-%dT%H:%M"), "queue": "slow", "priority": "9"}

    answer = send(admin_client, job, route, **PAGES[route], **terms)

    job.refresh_from_db()
    assert (job.state, job.available_at) == (State.SCHEDULED, due)
    assert (job.queue, job.priority) == ("slow", 9)
    assert f" at {due:%Y-%m-%d %H:%M}" in said(answer)
    changes = JobAction.objects.get().changes
    assert (changes["queue"], changes["priority"]) == (["celery", "slow"], [3, 9])


@pytest.mark.parametrize("route", PAGES)
def test_what_is_left_as_it_is_does_not_change(
    admin_client: Client, url: Any, send: Any, route: str
) -> None:
    job = _job(priority=3, queue="imports")
    form = admin_client.get(url(job, route)).context["form"]
    shown = {name: form[name].value() for name in ("queue", "priority", "when")}

    send(admin_client, job, route, **PAGES[route], **shown)

    job.refresh_from_db()
    assert (job.queue, job.priority) == ("imports", 3)
    assert not {"queue", "priority", "available_at"} & JobAction.objects.get().changes.keys()


@pytest.mark.parametrize("route", PAGES)
@pytest.mark.parametrize(
    ("name", "value"),
    [("queue", "nowhere"), ("priority", "256"), ("when", "someday"), ("queue", "a\x00")],
)
def test_terms_that_make_no_sense_are_the_forms_error(
    admin_client: Client, send: Any, route: str, name: str, value: str
) -> None:
    job = _job()

    answer = send(admin_client, job, route, **{**PAGES[route], name: value})

    assert answer.context["form"].errors[name]
    job.refresh_from_db()
    assert job.state == State.FAILED
    assert not JobAction.objects.exists()


@pytest.mark.parametrize("route", PAGES)
def test_what_a_step_does_outside_is_told_before(
    admin_client: Client, url: Any, route: str
) -> None:
    page = admin_client.get(url(_job(), route)).content.decode()

    assert "If step load runs again, this may happen a second time" in page
    assert "<b>a mail" not in page


def test_a_step_that_is_reused_acts_no_second_time(admin_client: Client, url: Any) -> None:
    job = _job()
    checkpoint(job, "load")

    assert "a second time" not in admin_client.get(url(job, "retry")).content.decode()


def test_steps_are_shown_with_what_they_took_and_kept(admin_client: Client, url: Any) -> None:
    job = _job()

    fetch, load = admin_client.get(url(job, "retry_from")).context["choices"]

    assert (fetch.word, fetch.lasted, fetch.kept) == ("Succeeded", "5m", "8\xa0bytes")
    assert (load.word, load.lasted, load.kept) == ("Not run", "", "")
    assert load.effect == "sends <b>a mail</b>"


def test_a_step_that_failed_tells_how_long_why_and_how_far(
    admin_client: Client, client_with: Any, url: Any
) -> None:
    job = _job()
    values: Any = {"result": None, "finished_at": None, "error_message": "bad row"}
    step = checkpoint(job, "load", state=StepState.FAILED, done=145, total=285)
    Step.objects.filter(pk=step.pk).update(**values)

    _fetch, load = admin_client.get(url(job, "retry_from")).context["choices"]
    assert (load.word, load.lasted) == ("Failed", "5m")
    assert (load.kept, load.error) == ("145 of 285 (50%)", "bad row")

    client = client_with("view_job", "retry_job")
    assert "bad row" not in client.get(url(job, "retry_from")).content.decode()
