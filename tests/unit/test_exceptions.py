from __future__ import annotations

import pickle
from typing import Any
from uuid import UUID

import pytest

from celery_jobman import exceptions
from celery_jobman.exceptions import (
    ArgumentsRefused,
    ControlFlow,
    DatabaseUnwritable,
    JobGivenUp,
    JobLost,
    JobmanError,
    JobNotFound,
    JobPoisoned,
    JobReleased,
    JobSkipped,
    NotInAJob,
    StepConflict,
    TransitionRefused,
    UnencodableValue,
    UnknownStep,
    UnknownTask,
)

JOB = UUID("0197a0c0-0000-7000-8000-000000000001")
CLASSES = [item for item in vars(exceptions).values() if isinstance(item, type)]
ALL = [item for item in CLASSES if not issubclass(item, Warning)]
FLOW = [item for item in ALL if issubclass(item, ControlFlow)]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (JobNotFound("x"), "there is no job x; `jobman list` shows the ids there are"),
        (
            TransitionRefused(JOB, "retried", "running"),
            f"job {JOB} is running and cannot be retried",
        ),
        (
            TransitionRefused(JOB, "retried", "running", "wait for its end"),
            f"job {JOB} is running and cannot be retried; wait for its end",
        ),
        (
            UnknownStep(JOB, "lod", ["fetch", "load"]),
            f"job {JOB} has no step 'lod'; its steps are: fetch, load",
        ),
        (UnknownStep(JOB, "load", []), f"job {JOB} has no step 'load'; its steps are: none"),
        (
            StepConflict(JOB, "load"),
            (
                f"job {JOB} uses the step name 'load' twice in one attempt;"
                " give each step its own name, for example 'load:2'"
            ),
        ),
        (
            UnencodableValue("argument 1", object()),
            (
                "argument 1 is a object and cannot be written as JSON;"
                " pass an id, a string or another JSON value instead"
            ),
        ),
        (
            UnencodableValue("argument 1", {1}, "a set"),
            (
                "argument 1 is a set and cannot be written as JSON (a set);"
                " pass an id, a string or another JSON value instead"
            ),
        ),
        (
            ArgumentsRefused("demo.add", "missing 'y'"),
            "the arguments do not fit demo.add: missing 'y'",
        ),
        (
            UnknownTask("demo.add"),
            (
                "no task is registered as 'demo.add'; check the spelling and that the app that"
                " defines it is in INSTALLED_APPS"
            ),
        ),
        (
            DatabaseUnwritable("demo.add", "read-only"),
            (
                "demo.add was not enqueued: its row could not be written (read-only); no message"
                " was sent, call again when the database accepts writes"
            ),
        ),
        (
            DatabaseUnwritable("demo.add", "no such owner", is_refusal=True),
            (
                "demo.add was not enqueued: its row could not be written (no such owner); no"
                " message was sent, the database would refuse the same again: change what it names"
            ),
        ),
        (NotInAJob("self.job"), "self.job works only inside a running job"),
    ],
)
def test_an_error_says_what_was_asked_of_what_and_what_to_do(
    error: JobmanError, message: str
) -> None:
    assert str(error) == message


@pytest.mark.parametrize(
    ("error", "values"),
    [
        (JobNotFound("x"), {"reference": "x"}),
        (
            TransitionRefused(JOB, "retried", "running"),
            {"job_id": JOB, "verb": "retried", "state": "running"},
        ),
        (
            UnknownStep(JOB, "lod", iter(["fetch", "load"])),
            {"job_id": JOB, "step": "lod", "known": ("fetch", "load")},
        ),
        (StepConflict(JOB, "load"), {"job_id": JOB, "step": "load"}),
        (UnencodableValue("argument 1", 5), {"what": "argument 1", "value": 5}),
        (ArgumentsRefused("demo.add", "no y"), {"task": "demo.add", "reason": "no y"}),
        (UnknownTask("demo.add"), {"task": "demo.add"}),
        (DatabaseUnwritable("demo.add", ""), {"task": "demo.add"}),
        (JobReleased(30.0), {"delay": 30.0}),
        (JobSkipped("nothing new"), {"code": "nothing new"}),
        (JobGivenUp("no stock"), {"reason": "no stock"}),
    ],
)
def test_an_error_carries_its_values(error: BaseException, values: dict[str, Any]) -> None:
    assert {name: getattr(error, name) for name in values} == values


@pytest.mark.parametrize("kind", [item for item in ALL if item not in FLOW])
def test_every_error_is_a_jobman_error(kind: type[BaseException]) -> None:
    assert issubclass(kind, JobmanError)


@pytest.mark.parametrize("kind", FLOW)
def test_control_flow_passes_a_broad_except(kind: type[BaseException]) -> None:
    assert not issubclass(kind, Exception)


def test_a_poisoned_job_is_a_lost_one() -> None:
    assert issubclass(JobPoisoned, JobLost)


@pytest.mark.parametrize("kind", [UnencodableValue, ArgumentsRefused])
def test_an_argument_error_is_a_type_error_as_in_celery(kind: type[BaseException]) -> None:
    assert issubclass(kind, TypeError)


@pytest.mark.parametrize(
    "error",
    [
        JobNotFound("x"),
        TransitionRefused(JOB, "retried", "running", "wait for its end"),
        UnknownStep(JOB, "lod", ["fetch", "load"]),
        StepConflict(JOB, "load"),
        UnencodableValue("argument 1", 5, "why"),
        ArgumentsRefused("demo.add", "missing 'y'"),
        UnknownTask("demo.add"),
        DatabaseUnwritable("demo.add", "read-only"),
        NotInAJob("self.job"),
        JobLost("killed"),
        JobReleased(30.0),
        JobSkipped("nothing new"),
        JobGivenUp("no stock"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_error_survives_a_pickle(error: BaseException) -> None:
    read = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own

    assert (type(read), str(read), vars(read)) == (type(error), str(error), vars(error))
