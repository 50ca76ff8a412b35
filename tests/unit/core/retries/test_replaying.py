from __future__ import annotations

import pytest

from celery_jobman.core.retries import plan, replay_skipped, retry
from celery_jobman.exceptions import TransitionRefused, UnknownStep
from celery_jobman.models import Job, JobAction, StepState
from celery_jobman.states import State
from tests.factories import LATER, checkpoint, finished_job, runner_of, running_job

pytestmark = pytest.mark.django_db

SKIPPED = [{"index": index, "item": index, "error": "no"} for index in (1, 3)]


def test_skipped_items_can_be_replayed_alone() -> None:
    job = finished_job()
    checkpoint(job, "fetch")
    checkpoint(job, "report", "REPORT")
    checkpoint(job, "load", skipped=SKIPPED, done=5, cursor="5")

    assert replay_skipped(job.id, "load", now=LATER) == 2

    job.refresh_from_db()
    assert job.state == State.SCHEDULED
    assert job.steps.get(name="load").state == StepState.REPLAYING
    runner = runner_of(job, 2)
    assert list(runner.iterate("load", range(5))) == [1, 3]
    assert runner.run("report", lambda: "new") == "REPORT"


@pytest.mark.parametrize("name", ["fetch", "lod"])
def test_a_step_that_skipped_nothing_cannot_be_replayed(name: str) -> None:
    job = finished_job()
    checkpoint(job, "fetch")
    checkpoint(job, "load", skipped=SKIPPED)

    with pytest.raises(UnknownStep, match="its steps are: load"):
        replay_skipped(job.id, name, now=LATER)

    job.refresh_from_db()
    assert job.state == State.FAILED
    assert not JobAction.objects.exists()


def test_skipped_items_of_a_running_job_are_not_replayed() -> None:
    job = running_job()
    checkpoint(job, "load", skipped=SKIPPED)

    with pytest.raises(TransitionRefused, match="is running and cannot be retried"):
        replay_skipped(job.id, "load", now=LATER)
    assert job.steps.get().state == StepState.SUCCEEDED


def test_who_replayed_how_many_items_is_audited() -> None:
    job = finished_job(State.SUCCEEDED)
    checkpoint(job, "load", skipped=SKIPPED)

    replay_skipped(job.id, "load", now=LATER, actor="ana")

    action = JobAction.objects.get(job_id=job.id)
    assert (action.verb, action.changes) == ("replay", {"step": "load", "items": 2})


@pytest.mark.parametrize("again", [replay_skipped, lambda job_id, _, now: retry(job_id, now=now)])
def test_a_replay_that_failed_goes_on_by_whatever_verb(again: object) -> None:
    job = finished_job()
    checkpoint(job, "load", state=StepState.REPLAYING, skipped=SKIPPED, done=5, cursor="5")

    assert callable(again)
    again(job.id, "load", now=LATER)

    assert job.steps.get().state == StepState.REPLAYING
    assert list(runner_of(job, 2).iterate("load", range(5))) == [1, 3]


def test_a_loop_inside_a_step_that_is_done_would_not_be_reached() -> None:
    job = finished_job(State.SUCCEEDED)
    checkpoint(job, "import")
    checkpoint(job, "import/load", skipped=SKIPPED, done=5)

    with pytest.raises(TransitionRefused, match=r"'import/load' is inside 'import', which is done"):
        replay_skipped(job.id, "import/load", now=LATER)

    job.refresh_from_db()
    assert job.state == State.SUCCEEDED
    assert job.steps.get(name="import/load").state == StepState.SUCCEEDED


def test_a_loop_inside_a_step_that_runs_again_is_replayed() -> None:
    job = finished_job()
    checkpoint(job, "import", state=StepState.FAILED)
    checkpoint(job, "import/load", skipped=SKIPPED, done=5)

    replay_skipped(job.id, "import/load", now=LATER)

    assert plan(job.id).again == ("import", "import/load")
    assert Job.objects.get().state == State.SCHEDULED
