from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction

from celery_jobman import step
from celery_jobman.exceptions import StepConflict
from celery_jobman.models import Job, JobAction, StepState
from celery_jobman.states import State
from tests.factories import NOON

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.conftest import Make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager")]


class Work:
    """Work whose calls are counted, and which may fail at first."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.calls = 0

    def __call__(self, result: Any = None) -> Any:
        self.calls += 1
        if self.calls <= self.failures:
            raise ValueError(f"call {self.calls}")
        return result


def test_a_step_runs_once_however_often_the_job_is_attempted(make: Make) -> None:
    fetch, load = Work(), Work(failures=2)

    def body(self: Any) -> Any:
        path = self.step("fetch", fetch, "a.csv")
        return self.step("load", load, path)

    result = make(body, max_attempts=5).delay()

    job = Job.objects.get()
    assert result.get() == "a.csv"
    assert (fetch.calls, load.calls, job.attempt) == (1, 3, 3)
    assert [attempt.resumed_from for attempt in job.attempts.all()] == ["", "load", "load"]


def test_the_page_sees_which_step_failed(make: Make) -> None:
    def body(self: Any) -> None:
        self.step("fetch", Work())
        self.step("load", Work(failures=9))

    make(body).delay()

    job = Job.objects.get()
    assert {row.name: row.state for row in job.steps.all()} == {
        "fetch": StepState.SUCCEEDED,
        "load": StepState.FAILED,
    }
    assert job.current_step == "load"
    assert job.steps.get(name="load").error_message == "ValueError: call 1"


def test_a_replay_returns_what_the_first_run_did(make: Make) -> None:
    seen: list[Any] = []
    boom = Work(failures=1)

    def body(self: Any) -> None:
        seen.append(self.step("fetch", lambda: ("a", 1)))
        self.step("load", boom)

    make(body, max_attempts=2).delay()

    assert seen == [["a", 1], ["a", 1]]


def test_steps_from_any_depth_belong_to_the_job(make: Make) -> None:
    def deep() -> Any:
        return step("inner", lambda: 1)

    def body(self: Any) -> Any:
        return self.step("outer", deep)

    make(body).delay()

    assert set(Job.objects.get().steps.values_list("name", flat=True)) == {"outer", "outer/inner"}


def test_an_inner_step_is_not_run_again_when_the_outer_one_is(make: Make) -> None:
    inner, outer = Work(), Work(failures=1)

    def work(self: Any) -> None:
        self.step("inner", inner)
        outer()

    def body(self: Any) -> None:
        self.step("outer", work, self)

    make(body, max_attempts=2).delay()

    assert (inner.calls, outer.calls) == (1, 2)


def test_the_same_name_twice_fails_the_job_and_names_the_step(make: Make) -> None:
    def body(self: Any) -> None:
        self.step("load", Work())
        self.step("load", Work())

    result = make(body).delay()

    assert isinstance(result.result, StepConflict)
    assert "uses the step name 'load' twice" in Job.objects.get().error_message


def leave_a_mark() -> None:
    JobAction.objects.create(at=NOON, verb="worked", actor="step")


def marks() -> int:
    return JobAction.objects.filter(verb="worked").count()


@pytest.mark.django_db(transaction=True)
def test_an_atomic_step_has_its_effects_exactly_once(make: Make) -> None:
    boom = Work(failures=2)

    def charge() -> None:
        leave_a_mark()
        boom()

    def body(self: Any) -> None:
        self.step("charge", charge, atomic=True)
        self.step("report", Work())

    make(body, max_attempts=5).delay()

    assert Job.objects.get().state == State.SUCCEEDED
    assert (boom.calls, marks()) == (3, 1)


@pytest.mark.django_db(transaction=True)
def test_an_atomic_step_inside_the_tasks_own_transaction_is_an_error(make: Make) -> None:
    def body(self: Any) -> None:
        with transaction.atomic():
            self.step("charge", leave_a_mark, atomic=True)

    make(body).delay()

    job = Job.objects.get()
    assert (job.state, job.error_class) == (State.FAILED, "RuntimeError")
    assert "durable" in job.error_message
    assert marks() == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("atomic", [True, False])
def test_a_checkpoint_is_rolled_back_with_the_work_it_stands_for(make: Make, atomic: bool) -> None:  # noqa: FBT001
    boom = Work(failures=1)

    def body(self: Any) -> None:
        if atomic:
            with transaction.atomic():
                self.step("charge", leave_a_mark)
                boom()
        else:
            self.step("charge", leave_a_mark)
            boom()

    make(body, max_attempts=2).delay()

    assert Job.objects.get().state == State.SUCCEEDED
    assert marks() == 1


def test_code_that_changed_between_attempts_runs_its_new_steps(make: Make) -> None:
    boom = Work(failures=1)
    ran: list[str] = []

    def version_1(self: Any) -> None:
        self.step("fetch", lambda: ran.append("fetch"))
        self.step("old", lambda: ran.append("old"))

    def version_2(self: Any) -> None:
        self.step("new", lambda: ran.append("new"))
        self.step("fetch", lambda: ran.append("fetch again"))

    versions: list[Callable[[Any], None]] = [version_1, version_2]

    def body(self: Any) -> None:
        versions.pop(0)(self)
        boom()

    make(body, max_attempts=2).delay()

    assert ran == ["fetch", "old", "new"]
