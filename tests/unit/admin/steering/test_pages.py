from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from celery_jobman.models import Job, JobAction
from celery_jobman.states import State
from tests.factories import (
    NOON,
    checkpoint,
    finished_job,
    job_in,
    queued_job,
    running_job,
    scheduled_job,
    worker,
)

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db

Url = "Callable[[Job, str], str]"

#: A state in which each verb is open.
OPEN = {
    "cancel": State.QUEUED,
    "retry": State.FAILED,
    "retry_from": State.FAILED,
    "priority": State.QUEUED,
    "reschedule": State.SCHEDULED,
}


def _job(route: str) -> Job:
    return job_in(OPEN[route], declared_steps=["fetch", "load"])


@pytest.mark.parametrize("route", OPEN)
def test_the_page_says_what_will_happen_and_changes_nothing(
    admin_client: Client, url: Any, route: str
) -> None:
    job = _job(route)
    before = Job.objects.values().get(pk=job.pk)

    page = admin_client.get(url(job, route))

    assert page.status_code == 200
    assert page.context["outlook"]
    assert page.context["outlook"][0] in page.content.decode().replace("&#x27;", "'")
    assert Job.objects.values().get(pk=job.pk) == before
    assert not JobAction.objects.exists()


@pytest.mark.parametrize("route", OPEN)
def test_a_job_that_is_not_there_is_not_found(admin_client: Client, url: Any, route: str) -> None:
    nobody = Job(id=uuid4())

    assert admin_client.get(url(nobody, route)).status_code == 404
    assert admin_client.post(url(nobody, route)).status_code == 404


@pytest.mark.parametrize("route", OPEN)
def test_other_methods_are_refused(admin_client: Client, url: Any, route: str) -> None:
    assert admin_client.put(url(_job(route), route)).status_code == 405


@pytest.mark.parametrize("route", OPEN)
def test_a_form_without_the_jobs_standing_does_nothing(
    admin_client: Client, url: Any, said: Any, route: str
) -> None:
    job = _job(route)

    answer = admin_client.post(url(job, route), {"reason": "x"})

    assert "changed since you opened this page" in said(answer)
    assert not JobAction.objects.exists()


def test_a_stale_form_says_where_the_job_stands_now(
    admin_client: Client, send: Any, said: Any
) -> None:
    job = finished_job(State.FAILED)
    Job.objects.filter(pk=job.pk).update(
        state=State.RUNNING, attempt=2, started_at=NOON, finished_at=None
    )

    answer = send(admin_client, job, "retry")

    assert said(answer) == "The job changed since you opened this page (now Running)."
    assert not JobAction.objects.exists()


def test_a_second_click_does_nothing(admin_client: Client, send: Any) -> None:
    job = finished_job(State.FAILED)

    send(admin_client, job, "retry")
    send(admin_client, job, "retry")

    assert JobAction.objects.filter(job_id=job.pk).count() == 1


def test_what_was_done_is_in_both_histories(
    admin_client: Client, admin_user: Any, send: Any
) -> None:
    job = finished_job(State.FAILED)

    answer = send(admin_client, job, "retry", reason="upstream fixed")

    action = JobAction.objects.get(job_id=job.pk)
    assert (action.verb, action.user, action.reason) == ("retry", admin_user, "upstream fixed")
    entry = LogEntry.objects.get(object_id=str(job.pk))
    assert (entry.user, entry.change_message) == (admin_user, "The job runs again.")
    assert answer.url == reverse("admin:jobman_job_change", args=[job.pk])


def test_a_deleted_job_in_between_is_no_error(
    admin_client: Client, send: Any, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = finished_job(State.FAILED)

    def delete(*_args: object, **_kwargs: object) -> str:
        Job.objects.filter(pk=job.pk).delete()
        return ""

    monkeypatch.setattr("celery_jobman.admin.steering.pages.why_not", delete)
    answer = send(admin_client, job, "retry")

    assert said(answer) == "The job was deleted since you opened this page."
    assert answer.url == reverse("admin:jobman_job_changelist")


@pytest.mark.parametrize("state", [State.SCHEDULED, State.BLOCKED, State.QUEUED])
def test_a_waiting_job_is_cancelled(admin_client: Client, send: Any, state: State) -> None:
    job = job_in(state)

    send(admin_client, job, "cancel")

    job.refresh_from_db()
    assert job.state == State.CANCELLED


@pytest.mark.parametrize("force", [False, True])
def test_a_running_job_is_asked_to_stop(admin_client: Client, send: Any, force: bool) -> None:  # noqa: FBT001
    job = running_job()

    send(admin_client, job, "cancel", **({"force": "on"} if force else {}))

    job.refresh_from_db()
    assert job.cancel_requested_at is not None
    assert (job.state, job.cancel_forced) == (State.RUNNING, force)


def test_a_job_that_was_asked_to_stop_can_only_be_forced(
    admin_client: Client, send: Any, url: Any
) -> None:
    job = running_job(cancel_requested_at=NOON)

    page = admin_client.get(url(job, "cancel"))
    assert page.context["form"]["force"].value()
    assert page.context["submit"] == "Stop by force"
    assert send(admin_client, job, "cancel").context["form"].errors["force"]
    assert send(admin_client, job, "cancel", force="on").status_code == 302

    job.refresh_from_db()
    assert job.cancel_forced


@pytest.mark.parametrize(
    ("pool", "words"),
    [("prefork", "is killed (in a"), ("threads", "thread cannot"), ("gevent", "greenlet")],
)
def test_the_page_says_what_force_means_in_the_workers_pool(
    admin_client: Client, url: Any, pool: str, words: str
) -> None:
    job = running_job(worker_id=worker(pool=pool).pk)

    assert words in admin_client.get(url(job, "cancel")).content.decode()


def test_a_job_that_succeeded_must_be_confirmed(admin_client: Client, send: Any) -> None:
    job = finished_job(State.SUCCEEDED)

    assert "confirm" in send(admin_client, job, "retry").context["form"].errors
    assert not JobAction.objects.exists()
    assert send(admin_client, job, "retry", confirm="on").status_code == 302

    job.refresh_from_db()
    assert job.state in {State.SCHEDULED, State.QUEUED}


def test_the_failed_step_is_chosen_at_first(admin_client: Client, url: Any) -> None:
    job = finished_job(State.FAILED, declared_steps=["fetch", "load", "report"])
    checkpoint(job, "fetch", "a file")
    checkpoint(job, "load", state="failed", finished_at=None)

    page = admin_client.get(url(job, "retry_from"))

    assert page.context["chosen"] == "load"
    assert [choice.name for choice in page.context["choices"]] == ["fetch", "load", "report"]
    assert "Reuses fetch; runs load, report." in page.content.decode()


def test_earlier_steps_are_reused(admin_client: Client, send: Any) -> None:
    job = finished_job(State.FAILED, declared_steps=["fetch", "load"])
    checkpoint(job, "fetch")
    checkpoint(job, "load")

    send(admin_client, job, "retry_from", step="load")

    assert set(job.steps.filter(superseded=0).values_list("name", flat=True)) == {"fetch"}


@pytest.mark.parametrize("step", ["nowhere", "", "<script>"])
def test_an_unknown_step_is_the_forms_error(admin_client: Client, send: Any, step: str) -> None:
    job = finished_job(State.FAILED, declared_steps=["fetch"])

    answer = send(admin_client, job, "retry_from", step=step)

    assert answer.status_code == 200
    assert answer.context["form"].errors["step"]
    assert "<script>" not in answer.content.decode()
    assert not JobAction.objects.exists()


@pytest.mark.parametrize(("given", "kept"), [("7", 7), ("", None)])
def test_the_priority_is_changed(
    admin_client: Client, send: Any, given: str, kept: int | None
) -> None:
    job = scheduled_job(priority=3, available_at=timezone.now() + timedelta(hours=1))

    send(admin_client, job, "priority", priority=given)

    job.refresh_from_db()
    assert job.priority == kept
    assert JobAction.objects.get().changes == {"priority": [3, kept]}


@pytest.mark.parametrize("given", ["256", "-1", "high", "1e9", "\x00"])
def test_a_priority_that_no_broker_knows_is_the_forms_error(
    admin_client: Client, send: Any, given: str
) -> None:
    answer = send(admin_client, queued_job(), "priority", priority=given)

    assert answer.context["form"].errors["priority"]
    assert not JobAction.objects.exists()


def test_a_job_is_given_another_time(admin_client: Client, send: Any) -> None:
    job = queued_job()
    due = (timezone.now() + timedelta(days=3)).replace(second=0, microsecond=0)

    send(admin_client, job, "reschedule", when="at", at=due.strftime("%Y-%m-%dT%H:%M"))

    job.refresh_from_db()
    assert (job.state, job.available_at) == (State.SCHEDULED, due)


@pytest.mark.parametrize("past", ["2001-01-01T00:00", "0001-01-01T00:00"])
def test_a_time_in_the_past_means_now(
    admin_client: Client, send: Any, said: Any, past: str
) -> None:
    job = scheduled_job(available_at=timezone.now() + timedelta(hours=1))

    answer = send(admin_client, job, "reschedule", when="at", at=past)

    assert said(answer) == "The job begins now."


@pytest.mark.parametrize("at", ["", "soon", "9999-12-31T23:59", "2026-02-30T00:00", "\x00"])
def test_a_time_that_is_none_is_the_forms_error(admin_client: Client, send: Any, at: str) -> None:
    answer = send(admin_client, queued_job(), "reschedule", when="at", at=at)

    assert answer.context["form"].errors["at"]
    assert not JobAction.objects.exists()


@pytest.mark.parametrize(("choice", "least"), [("hour", 3599), ("morning", 1)])
def test_quick_choices_lie_ahead(admin_client: Client, send: Any, choice: str, least: int) -> None:
    job = queued_job()

    send(admin_client, job, "reschedule", when=choice)

    job.refresh_from_db()
    assert job.available_at is not None
    ahead = (job.available_at - timezone.now()).total_seconds()
    assert least - 60 < ahead < 40 * 3600
    assert ahead > 0
