from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman.exceptions import ArgumentsRefused, UnencodableValue, UnknownTask
from celery_jobman.runtime.signatures import bind
from tests.factories import unsaved_job

if TYPE_CHECKING:
    from celery import Task

    from celery_jobman.models import Job


@pytest.fixture
def job() -> Job:
    return unsaved_job(args="[1]", kwargs='{"y": 2}')


@pytest.mark.usefixtures("task")
@pytest.mark.parametrize(
    ("args", "kwargs", "bound"),
    [
        (None, None, ("[1]", '{"y": 2}')),
        ([7], None, ("[7]", '{"y": 2}')),
        (None, {"y": 8}, ("[1]", '{"y": 8}')),
        ([7, 8], {}, ("[7, 8]", "{}")),
        ([], {"x": 7}, ("[]", '{"x": 7}')),
    ],
)
def test_edited_arguments_that_fit_are_returned_as_text(
    job: Job, args: Any, kwargs: Any, bound: tuple[str, str]
) -> None:
    assert bind(job, args, kwargs) == bound


@pytest.mark.usefixtures("task")
@pytest.mark.parametrize(
    ("args", "kwargs", "why"),
    [
        ([], {}, "missing 1 required positional argument: 'x'"),
        ([1, 2, 3], {}, "positional arguments but"),
        ([1], {"z": 3}, "unexpected keyword argument 'z'"),
        ([1, 2], {"y": 3}, "multiple values for argument 'y'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_the_reason(
    job: Job, args: Any, kwargs: Any, why: str
) -> None:
    with pytest.raises(ArgumentsRefused, match=r"the arguments do not fit demo\.add") as refused:
        bind(job, args, kwargs)
    assert why in str(refused.value)


@pytest.mark.usefixtures("task")
def test_arguments_that_are_no_json_are_named(job: Job) -> None:
    with pytest.raises(UnencodableValue, match="argument 'y' is a set"):
        bind(job, None, {"y": {1}})


def test_arguments_of_a_task_that_is_not_known_cannot_be_checked(job: Job) -> None:
    with pytest.raises(UnknownTask, match=r"no task is registered as 'demo\.add'"):
        bind(job, [1], None)


def test_a_task_that_does_not_want_its_arguments_checked_takes_any(job: Job, task: Task) -> None:
    task.typing = False

    assert bind(job, [], {}) == ("[]", "{}")
