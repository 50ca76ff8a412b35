from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock
from uuid import uuid4

import pytest

from celery_jobman import JobTask
from celery_jobman.core.hooks import TASK, hooks
from celery_jobman.exceptions import JobLost, JobSkipped
from celery_jobman.runtime import hooking
from celery_jobman.runtime import task as task_module
from celery_jobman.runtime.running import running as running_in
from tests.factories import finished_job, running_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery, Task

    from tests.unit.runtime.conftest import Running

pytestmark = pytest.mark.django_db


class Refused(Exception):
    """One of a project's exceptions."""


class Coded(Exception):
    """One that wants more than a message."""

    def __init__(self, code: int, *, reason: str) -> None:
        super().__init__(code, reason)


class Outer:
    class Inner(Exception):
        """One inside of a class."""


class Hooked(JobTask):
    """Notes how its hook is called."""

    called: list[Any]

    def failed(self, exception: BaseException) -> None:
        self.called.append((exception, self.request.id, self.request.args, self.request.kwargs))


@pytest.fixture
def hooked(app: Celery) -> Iterator[Task]:
    """Return a task with a hook that is registered while the test runs."""

    def add(_self: Any, x: int, y: int = 1) -> int:
        return x + y

    made = app.task(name="demo.hooked", base=Hooked, bind=True, shared=False)(add)
    made.called = []
    yield made
    app.tasks.pop("demo.hooked")


def call(running: Running, *args: str) -> None:
    with running_in(running(running_job(task=TASK))):
        hooking.call(*args)


def test_only_a_task_that_says_what_to_do_has_a_hook(task: Task, hooked: Task) -> None:
    assert hooking.has_hook(hooked.name)
    assert not hooking.has_hook(task.name)
    assert not hooking.has_hook("nobody.knows.it")


def test_an_attribute_that_happens_to_have_the_name_is_no_hook() -> None:
    class Counting(JobTask):
        failed = 0  # type: ignore[assignment]

    assert not task_module.overrides_hook(Counting)


def test_ends_of_jobs_ask_this_process() -> None:
    assert hooks.wanted is hooking.has_hook


def test_the_hook_is_called_with_what_was_raised_and_the_request_of_the_failed_job(
    hooked: Task, running: Running
) -> None:
    job = finished_job(task=hooked.name, args="[1]", kwargs='{"y": 2}')

    call(running, str(job.id), f"{__name__}.Refused", "no such address")

    ((error, task_id, args, kwargs),) = hooked.called
    assert (type(error), str(error)) == (Refused, "no such address")
    assert (task_id, list(args), kwargs) == (job.task_id, [1], {"y": 2})
    assert hooked.request.id is None


def test_what_the_hook_raises_fails_its_own_job(
    hooked: Task, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: Any, exception: BaseException) -> None:
        raise LookupError from exception

    monkeypatch.setattr(Hooked, "failed", refuse)
    job = finished_job(task=hooked.name)

    with pytest.raises(LookupError):
        call(running, str(job.id), "ValueError", "no")

    assert hooked.request.id is None


def test_a_job_that_is_gone_is_passed_over(running: Running) -> None:
    with pytest.raises(JobSkipped):
        call(running, str(uuid4()), "ValueError", "no")


def test_a_hook_that_is_gone_is_passed_over(task: Task, running: Running) -> None:
    job = finished_job(task=task.name)

    with pytest.raises(JobSkipped):
        call(running, str(job.id), "ValueError", "no")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ValueError", ValueError),
        (f"{__name__}.Refused", Refused),
        (f"{__name__}.Outer.Inner", Outer.Inner),
        (f"{__name__}.Coded", Coded),
        ("celery_jobman.exceptions.JobLost", JobLost),
        ("UnicodeDecodeError", UnicodeDecodeError),
    ],
)
def test_an_exception_is_one_of_its_own_class(name: str, kind: type[BaseException]) -> None:
    error = hooking.exception(name, "the message")

    assert type(error) is kind
    assert error.args == ("the message",)


@pytest.mark.parametrize("name", ["gone.module.Refused", f"{__name__}.Gone", "os.path"])
def test_a_class_that_cannot_be_found_is_stood_in_for(name: str) -> None:
    error = hooking.exception(name, "the message")

    assert type(error).__name__ == name.rpartition(".")[2]
    assert type(error).__module__ == name.rpartition(".")[0]
    assert str(error) == "the message"


def test_an_app_gets_the_task_that_calls_hooks_with_the_first_that_has_one() -> None:
    app = MagicMock()

    for task_class in (JobTask, Hooked, Hooked):
        task_class.on_bound(app)

    app.task.assert_called_once_with(name=TASK, base=JobTask, shared=False)
    assert task_module.HOOK == TASK


def test_outside_a_hook_nothing_happens(task: Task) -> None:
    task.failed(ValueError("no"))
