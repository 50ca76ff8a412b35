"""Tasks that want to be called when a job of theirs has failed for good."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from celery_jobman import JobTask, actions
from celery_jobman.core.hooks import TASK
from celery_jobman.exceptions import JobLost
from celery_jobman.models import Job
from celery_jobman.states import State
from celery_jobman.testing import run_jobs
from tests.factories import running_job, worker
from tests.integration.workers import eventually

if TYPE_CHECKING:
    from celery import Celery

    from tests.integration.conftest import Make

called: list[tuple[Any, ...]] = []


class Bounced(Exception):
    """There is nobody at the address."""


class Delivery(JobTask):
    """Remembers whom it could not reach."""

    def failed(self, exception: BaseException) -> None:
        called.append((type(exception), str(exception), self.request.args[0], self.request.id))


def deliver(self: Any, name: str) -> str:
    if name == "flaky" and self.attempts < 2:
        raise OSError("busy")
    if name in {"nobody", "flaky"}:
        raise Bounced(f"no {name}")
    return name


@pytest.fixture(autouse=True)
def nothing_called() -> None:
    called.clear()


def hooks() -> list[Job]:
    return list(Job.objects.filter(task=TASK).order_by("id"))


def ended(result: Any) -> Job:
    jobs = Job.objects.filter(task_id=result.id).exclude(finished_at=None)
    return eventually(lambda: jobs.all().first())


def test_the_hook_is_called_once_when_a_job_has_failed_for_good(employ: Make) -> None:
    task = employ(deliver, base=Delivery, max_attempts=2, backoff=0)
    fine, gone, flaky = (task.delay(name) for name in ("ann", "nobody", "flaky"))
    for result in (fine, gone, flaky):
        ended(result)

    eventually(lambda: [row.state for row in hooks()] == [State.SUCCEEDED] * 2)

    assert sorted(called, key=str) == sorted(
        [(Bounced, "no nobody", "nobody", gone.id), (Bounced, "no flaky", "flaky", flaky.id)],
        key=str,
    )
    parents = set(Job.objects.filter(task_id__in=[gone.id, flaky.id]).values_list("pk", flat=True))
    assert {row.parent_id for row in hooks()} == parents


def test_it_is_called_again_when_a_retry_fails_again(employ: Make) -> None:
    task = employ(deliver, base=Delivery)
    job = ended(task.delay("nobody"))
    eventually(lambda: len(called) == 1)

    actions.retry(job.id)

    eventually(lambda: len(called) == 2)
    assert len(hooks()) == 2


@pytest.mark.django_db
def test_a_job_whose_worker_died_has_its_hook_called(make: Make) -> None:
    task = make(deliver, base=Delivery)
    dead = worker(seen=timezone.now() - timedelta(hours=1))
    job = running_job(task=task.name, args='["ann"]', worker_id=dead.id, max_attempts=1)

    actions.rescue_lost()
    run_jobs()

    assert [(kind, name, task_id) for kind, _, name, task_id in called] == [
        (JobLost, "ann", job.task_id)
    ]


@pytest.mark.django_db
def test_in_a_projects_tests_run_jobs_runs_it(make: Make, app: Celery, eager: None) -> None:
    del app, eager
    task = make(deliver, base=Delivery)

    with pytest.raises(Bounced):
        task.delay("nobody").get()
    run_jobs()

    assert [name for _, _, name, _ in called] == ["nobody"]
