from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
from celery import Celery, states
from celery.signals import task_failure

from celery_jobman.core.rescue import Rescued
from celery_jobman.exceptions import JobLost
from celery_jobman.runtime import messages, results
from celery_jobman.states import State
from tests.factories import finished_job

if TYPE_CHECKING:
    from celery import Task

    from celery_jobman.models import Job

pytestmark = pytest.mark.django_db


def lost_job(**fields: Any) -> Job:
    return finished_job(**{"task_id": str(uuid4()), "args": "[1]", "kwargs": '{"y": 2}', **fields})


def rescued(job: Job, state: State) -> Rescued:
    return Rescued(job_id=job.id, task_id=job.task_id, task=job.task, state=state, error="killed")


def test_a_job_cancelled_while_it_waited_is_revoked_for_celery(task: Task) -> None:
    job = lost_job()

    results.cancelled(job.id)

    assert task.AsyncResult(job.task_id).state == states.REVOKED


def test_a_job_that_failed_for_good_is_a_failure_for_celery(task: Task) -> None:
    job = lost_job()

    results.failed(job.id, JobLost("its worker died"))

    result = task.AsyncResult(job.task_id)
    assert result.state == states.FAILURE
    assert "its worker died" in str(result.result)


def test_its_failure_is_signalled_with_its_arguments(task: Task) -> None:
    heard: list[dict[str, Any]] = []

    def listen(**facts: Any) -> None:
        heard.append(facts)

    job = lost_job()
    error = JobLost("its worker died")
    task_failure.connect(listen)
    results.failed(job.id, error)
    task_failure.disconnect(listen)

    (facts,) = heard
    assert (facts["sender"], facts["task_id"], facts["exception"]) == (task, job.task_id, error)
    assert (facts["args"], facts["kwargs"]) == ([1], {"y": 2})


def test_its_error_callbacks_run(app: Celery, task: Task) -> None:
    ran = Mock()

    def note(*_: Any) -> None:
        ran()

    callback = app.task(name="demo.note", track=False, shared=False)(note)
    app.conf.task_always_eager = True
    job = lost_job(message=messages.encode({"link_error": callback.s()}, "options"))

    results.failed(job.id, JobLost("its worker died"))

    app.conf.task_always_eager = False
    app.tasks.pop("demo.note")
    ran.assert_called_once()
    assert task.name == "demo.add"


@pytest.mark.parametrize("tell", [results.cancelled, lambda id_: results.failed(id_, JobLost("x"))])
def test_a_result_that_nobody_wants_is_not_stored(task: Task, tell: Any) -> None:
    job = lost_job(message='{"ignore_result": true}')

    tell(job.id)

    assert task.AsyncResult(job.task_id).state == states.PENDING


@pytest.mark.parametrize("tell", [results.cancelled, lambda id_: results.all_cancelled([id_])])
def test_a_skipped_link_is_told_of_whether_its_result_is_wanted_or_not(
    task: Task, tell: Any
) -> None:
    job = finished_job(State.SKIPPED, task_id=str(uuid4()), message='{"ignore_result": true}')

    tell(job.id)

    assert task.AsyncResult(job.task_id).state == states.REVOKED


@pytest.mark.parametrize("tell", [results.cancelled, lambda id_: results.failed(id_, JobLost("x"))])
def test_a_task_this_process_does_not_know_is_left_to_another(tell: Any) -> None:
    job = lost_job(task="demo.unknown")

    tell(job.id)


@pytest.mark.parametrize("tell", [results.cancelled, lambda id_: results.failed(id_, JobLost("x"))])
def test_a_job_that_is_gone_by_now_is_no_error(tell: Any) -> None:
    tell(uuid4())


@pytest.mark.parametrize(
    ("method", "tell", "logged"),
    [
        ("mark_as_revoked", results.cancelled, "Result of a cancelled job could not be stored"),
        (
            "mark_as_failure",
            lambda id_: results.failed(id_, JobLost("x")),
            "Result of a lost job could not be stored",
        ),
    ],
)
def test_a_result_backend_that_is_away_is_logged(
    task: Task,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    method: str,
    tell: Any,
    logged: str,
) -> None:
    monkeypatch.setattr(task.backend, method, Mock(side_effect=ConnectionError("away")))
    job = lost_job()

    tell(job.id)

    assert f"{logged} task_id={job.task_id}" in caplog.text


def test_an_eager_job_has_no_result_to_revoke() -> None:
    task = Mock()

    results.revoke(task, Mock(is_eager=True))

    task.backend.mark_as_revoked.assert_not_called()


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (State.FAILED, states.FAILURE),
        (State.CANCELLED, states.REVOKED),
        (State.SCHEDULED, states.PENDING),
    ],
)
def test_of_what_was_rescued_celery_is_told_only_the_ends(
    task: Task, state: State, told: str
) -> None:
    job = lost_job()

    results.ended([rescued(job, state)])

    assert task.AsyncResult(job.task_id).state == told


@pytest.mark.parametrize(("given", "list_"), [(None, []), ({"a": 1}, [{"a": 1}]), ([1, 2], [1, 2])])
def test_one_callback_or_several_are_a_list(given: Any, list_: list[Any]) -> None:
    assert results._as_list(given) == list_


def test_many_jobs_that_ended_together_are_revoked(task: Task) -> None:
    jobs = [lost_job() for _ in range(3)]

    results.all_cancelled([job.id for job in jobs])

    assert {task.AsyncResult(job.task_id).state for job in jobs} == {states.REVOKED}


def test_a_slow_backend_is_told_for_a_while_of_the_last_first(
    task: Task, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = [lost_job() for _ in range(4)]
    chord = '{"chord": {"task": "demo.body", "args": [], "kwargs": {}, "options": {}}}'
    jobs.append(lost_job(message=chord))
    monkeypatch.setattr(task.backend, "on_chord_part_return", Mock())
    clock = iter([0.0, 0.5, 1.5, 2.5])
    monkeypatch.setattr(results, "time", Mock(monotonic=lambda: next(clock)))

    results.all_cancelled([job.id for job in jobs])

    found = [task.AsyncResult(job.task_id).state for job in jobs]
    assert found == [states.PENDING] * 2 + [states.REVOKED] * 3
    assert "was not told of all jobs untold=2" in caplog.text


def test_of_jobs_cancelled_in_one_block_celery_is_told_at_its_end(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [lost_job() for _ in range(2)]
    told = Mock()
    monkeypatch.setattr(results, "all_cancelled", told)

    with results.gathered():
        for job in jobs:
            results.cancelled(job.id)
        told.assert_not_called()

    told.assert_called_once_with([job.id for job in jobs])
    assert task.AsyncResult(jobs[0].task_id).state == states.PENDING


@pytest.mark.parametrize(
    ("backend", "quick"), [("disabled", True), ("cache+memory://", False), ("redis://", True)]
)
def test_a_backend_is_quick_if_many_results_cost_little(
    *, backend: str, quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Celery("other", backend=backend, set_as_current=False)
    monkeypatch.setattr(results, "current_app", made)

    assert results.is_quick() == quick
