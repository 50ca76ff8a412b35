from __future__ import annotations

from functools import partialmethod
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from celery.app.trace import build_tracer, task_has_custom

from celery_jobman import JobTask
from celery_jobman.runtime import entrances, seam

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery, Task


@pytest.fixture
def make(app: Celery) -> Callable[..., Task]:
    """Return a task of a base class."""

    def task_of(base: type[JobTask]) -> Task:
        def nothing(*_args: Any) -> str:
            return "done"

        task = app.task(name="demo.nothing", base=base, shared=False)(nothing)
        app.tasks.pop("demo.nothing")
        return task

    return task_of


def test_every_tracer_that_celery_assigns_leads_to_the_seam(
    make: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    task, trace = make(JobTask), Mock(return_value="traced")
    monkeypatch.setattr(seam, "trace", trace)
    tracer = build_tracer(task.name, task, app=task.app)

    task.__trace__ = tracer
    traced = task.__trace__("id", (), {}, {"retries": 0})

    assert traced == "traced"
    trace.assert_called_once_with(task, tracer, "id", (), {}, {"retries": 0})


def test_a_tracer_is_led_there_once(make: Callable[..., Task]) -> None:
    task = make(JobTask)
    task.__trace__ = Mock(spec=[])
    first = task.__trace__

    task.__trace__ = first

    assert task.__trace__ is first


def test_a_task_without_a_tracer_has_none(make: Callable[..., Task]) -> None:
    task = make(JobTask)

    before = task.__trace__
    task.__trace__ = Mock(spec=[])
    task.__trace__ = None

    assert before is None
    assert task.__trace__ is None
    assert JobTask.__trace__ is None


def test_a_task_that_makes_no_jobs_is_traced_as_ever(make: Callable[..., Task]) -> None:
    task, tracer = make(JobTask), Mock(return_value="traced", spec=[])
    type(task).track = False
    task.__trace__ = tracer

    assert task.__trace__("id", (), {}) == "traced"
    tracer.assert_called_once_with("id", (), {}, None)


class Hooked(JobTask):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.run(*args, **kwargs)

    def before_start(self, *_: Any) -> str:
        return "began"


class Mixin:
    @staticmethod
    def on_success(*given: Any) -> Any:
        return given


class Mixed(Mixin, Hooked):
    before_start = partialmethod(Hooked.before_start)


@pytest.mark.parametrize(
    ("base", "names"),
    [
        (JobTask, set()),
        (Hooked, {"__call__", "before_start"}),
        (Mixed, {"__call__", "before_start", "on_success"}),
    ],
)
def test_what_a_class_overrides_is_guarded(
    make: Callable[..., Task], base: type[JobTask], names: set[str]
) -> None:
    task = make(base)

    guarded = {name for name in entrances._METHODS if entrances.is_guarded(getattr(base, name))}

    assert guarded == names | {"__call__"}
    assert {name for name in names if not task_has_custom(task, name)} == set()


def test_a_guarded_method_is_still_what_it_was(make: Callable[..., Task]) -> None:
    task = make(Mixed)

    assert task.on_success("value", "id") == ("value", "id")
    assert task.before_start() == "began"
    assert task("anything") == "done"
    assert Hooked.before_start.__name__ == "before_start"


def test_a_class_is_guarded_once() -> None:
    class Further(Hooked):
        pass

    assert Further.__call__ is Hooked.__call__
