"""forget, flush and prune."""

from __future__ import annotations

import sys
from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from celery_jobman.models import Attempt, Job, JobAction, LogLine, Step, Worker
from celery_jobman.states import State
from tests.factories import (
    attempt,
    checkpoint,
    finished_job,
    log_line,
    queued_job,
    running_job,
    scheduled_job,
    worker,
)

if TYPE_CHECKING:
    from tests.integration.management.conftest import Command

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO())


def _ended(days: float, state: State = State.SUCCEEDED) -> Job:
    job = finished_job(state, finished_at=timezone.now() - timedelta(days=days))
    attempt(job)
    checkpoint(job, "fetch")
    log_line(job)
    return job


def _left() -> set[object]:
    return set(Job.objects.values_list("pk", flat=True))


def test_forget_deletes_a_job_and_all_that_belongs_to_it(jobman: Command) -> None:
    job, other = _ended(1), _ended(1)

    assert jobman("forget", job.id, "--yes", "--reason", "a test").lines == [
        f"{job.id}  deleted",
        "1 job deleted",
    ]
    assert _left() == {other.id}
    for table in (Attempt, Step, LogLine):
        assert table._default_manager.count() == 1
    assert JobAction.objects.get(job_id=job.id).reason == "a test"


def test_forget_asks_and_can_be_tried_dry(jobman: Command) -> None:
    job = _ended(1)

    assert "Delete 1 job for good?" in jobman.refused("forget", job.id).error
    assert jobman("forget", job.id, "--dry-run").lines[-1] == "1 job would be deleted"
    assert _left() == {job.id}


@pytest.mark.parametrize("how", ["--yes", "--dry-run"])
def test_forget_refuses_what_has_not_ended(jobman: Command, how: str) -> None:
    job = running_job()

    assert "is running and cannot be forgotten" in jobman.refused("forget", job.id, how).error


def test_flush_deletes_the_failed_jobs_only(jobman: Command) -> None:
    _ended(1, State.FAILED)
    kept = _ended(1)

    assert "Delete 1 failed job for good?" in jobman.refused("flush").error
    assert jobman("flush", "--dry-run").lines == ["1 failed job would be deleted"]
    assert jobman("flush", "--yes").lines == ["1 failed job deleted"]
    assert jobman("flush").lines == ["0 failed jobs deleted"]
    assert _left() == {kept.id}


@pytest.mark.parametrize("name", ["task", "queue"])
def test_a_filter_that_is_empty_is_no_missing_filter(jobman: Command, name: str) -> None:
    job = _ended(1, State.FAILED)

    refusal = jobman.refused("flush", f"--{name}", "", "--yes")

    assert f"no job has the {name} ''" in refusal.error
    assert _left() == {job.id}


def test_flush_of_one_task(jobman: Command) -> None:
    finished_job(State.FAILED, task="shop.sync")
    kept = _ended(1, State.FAILED)

    assert jobman("flush", "--task", "sync", "-y", "--json").facts == [{"total": 1}]
    assert _left() == {kept.id}


def test_prune_keeps_half_a_year_by_default(jobman: Command) -> None:
    _ended(181)
    kept = _ended(179)

    assert jobman("prune", "--yes").lines == [
        "        1  ended more than 180d ago: deleted",
        "1 job deleted",
    ]
    assert _left() == {kept.id}


def test_prune_after_days_or_hours(jobman: Command) -> None:
    _ended(3)

    assert jobman("prune", "--days", 4, "--yes").lines[-1] == "0 jobs deleted"
    assert jobman("prune", "--hours", 73, "--yes").lines[-1] == "0 jobs deleted"
    assert jobman("prune", "--hours", 71, "--yes").lines[-1] == "1 job deleted"


def test_prune_takes_cancelled_and_unfinished_jobs_sooner(jobman: Command) -> None:
    ages_ago = timezone.now() - timedelta(days=2)
    _ended(2, State.CANCELLED)
    queued_job(created_at=ages_ago)
    kept = {
        _ended(2, State.FAILED).id,
        running_job(created_at=ages_ago).id,
        queued_job(created_at=timezone.now()).id,
        # Put off by somebody, not abandoned:
        scheduled_job(created_at=ages_ago, available_at=timezone.now() + timedelta(days=30)).id,
    }

    answer = jobman("prune", "--cancelled", 24, "--unfinished", "1d", "--yes")

    assert answer.lines == [
        "        0  ended more than 180d ago: deleted",
        "        1  cancelled more than 1d ago: deleted",
        "        1  enqueued more than 1d ago and still waiting: deleted",
        "2 jobs deleted",
    ]
    assert _left() == kept


def test_a_cancelled_job_is_counted_once(jobman: Command) -> None:
    _ended(200, State.CANCELLED)

    facts = jobman("prune", "--cancelled", 24, "--dry-run", "--json").facts

    assert [fact.get("count", fact.get("total")) for fact in facts] == [1, 0, 1]


def test_prune_asks_and_can_be_tried_dry(jobman: Command) -> None:
    job = _ended(181)

    assert "Delete 1 job for good?" in jobman.refused("prune").error
    assert jobman("prune", "--dry-run").lines[-1] == "1 job would be deleted"
    assert _left() == {job.id}


def test_trim_keeps_the_rows(jobman: Command) -> None:
    old, recent = _ended(181), _ended(1)

    assert "the logs and steps of 1 job" in jobman.refused("prune", "--trim").error
    assert jobman("prune", "--trim", "--yes").lines[-1] == "1 job trimmed"

    assert _left() == {old.id, recent.id}
    assert set(LogLine.objects.values_list("job_id", flat=True)) == {recent.id}
    assert Attempt.objects.count() == 2


def test_checkpoints_of_unfinished_jobs_cannot_be_trimmed(jobman: Command) -> None:
    answer = jobman.refused("prune", "--trim", "--unfinished", 24)

    assert "checkpoints that unfinished jobs go on from" in answer.error
    assert answer.status == 2


@pytest.mark.parametrize("dry", [True, False])
def test_prune_forgets_workers_long_gone(jobman: Command, dry: bool) -> None:  # noqa: FBT001
    worker(seen=timezone.now() - timedelta(days=8))
    worker(seen=timezone.now() - timedelta(days=6))

    lines = jobman("prune", "--yes", *(["--dry-run"] if dry else [])).lines

    deed = "would be deleted" if dry else "deleted"
    assert f"        1  workers not seen for more than 7d: {deed}" in lines
    assert Worker.objects.count() == (2 if dry else 1)
