from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from celery import states
from celery.exceptions import Ignore, Reject

from celery_jobman.exceptions import JobCancelled, NotInAJob, UnencodableValue
from celery_jobman.models import Job, Outcome
from celery_jobman.states import State

if TYPE_CHECKING:
    from tests.integration.conftest import Make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager")]


def a_set(_self: Any) -> set[int]:
    return {1, 2}


def test_a_completed_job_has_a_result_and_a_code(make: Make) -> None:
    def body(self: Any) -> Any:
        return self.complete({"rows": 7}, code="already there")

    result = make(body).delay()

    job = Job.objects.get()
    assert result.get() == job.return_value == {"rows": 7}
    assert (job.state, job.completed_code) == (State.SUCCEEDED, "already there")


def test_a_job_may_find_that_there_is_nothing_to_do(make: Make) -> None:
    def body(self: Any) -> None:
        self.skip("nothing new")
        raise AssertionError

    result = make(body).delay()

    job = Job.objects.get()
    assert (result.state, result.result) == (states.SUCCESS, None)
    assert (job.state, job.completed_code) == (State.SUCCEEDED, "nothing new")


def test_a_job_may_give_up_however_many_attempts_are_left(make: Make) -> None:
    def body(self: Any) -> None:
        self.fail("no such shop")

    result = make(body, max_attempts=5).delay()

    job = Job.objects.get()
    assert (result.state, str(result.result)) == (states.FAILURE, "no such shop")
    assert (job.state, job.attempt, job.error_message) == (State.FAILED, 1, "no such shop")
    assert job.error_class == "celery_jobman.exceptions.JobFailed"


def test_a_broad_except_does_not_swallow_a_verb(make: Make) -> None:
    def body(self: Any) -> None:
        try:
            self.skip("nothing new")
        except Exception as error:
            raise AssertionError from error

    make(body).delay()

    assert Job.objects.get().completed_code == "nothing new"


def test_a_verb_from_any_depth_ends_the_job(make: Make) -> None:
    def deep(self: Any) -> None:
        self.job.fail("too deep")

    def body(self: Any) -> None:
        self.step("load", deep, self)

    make(body).delay()

    job = Job.objects.get()
    assert (job.state, job.error_message, job.current_step) == (State.FAILED, "too deep", "load")


def test_a_cancel_request_takes_effect_at_the_next_checkpoint(make: Make) -> None:
    def body(self: Any) -> None:
        Job.objects.update(cancel_requested_at=self.job.row.created_at)
        self.job.ask()
        self.progress(1)
        raise AssertionError

    make(body).delay()

    job = Job.objects.get()
    assert (job.state, job.progress_current) == (State.CANCELLED, 1)
    assert job.attempts.get().outcome == Outcome.CANCELLED


def test_cleaning_up_after_a_cancel_is_allowed(make: Make) -> None:
    done: list[str] = []

    def body(self: Any) -> None:
        try:
            raise JobCancelled
        finally:
            done.append(self.job.task)

    make(body).delay()

    assert done == ["demo.task"]
    assert Job.objects.get().state == State.CANCELLED


def test_a_verb_outside_a_job_says_that_it_needs_one(make: Make) -> None:
    task = make(a_set)

    for verb in (task.release, task.skip, lambda: task.fail("x")):
        with pytest.raises(NotInAJob):
            verb()
    with pytest.raises(NotInAJob, match=r"self\.job works only inside a running job"):
        task.iterate("load", [])
    assert task.attempts == 0


def test_a_plain_call_runs_its_steps_as_plain_calls(make: Make) -> None:
    def body(self: Any) -> int:
        self.progress(1, 2)
        result: int = self.step("add", lambda x: x + 1, 1)
        return result

    assert make(body)() == 2
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [
        (Ignore(), State.SUCCEEDED, "ignored"),
        (Reject("no"), State.FAILED, ""),
    ],
)
def test_celerys_own_verbs_end_the_job(
    make: Make, error: Exception, state: State, code: str
) -> None:
    def body(_self: Any) -> None:
        raise error

    make(body).delay()

    job = Job.objects.get()
    assert (job.state, job.completed_code) == (state, code)


def test_a_result_that_is_no_json_is_an_error_that_names_it(make: Make) -> None:
    result = make(a_set).delay()

    assert isinstance(result.result, UnencodableValue)
    assert "the result of demo.task is a set" in Job.objects.get().error_message


def test_a_result_nobody_keeps_may_be_anything(make: Make) -> None:
    make(a_set, ignore_result=True).delay()

    job = Job.objects.get()
    assert (job.state, job.result) == (State.SUCCEEDED, None)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, BaseException])
def test_what_ends_the_process_ends_the_job_first(make: Make, kind: type[BaseException]) -> None:
    def body(_self: Any) -> None:
        raise kind

    with pytest.raises(kind):
        make(body).delay()

    job = Job.objects.get()
    assert (job.state, job.attempts.count()) == (State.FAILED, 1)


def test_progress_that_makes_no_sense_is_the_tasks_own_error(make: Make) -> None:
    def body(self: Any) -> None:
        self.progress("50%")

    make(body).delay()

    job = Job.objects.get()
    assert job.state == State.FAILED
    assert "current must be a finite number, not '50%'" in job.error_message


@pytest.mark.parametrize(
    "report", [(2**80,), (1, None, None), (1, 2, "a\x00b\ud800"), (1.5, 2), (-1, -2)]
)
def test_any_other_progress_can_be_reported(make: Make, report: tuple[Any, ...]) -> None:
    def body(self: Any) -> None:
        self.progress(*report)

    make(body).delay()

    assert Job.objects.get().state == State.SUCCEEDED
