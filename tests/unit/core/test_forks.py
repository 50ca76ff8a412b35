from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError

from celery_jobman.core import forks
from celery_jobman.core.forks import INHERITED, fork
from celery_jobman.exceptions import JobNotFound, TransitionRefused, UnknownStep
from celery_jobman.models import Job, JobAction, StepState
from celery_jobman.states import State
from tests.factories import NOON, checkpoint, finished_job, job_in, runner_of, running_job

if TYPE_CHECKING:
    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db


def full_job() -> Job:
    owner = get_user_model().objects.create(username="ana")
    return finished_job(
        label="Nightly import", queue="slow", priority=3, args='["a.csv"]', kwargs='{"limit": 3}',
        preview='"a.csv", limit=3', message='{"time_limit": 60}', declared_steps=["fetch", "load"],
        max_attempts=5, owner=owner, tags=["nightly"], attribs={"shop": 7}, failures=5, crashes=1,
        delivery=9, retries=4, result='"old"', error_message="no stock", code_version="1.2",
    )  # fmt: skip


def test_a_fork_is_a_new_job_like_the_old_one() -> None:
    original = full_job()

    copy = fork(original.id, now=NOON)

    row = Job.objects.get(pk=copy.id)
    assert {name: getattr(row, name) for name in INHERITED} == {
        name: getattr(original, name) for name in INHERITED
    }
    assert (row.state, row.available_at, row.retry_of) == (State.SCHEDULED, NOON, original.id)
    assert row.task_id == row.root_id == str(row.id) != original.task_id


def test_a_fork_begins_its_own_life() -> None:
    row = Job.objects.get(pk=fork(full_job().id, now=NOON).id)

    assert (row.attempt, row.failures, row.crashes, row.delivery, row.retries) == (0, 0, 0, 0, 0)
    assert (row.result, row.error_message, row.finished_at) == (None, "", None)
    assert (row.created_at, row.trigger) == (NOON, "operator")


def test_a_fork_keeps_the_message_but_not_the_workflow() -> None:
    bound = {"chain": [{"task": "b"}], "chord": {"task": "c"}, "group_id": "g", "group_index": 2}
    original = finished_job(message=json.dumps({"time_limit": 60, "jobman_next": ["x"], **bound}))

    row = Job.objects.get(pk=fork(original.id, now=NOON).id)

    assert json.loads(row.message) == {"time_limit": 60}


@pytest.mark.parametrize("state", State)
def test_a_job_in_any_state_can_be_forked_and_is_not_changed(state: State) -> None:
    original = job_in(state)

    fork(original.id, now=NOON)

    before = {k: v for k, v in vars(original).items() if k != "_state"}
    after = {k: v for k, v in vars(Job.objects.get(pk=original.id)).items() if k != "_state"}
    assert after == before


def test_arguments_can_be_replaced() -> None:
    original = full_job()

    copy = fork(original.id, now=NOON, arguments=('["b.csv"]', '{"token": "hunter2"}'))

    row = Job.objects.get(pk=copy.id)
    assert row.arguments == (["b.csv"], {"token": "hunter2"})
    assert row.preview == '"b.csv", token="•••"'
    changes = JobAction.objects.get().changes
    assert changes["arguments"] == ['"a.csv", limit=3', '"b.csv", token="•••"']


def test_without_a_step_no_checkpoint_is_copied() -> None:
    original = full_job()
    checkpoint(original, "fetch", "a.csv")

    copy = fork(original.id, now=NOON)

    assert not copy.steps.exists()


def test_checkpoints_before_the_chosen_step_are_copied() -> None:
    original = full_job()
    checkpoint(original, "fetch", "a.csv")
    checkpoint(original, "validate", 7)
    checkpoint(original, "load", state=StepState.FAILED)

    copy = fork(original.id, now=NOON, from_step="load")

    copies = copy.steps.order_by("position")
    assert [(row.name, row.checkpoint, row.attempt) for row in copies] == [
        ("fetch", "a.csv", 0),
        ("validate", 7, 0),
    ]
    assert original.steps.count() == 3


def test_the_first_attempt_of_a_fork_reuses_what_was_copied() -> None:
    original = full_job()
    checkpoint(original, "fetch", "a.csv")
    checkpoint(original, "load")

    copy = fork(original.id, now=NOON, from_step="load")

    runner = runner_of(copy)
    assert runner.run("fetch", lambda: "not this") == "a.csv"
    assert runner.run("load", lambda: "new") == "new"
    assert runner.resumed_from == "load"


def test_a_step_that_is_not_there_is_named_and_nothing_is_written() -> None:
    original = full_job()

    with pytest.raises(UnknownStep, match="has no step 'lod'; its steps are: fetch, load"):
        fork(original.id, now=NOON, from_step="lod")
    assert Job.objects.count() == 1
    assert not JobAction.objects.exists()


def test_a_job_that_is_gone_is_not_found() -> None:
    with pytest.raises(JobNotFound):
        fork(uuid4(), now=NOON)


def test_who_forked_it_and_what_became_of_it_is_audited() -> None:
    original = full_job()
    checkpoint(original, "fetch")

    copy = fork(original.id, now=NOON, from_step="load", actor="ana", reason="wrong file")

    action = JobAction.objects.get(job_id=original.id)
    assert (action.verb, action.actor, action.reason) == ("fork", "ana", "wrong file")
    assert action.changes == {"fork": str(copy.id), "step": "load", "reused": ["fetch"]}


def test_a_fork_is_three_statements_and_three_more_with_a_step(budget: Budget) -> None:
    original = full_job()
    checkpoint(original, "fetch")

    with budget(4):
        fork(original.id, now=NOON, actor="ana")
    with budget(7):
        fork(original.id, now=NOON, actor="ana", from_step="load")


def test_the_same_new_id_makes_one_fork() -> None:
    original, new_id = full_job(), uuid4()

    first = fork(original.id, now=NOON, new_id=new_id)
    second = fork(original.id, now=NOON, new_id=new_id)

    assert first.id == second.id == new_id
    assert JobAction.objects.count() == 1


def test_two_at_once_make_one_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    original, new_id = full_job(), uuid4()
    fork(original.id, now=NOON, new_id=new_id)
    look = forks._twin
    answers = iter([None])
    monkeypatch.setattr(forks, "_twin", lambda *asked: next(answers, look(*asked)))

    assert fork(original.id, now=NOON, new_id=new_id).id == new_id
    assert JobAction.objects.count() == 1


def test_the_id_of_another_job_is_not_taken() -> None:
    taken = finished_job()

    with pytest.raises(IntegrityError):
        fork(full_job().id, now=NOON, new_id=taken.id)


def test_a_fork_can_stand_for_the_job_that_failed() -> None:
    original = full_job()

    copy = fork(original.id, now=NOON, replaces=True)

    original.refresh_from_db()
    assert original.replaced_by == copy.id
    assert JobAction.objects.get().changes["replaces"] is True


def test_a_job_that_runs_again_is_not_replaced() -> None:
    running = running_job()

    with pytest.raises(TransitionRefused):
        fork(running.id, now=NOON, replaces=True)
    assert Job.objects.count() == 1
    assert not JobAction.objects.exists()
