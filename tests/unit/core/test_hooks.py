from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman import signals
from celery_jobman.core import attempts, hints, rescue
from celery_jobman.core.endings import Ending
from celery_jobman.core.faults import Fault
from celery_jobman.core.hooks import TASK, hooks, write
from celery_jobman.exceptions import ClaimLost, JobLost
from celery_jobman.models import Job, Outcome
from celery_jobman.models.ids import uuid7
from celery_jobman.states import State
from tests.factories import EARLIER, LATER, NOON, finished_job, run_of, running_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import DjangoCaptureOnCommitCallbacks as Commit

    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db

FAULT = Fault(error_class="shop.NoStock", error_message="none left", fingerprint="f1")
FAILURE = Ending(outcome=Outcome.FAILED, to=State.FAILED, fault=FAULT)
BACKOFF = Ending(outcome=Outcome.FAILED, to=State.SCHEDULED, fault=FAULT, available_at=LATER)
SUCCESS = Ending(outcome=Outcome.SUCCEEDED, to=State.SUCCEEDED, changes={"result": "3"})


@pytest.fixture(autouse=True)
def wanted() -> Iterator[set[str]]:
    """Let a task want to be called."""
    names = {"demo.add"}
    before, hooks.wanted = hooks.wanted, names.__contains__
    yield names
    hooks.wanted = before


def hook_of(job: Job) -> Job | None:
    return Job.objects.filter(parent_id=job.id).first()


def test_who_fails_for_good_has_a_job_written_that_calls_its_hook() -> None:
    job = running_job(queue="mails", priority=3, tags=["a"], attribs={"x": 1}, label="an order")

    attempts.finish(run_of(job), FAILURE, now=NOON)

    hook = hook_of(job)
    assert hook is not None
    assert (hook.task, hook.label, hook.state) == (TASK, "failed: an order", State.SCHEDULED)
    assert (hook.available_at, hook.created_at, hook.delivery) == (NOON, NOON, 0)
    assert json.loads(hook.args) == [str(job.id), "shop.NoStock", "none left"]
    assert (hook.queue, hook.priority, hook.root_id) == ("mails", 3, job.root_id)
    assert (hook.tags, hook.attribs, hook.owner_id) == (["a"], {"x": 1}, job.owner_id)
    assert json.loads(hook.message) == {"ignore_result": True}
    assert str(job.id) in hook.preview


def test_a_hook_belongs_to_the_trace_of_the_failed_job() -> None:
    job = running_job(message='{"headers": {"traceparent": "00-1"}, "time_limit": 5}')

    attempts.finish(run_of(job), FAILURE, now=NOON)

    hook = hook_of(job)
    assert hook is not None
    assert json.loads(hook.message) == {
        "ignore_result": True,
        "headers": {"traceparent": "00-1"},
    }


@pytest.mark.parametrize("ending", [SUCCESS, BACKOFF])
def test_every_other_end_writes_none(ending: Ending) -> None:
    job = running_job()

    attempts.finish(run_of(job), ending, now=NOON)

    assert hook_of(job) is None


def test_a_task_without_a_hook_costs_no_statement_more(wanted: set[str], budget: Budget) -> None:
    wanted.clear()
    job = running_job()

    with budget(2):
        attempts.finish(run_of(job), FAILURE, now=NOON)

    assert hook_of(job) is None


def test_a_lost_job_has_its_hook_called_too() -> None:
    job = running_job(max_attempts=1)

    rescue.lose(job, "its worker died", now=NOON)

    hook = hook_of(job)
    assert hook is not None
    assert json.loads(hook.args)[1:] == [f"{JobLost.__module__}.JobLost", "its worker died"]


def test_a_failure_that_could_not_be_written_has_no_hook() -> None:
    job = running_job()

    def refuse() -> None:
        raise OSError("what follows cannot be written")

    with pytest.raises(OSError, match="what follows"):
        attempts.finish(run_of(job), FAILURE, now=NOON, following=refuse)

    job.refresh_from_db()
    assert (job.state, hook_of(job)) == (State.RUNNING, None)


def test_an_attempt_that_lost_its_job_has_no_hook() -> None:
    job = running_job()
    Job.objects.filter(pk=job.pk).update(attempt=2)

    with pytest.raises(ClaimLost):
        attempts.finish(run_of(job), FAILURE, now=NOON)

    assert hook_of(job) is None


def test_it_is_sent_and_announced_after_the_commit(
    django_capture_on_commit_callbacks: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    due: list[Any] = []
    heard: list[Any] = []
    monkeypatch.setattr(hints.hints, "due", due.extend)
    job = finished_job()

    def listen(job_id: Any, task: str, **_: Any) -> None:
        heard.append((job_id, task))

    signals.job_enqueued.connect(listen)
    with django_capture_on_commit_callbacks(execute=True):
        hook = write(job.id, FAULT, now=NOON)
        assert (due, heard) == ([], [])
    signals.job_enqueued.disconnect(listen)

    assert (due, heard) == ([hook.id], [(hook.id, TASK)])


def test_a_long_name_is_cut() -> None:
    job = finished_job(label="x" * 255)

    assert len(write(job.id, FAULT, now=EARLIER).label) == 255


def test_no_task_has_a_hook_until_the_runtime_knows_better() -> None:
    assert not type(hooks)().wanted(str(uuid7()))
