"""What a body returns: kept, passed on, or left out, and then it is said."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import celery
import pytest

from celery_jobman import batch, chain, chord
from celery_jobman.insight.troubles import troubles
from celery_jobman.models import Job, LogLine, Trouble
from celery_jobman.states import State
from celery_jobman.testing import run_jobs
from tests.celery_app import app
from tests.factories import NOON
from tests.workflows import deed, did

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery_jobman.runtime.workflows.flows import Flow

pytestmark = pytest.mark.django_db(transaction=True)


@app.task(name="returns.words", ignore_result=True)
def words(*_: object) -> set[str]:
    return {"a"}


async def _work() -> None:
    """Never runs."""


@app.task(name="returns.coroutine", ignore_result=True)
def coroutine() -> Any:
    return _work()


@app.task(name="returns.generator", ignore_result=True)
def generator() -> Any:
    return (item for item in "ab")


@app.task(name="returns.forgetful", bind=True, steps=["fecth", "store", "report"])
def forgetful(self: Any) -> int:
    self.step("fetch", lambda: 1)
    self.step("store", lambda: 2)
    self.complete(3, code="already there")
    return 3


@app.task(name="returns.caller", bind=True)
def caller(self: Any) -> Any:
    forgetful()
    return self.complete(4, code="done")


def said(log: pytest.LogCaptureFixture) -> str:
    return "\n".join(record.getMessage() for record in log.records)


def test_a_result_that_nobody_asked_for_is_left_out_and_that_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "celery_jobman"):
        result = words.delay()
        run_jobs()

    job = Job.objects.get(task_id=result.id)
    assert (job.state, job.result) == (State.SUCCEEDED, None)
    assert "The result of returns.words is a set and cannot be written as JSON" in said(caplog)
    assert LogLine.objects.filter(job_id=job.id, message__contains="is a set").count() == 1
    assert "is a set and cannot be written as JSON" in troubles(job.id, NOON)
    assert "it is not kept" in troubles(job.id, NOON)


@pytest.mark.parametrize(
    "flow",
    [
        lambda: chain(words.s(), deed.s("a")),
        lambda: chain(chain(words.s()), deed.s("a")),
        lambda: chord([words.s(), deed.s("b")], deed.s("a")),
    ],
    ids=["chain", "inner chain", "chord"],
)
def test_a_result_that_a_link_would_be_given_fails_what_returned_it(
    flow: Callable[[], Flow],
) -> None:
    dispatched = flow().dispatch()
    run_jobs()

    failed = Job.objects.get(task="returns.words")
    assert failed.state == State.FAILED
    assert failed.error_message.startswith("the result of returns.words is a set")
    assert dispatched.row.state == State.FAILED
    assert "a" not in did()


@pytest.mark.parametrize(
    "flow",
    [lambda: chain(words.s(), deed.si("a")), lambda: batch([words.s()])],
    ids=["immutable link", "batch"],
)
def test_a_result_that_no_link_takes_is_left_out(flow: Callable[[], Flow]) -> None:
    dispatched = flow().dispatch()
    run_jobs()

    assert dispatched.row.state == State.SUCCEEDED
    assert Trouble.objects.filter(row_id=Job.objects.get(task="returns.words").id).exists()


@pytest.mark.parametrize(
    "call",
    [
        lambda: celery.chain(words.s(), deed.s("a")).apply_async(),
        lambda: words.apply_async(link=deed.s("a")),
    ],
    ids=["chain", "link"],
)
def test_a_result_that_celerys_canvas_would_pass_on_fails_what_returned_it(
    call: Callable[[], Any],
) -> None:
    call()
    run_jobs()

    failed = Job.objects.get(task="returns.words")
    assert (failed.state, failed.error_class) == (
        State.FAILED,
        "celery_jobman.exceptions.UnencodableValue",
    )
    assert did() == []


@pytest.mark.parametrize("task", [coroutine, generator])
@pytest.mark.filterwarnings("error")
def test_what_would_not_have_run_fails(task: Any) -> None:
    task.delay()
    run_jobs()

    job = Job.objects.get(task=task.name)
    assert (job.state, job.error_class) == (State.FAILED, "celery_jobman.exceptions.BodyNotRun")
    assert f"{task.name} returned a {task.name.removeprefix('returns.')}" in job.error_message


def test_a_completion_that_was_not_returned_and_a_misspelled_step_are_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "celery_jobman"):
        forgetful.delay()
        run_jobs()

    job = Job.objects.get(task="returns.forgetful")
    assert (job.state, job.completed_code) == (State.SUCCEEDED, "")
    assert "Step 'fecth' is declared and did not run; 'fetch' ran" in said(caplog)
    assert "'report'" not in said(caplog)
    text = "self.complete() was called with the code 'already there', but not returned"
    assert text in troubles(job.id, NOON)


def test_a_completion_of_a_task_that_was_called_as_a_function_is_its_callers() -> None:
    caller.delay()
    run_jobs()

    job = Job.objects.get(task="returns.caller")
    assert (job.completed_code, job.result) == ("done", "4")
    assert troubles(job.id, NOON) == ""
