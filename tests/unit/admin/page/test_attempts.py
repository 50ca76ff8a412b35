from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import RequestFactory

from celery_jobman.admin.page.attempts import OPEN, TRACEBACK_LENGTH, attempts
from celery_jobman.admin.page.regions import ERROR_LENGTH, MOST_ATTEMPTS, Subject
from celery_jobman.models import Attempt, Outcome
from tests.factories import EARLIER, NOON, attempt, finished_job, running_job

if TYPE_CHECKING:
    from celery_jobman.models import Job

pytestmark = pytest.mark.django_db


def shown(job: Job, *permissions: str) -> Any:
    user = get_user_model().objects.create_user("ann", is_staff=True, is_superuser=not permissions)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    request = RequestFactory().get("/")
    request.user = user
    return attempts(Subject(None, request, job, NOON))  # type: ignore[arg-type]


def test_a_job_that_never_began_has_none() -> None:
    assert shown(finished_job(attempt=0)) == {}


def test_the_newest_come_first_and_the_older_ones_unfold() -> None:
    job = finished_job(attempt=OPEN + 3)
    for number in range(1, OPEN + 4):
        attempt(job, number=number)

    told = shown(job)

    assert [run.number for run in told["runs"]] == [*range(OPEN + 3, 3, -1)]
    assert [run.number for run in told["older"]] == [3, 2, 1]
    assert told["left"] == 0


def test_of_very_many_the_number_of_the_missing_is_told() -> None:
    job = finished_job(attempt=MOST_ATTEMPTS + 5)
    times = {"started_at": EARLIER, "finished_at": NOON, "outcome": Outcome.RELEASED}
    Attempt.objects.bulk_create(
        Attempt(job=job, number=number, **times) for number in range(1, MOST_ATTEMPTS + 6)
    )

    assert shown(job)["left"] == 5


def test_an_attempt_tells_how_it_went() -> None:
    job = finished_job(attempt=2)
    attempt(
        job,
        number=2,
        error_class="builtins.ValueError",
        error_message="bad row",
        hostname="w1",
        resumed_from="load",
        trigger="operator",
        lines_dropped=3,
    )

    (run,) = shown(job)["runs"]

    assert (run.word, run.tone, run.took, run.worker) == ("Failed", "fail", "5m", "w1")
    assert (run.error, run.resumed, run.dropped) == ("ValueError: bad row", "load", 3)
    assert run.trigger == "Operator"


def test_the_one_that_runs_has_no_end() -> None:
    (run,) = shown(running_job())["runs"]

    assert (run.word, run.ended, run.took) == ("Running", "", "5m")


def test_errors_and_tracebacks_are_for_those_who_may_read_the_log() -> None:
    job = finished_job()
    attempt(job, error_message="bad row", traceback="Traceback\n  bad row")

    (run,) = shown(job, "view_job")["runs"]

    assert (run.error, run.traceback) == ("", "")


def test_huge_errors_are_cut() -> None:
    job = finished_job()
    attempt(job, error_class="E", error_message="x" * 10**6, traceback="a\n" * 10**6 + "the end")

    (run,) = shown(job)["runs"]

    assert len(run.error) <= ERROR_LENGTH
    assert len(run.traceback) <= TRACEBACK_LENGTH
    assert run.traceback.endswith("the end")


def test_a_lost_attempt_has_no_traceback_of_its_own() -> None:
    job = finished_job()
    attempt(job, outcome=Outcome.LOST, error_class="JobLost", traceback="of the rescuer")

    (run,) = shown(job)["runs"]

    assert (run.error, run.traceback) == ("JobLost", "")
