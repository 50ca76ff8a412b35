"""A job is brought to a place in its middle."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any

import pytest

from celery_jobman.exceptions import UnencodableValue
from celery_jobman.models import Attempt, Job
from celery_jobman.testing import interrupt_at, run_job, start_at
from tests.celery_app import app

pytestmark = pytest.mark.django_db

did: list[str] = []


@app.task(bind=True, name="entrances.story", steps=("fetch", "load", "report"))
def story(self: Any, count: int) -> str:
    fetched = self.step("fetch", _do, "fetch")
    for number in self.iterate("load", range(count)):
        _do(f"load {number}")
    return f"{fetched}, {self.step('report', _do, 'report')}"


def _do(name: str) -> str:
    did.append(name)
    return name


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    did.clear()


def test_a_job_is_interrupted_before_a_step_and_goes_on_there() -> None:
    job = interrupt_at(story, "report", 2)

    assert job.state == "scheduled"
    assert did == ["fetch", "load 0", "load 1"]
    assert run_job(job).state == "succeeded"
    assert did == ["fetch", "load 0", "load 1", "report"]
    assert Attempt.objects.order_by("number").values_list("outcome", "resumed_from").last() == (
        "succeeded",
        "report",
    )


def test_a_job_is_interrupted_in_an_iteration_and_goes_on_there() -> None:
    job = interrupt_at(story, "load", 4, items=3)

    assert did == ["fetch", "load 0", "load 1", "load 2"]
    run_job(job)
    assert did == ["fetch", "load 0", "load 1", "load 2", "load 3", "report"]


def test_an_interrupt_counts_as_no_failure() -> None:
    job = run_job(interrupt_at(story, "load", 1))

    assert (job.state, job.attempt, job.failures) == ("succeeded", 2, 0)


@pytest.mark.parametrize(
    ("step", "items", "said"),
    [("nowhere", 0, "step 'nowhere'"), ("load", 9, "item 10 of step 'load'")],
)
def test_a_place_that_is_never_reached_is_an_error(step: str, items: int, said: str) -> None:
    with pytest.raises(AssertionError, match=f"never came to {said}; its steps: fetch, load"):
        interrupt_at(story, step, 2, items=items)


def test_a_job_starts_at_a_step_with_what_the_others_returned() -> None:
    job = start_at(story, "report", 2, results={"fetch": "given"})

    assert did == ["report"]
    assert (job.state, job.return_value) == ("succeeded", "given, report")


def test_a_job_starts_at_its_first_step() -> None:
    assert start_at(story, "fetch", 1).state == "succeeded"
    assert did == ["fetch", "load 0", "report"]


@pytest.mark.parametrize(
    ("step", "results", "said"),
    [
        ("nowhere", {}, "declares no step 'nowhere'; it declares fetch, load, report"),
        ("load", {"report": 1}, r"the steps before \(fetch\), not for 'report'"),
    ],
)
def test_a_wrong_step_is_an_error_and_nothing_is_run(
    step: str, results: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        start_at(story, step, 1, results=results)

    assert did == []
    assert not Job.objects.exists()


def test_a_result_that_is_not_json_is_an_error_and_nothing_is_run() -> None:
    with pytest.raises(UnencodableValue, match="the result of step 'fetch'"):
        start_at(story, "load", 1, results={"fetch": object()})

    assert not Job.objects.exists()
