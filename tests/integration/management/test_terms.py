"""retry with --at, --in, --to-queue and --priority, and what steps do outside."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from celery_jobman.models import Job, JobAction
from celery_jobman.states import State
from tests.factories import checkpoint, finished_job

if TYPE_CHECKING:
    from celery import Task

    from tests.integration.management.conftest import Command

pytestmark = pytest.mark.django_db


@pytest.fixture
def failed() -> Job:
    job = finished_job(State.FAILED, declared_steps=["fetch", "load"])
    checkpoint(job, "fetch")
    return job


@pytest.mark.parametrize("how", [[], ["--from-step", "load"]])
def test_a_retry_can_wait_elsewhere_and_go_first(
    jobman: Command, failed: Job, how: list[str]
) -> None:
    jobman("retry", failed.id, *how, "--in", "2h", "--to-queue", "slow", "--priority", "0")

    failed.refresh_from_db()
    assert (failed.state, failed.queue, failed.priority) == (State.SCHEDULED, "slow", 0)
    assert failed.available_at is not None
    assert failed.available_at - timezone.now() > timedelta(hours=1)
    assert JobAction.objects.get().changes["queue"] == ["celery", "slow"]


@pytest.mark.parametrize(
    "wrong",
    [
        ["--priority", "256"],
        ["--priority", "high"],
        ["--to-queue", ""],
        ["--at", "soon"],
        ["--at", "2030-01-01", "--in", "2h"],
        ["--skipped", "fetch", "--priority", "0"],
    ],
)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["really", "dry"])
def test_terms_that_make_no_sense_are_wrong_usage(
    jobman: Command, failed: Job, wrong: list[str], dry: list[str]
) -> None:
    assert jobman.refused("retry", failed.id, *wrong, *dry).error
    assert not JobAction.objects.exists()


def test_a_dry_run_says_what_would_be_done_outside_again(
    jobman: Command, failed: Job, add: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    effects = {"fetch": "counts a visit", "load": "sends a mail"}
    monkeypatch.setattr(add, "effects", effects, raising=False)

    plain = jobman("retry", failed.id, "--dry-run")
    (fact, _total) = jobman("retry", failed.id, "--dry-run", "--from-step", "fetch", "--json").facts

    assert "step load may act a second time: sends a mail" in plain.notes
    assert "fetch" not in plain.notes
    assert fact["effects"] == effects


def test_many_jobs_wait_for_the_same_moment(jobman: Command, failed: Job) -> None:
    other = finished_job(State.FAILED)

    jobman("retry", failed.id, other.id, "--in", "2h")

    assert len(set(Job.objects.values_list("available_at", flat=True))) == 1
