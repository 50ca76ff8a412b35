from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.test import RequestFactory

from celery_jobman.admin.page.header import attempt, header, step
from celery_jobman.admin.page.regions import Subject
from tests.factories import NOON, finished_job, queued_job, running_job, unsaved_job, worker

if TYPE_CHECKING:
    from celery_jobman.models import Job

pytestmark = pytest.mark.django_db


def shown(job: Job) -> dict[str, Any]:
    request = RequestFactory().get("/")
    request.user = get_user_model().objects.create_superuser("root")
    return header(Subject(None, request, job, NOON))  # type: ignore[arg-type]


def test_a_running_job_says_where_and_how_it_runs() -> None:
    runs_on = worker(hostname="celery@w3", seen=NOON - timedelta(seconds=2))
    job = running_job(
        worker_id=runs_on.pk, max_attempts=5, declared_steps=["a", "b"], current_step="b"
    )

    told = shown(job)

    assert told["attempt"] == "attempt 1 of 5"
    assert told["step"] == "step 2 of 2 “b”"
    assert told["worker"] == "celery@w3"
    assert told["heartbeat"] == "2s ago"
    assert told["silent"] is False


def test_a_worker_that_went_silent_stands_out() -> None:
    job = running_job(worker_id=worker(seen=NOON - timedelta(hours=1)).pk)

    told = shown(job)

    assert told["silent"] is True
    assert told["badge"] == ("question", "warn", "Running, worker silent")


def test_a_job_that_waits_or_ended_names_no_step_and_no_worker() -> None:
    for job in (queued_job(current_step="b"), finished_job(current_step="b")):
        job.worker_id = worker().pk
        told = shown(job)

        assert (told["step"], told["worker"]) == ("", "")
        get_user_model().objects.all().delete()


def test_releases_make_no_attempt_six_of_five() -> None:
    assert attempt(unsaved_job(attempt=6, max_attempts=5)) == "attempt 6"
    assert attempt(unsaved_job(attempt=0, max_attempts=5)) == ""


def test_a_nested_step_counts_as_the_declared_one_around_it() -> None:
    job = unsaved_job(declared_steps=["fetch", "load"], current_step="load/images")

    assert step(job) == "step 2 of 2 “load/images”"
    assert step(unsaved_job(current_step="free")) == "step “free”"
