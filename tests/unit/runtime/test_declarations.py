from __future__ import annotations

import functools
import warnings
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from asgiref.sync import async_to_sync
from celery import Celery
from django.utils.translation import gettext_lazy

from celery_jobman import JobTask
from celery_jobman.exceptions import TaskRefused, TaskWarning
from celery_jobman.models.step import STEP_LENGTH
from celery_jobman.runtime import declarations, outcomes
from celery_jobman.runtime.backoffs import exponential

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_django import Settings as Project


@pytest.fixture
def unborn() -> Iterator[Celery]:
    """An app of its own, which does not know its tasks yet."""
    made = Celery("declared", task_cls="celery_jobman:JobTask", set_as_current=False)
    yield made
    made.close()
    for app, name in list(declarations._refused):
        del declarations._refused[app, name]


@pytest.fixture
def app(unborn: Celery) -> Celery:
    """One that knows its tasks at once."""
    unborn.finalize()
    return unborn


def nothing() -> None:
    """Do nothing."""


def declare(app: Celery, function: Any = nothing, **options: Any) -> Any:
    return app.task(name="shop.declared", shared=False, **options)(function)


def test_every_option_is_looked_at() -> None:
    options = {name for name in JobTask.__annotations__ if not name.startswith("_")}

    assert set(declarations.CHECKS) == options


def test_a_step_may_be_as_long_as_its_column() -> None:
    assert declarations.STEP_LENGTH == STEP_LENGTH


@pytest.mark.parametrize(
    ("option", "value", "advice"),
    [
        ("tags", "abc", r"give a list of texts, such as \['abc'\]"),
        ("tags", [1], "give a list of texts"),
        ("tags", {"a": 1}, "give a list of texts"),
        ("steps", "fetch", r"give a list of names, such as \['fetch'\]"),
        ("steps", {"fetch", "store"}, "give a list of names"),
        ("steps", ["fetch", "fetch"], "'fetch' is there twice"),
        ("steps", [""], "1 to 200 characters"),
        ("steps", ["x" * 201], "1 to 200 characters"),
        ("effects", ["report"], "give a dict"),
        ("effects", {"report": 3}, "give a dict"),
        *[("max_attempts", value, "at least 1, or None") for value in (0, -1, "3", 1.5, True)],
        ("max_attempts", 2**31, "at least 1, or None"),
        ("backoff", "10", "give seconds"),
        ("backoff", True, "give seconds"),
        ("backoff", -1, "0 or more seconds"),
        ("backoff", float("nan"), "0 or more seconds"),
        ("backoff", timedelta(seconds=-1), "give seconds"),
        ("backoff", [10, "60"], "give seconds"),
        ("fail_on_timeout", "no", "give True or False"),
        ("track", "no", "give True or False"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_the_names_of_task_and_option(
    app: Celery, option: str, value: Any, advice: str
) -> None:
    with pytest.raises(TaskRefused, match=f"task shop.declared: its option {option} is .*{advice}"):
        declare(app, **{option: value})

    assert "shop.declared" not in app.tasks


@pytest.mark.parametrize("call", ["delay", "apply_async", "apply", "__call__"])
def test_a_task_that_is_refused_with_all_others_of_its_app_raises_where_it_is_used(
    unborn: Celery, call: str
) -> None:
    task = declare(unborn, tags="abc")
    unborn.task(name="shop.other", shared=False)(nothing)

    with pytest.warns(TaskWarning, match=r"task shop\.declared: its option tags is 'abc'"):
        unborn.finalize()

    assert "shop.other" in unborn.tasks
    with pytest.raises(TaskRefused, match=r"task shop\.declared: its option tags is 'abc'"):
        getattr(task, call)()
    assert [type(error) for error in declarations.refused(unborn)] == [TaskRefused]


def test_an_app_that_was_complete_stays_it(app: Celery) -> None:
    with pytest.raises(TaskRefused):
        declare(app, tags="abc")

    assert app.finalized


def test_a_task_that_was_mended_is_refused_no_longer(app: Celery) -> None:
    with pytest.raises(TaskRefused):
        declare(app, tags="abc")
    declare(app, tags=["abc"])

    assert declarations.refused(app) == []


@pytest.mark.parametrize(
    "options",
    [
        {"tags": ("a", "b")},
        {"tags": {"a"}},
        {"steps": ["fetch", "store"], "effects": {"store": gettext_lazy("stores it")}},
        {"max_attempts": None, "backoff": None},
        {"backoff": [10, timedelta(minutes=1)]},
        {"backoff": exponential(10)},
        {"time_limit": 3, "rate_limit": "10/m", "autoretry_for": (OSError,), "acks_late": True},
        {"customer": 3, "store_backend": "s3", "budget": "abc"},
    ],
)
def test_what_works_is_taken_without_a_word(app: Celery, options: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        declare(app, **options)

    assert "shop.declared" in app.tasks


def test_a_task_that_is_no_job_may_have_options_of_another_meaning(app: Celery) -> None:
    declare(app, track=False, tags="abc", max_attempts="many")

    assert app.tasks["shop.declared"].tags == "abc"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("max_attemps", "max_attempts"),
        ("tag", "tags"),
        ("back_off", "backoff"),
        ("fail_on_timeouts", "fail_on_timeout"),
        ("trak", "track"),
        ("efects", "effects"),
    ],
)
def test_a_misspelled_option_is_answered_with_the_one_that_was_meant(
    app: Celery, name: str, meant: str
) -> None:
    with pytest.warns(
        TaskWarning, match=f"shop.declared has an attribute '{name}'.*'{meant}'"
    ) as told:
        declare(app, **{name: 3})

    assert told[0].filename == __file__


def test_a_task_of_several_apps_is_warned_of_once(app: Celery) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        for _ in range(2):
            declare(app, max_attemps=3)
            app.tasks.pop("shop.declared")

    assert len(told) == 1


def test_an_effect_of_a_misspelled_step_is_answered_with_the_step(app: Celery) -> None:
    with pytest.warns(TaskWarning, match="step 'reprot' does outside; did you mean 'report'"):
        declare(app, steps=["report"], effects={"reprot": "sends a mail"})


def test_an_attribute_of_a_base_class_is_looked_at_too(app: Celery) -> None:
    class Base(JobTask):
        abstract = True
        max_attemps = 3

        def tagged(self) -> None:
            """A method of the project's own."""

    with pytest.warns(TaskWarning, match="'max_attemps'.*did you mean 'max_attempts'") as told:
        declare(app, base=Base)

    assert len(told) == 1


async def work() -> int:
    return 1


async def stream() -> Any:
    yield 1


def items() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (work, "a coroutine function"),
        (stream, "an asynchronous generator"),
        (items, "a generator"),
        (functools.partial(work), "a coroutine function"),
    ],
)
@pytest.mark.parametrize("given", [staticmethod, lambda function: function])
def test_a_function_whose_body_would_not_run_is_refused(
    app: Celery, function: Callable[..., Any], kind: str, given: Callable[[Any], Any]
) -> None:
    class Declared(JobTask):
        name = "shop.declared"
        run = given(function)

    with pytest.raises(TaskRefused, match=f"task shop.declared: it is {kind}, whose body"):
        app.register_task(Declared())


def test_a_coroutine_that_the_decorator_is_given_is_refused_by_its_name(app: Celery) -> None:
    with pytest.raises(TaskRefused, match=r"task shop\.declared: it is a coroutine function"):
        declare(app, work)


def test_a_coroutine_behind_a_wrapper_of_celerys_is_refused(app: Celery) -> None:
    with pytest.raises(TaskRefused, match="it is a coroutine function"):
        declare(app, work, pydantic=True)


@functools.wraps(work)
def runs_it() -> int:
    return async_to_sync(work)()


def test_a_wrapper_that_runs_a_coroutine_is_a_function_as_any_other(app: Celery) -> None:
    declare(app, runs_it)

    assert app.tasks["shop.declared"]() == 1


class Runner(JobTask):
    """A base class that awaits what its tasks are."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return async_to_sync(self.run)(*args, **kwargs)


@pytest.mark.parametrize("options", [{"track": False}, {"base": Runner}])
def test_a_coroutine_that_somebody_else_runs_is_taken(app: Celery, options: Any) -> None:
    declare(app, work, **options)

    assert "shop.declared" in app.tasks


def by_default(failures: int = 1) -> int:
    return failures * 10


def capped(failures: int, cap: int = 60) -> int:
    return min(failures * 10, cap)


def of_task(task: Any, failures: int) -> int:
    return failures * 10 if isinstance(task, JobTask) else -1


@pytest.mark.parametrize(
    "backoff",
    [
        lambda n: n * 10,
        lambda n, cap=60: min(n * 10, cap),
        lambda *failures: failures[0] * 10,
        lambda _task, n: n * 10,
        by_default,
        capped,
        of_task,
        functools.partial(capped, cap=90),
        staticmethod(capped),
    ],
)
def test_a_function_as_an_option_is_given_the_number_of_failures(app: Celery, backoff: Any) -> None:
    task = declare(app, backoff=backoff)

    assert outcomes.delay(task, 3) == timedelta(seconds=30)


@pytest.mark.parametrize(
    "hook",
    [lambda error: error.args[0], lambda _task, error: str(error), str, functools.partial(str)],
)
def test_a_function_as_the_hook_of_failures_is_given_the_error(app: Celery, hook: Any) -> None:
    task = declare(app, failed=hook)

    assert task.failed(ValueError("no money")) == "no money"


class WithMethod(JobTask):
    """A base class whose tasks wait as they say."""

    abstract = True
    unit: ClassVar[int] = 10

    def backoff(self, failures: int) -> int:
        return failures * self.unit


class WithDefault(WithMethod):
    abstract = True

    def backoff(self, failures: int = 1) -> int:
        return failures * self.unit


class WithFunction(JobTask):
    abstract = True
    backoff = lambda failures, cap=60: min(failures * 10, cap)  # noqa: E731


@pytest.mark.parametrize("base", [WithMethod, WithDefault, WithFunction])
def test_a_method_of_a_base_class_is_given_the_task_too(app: Celery, base: Any) -> None:
    task = declare(app, base=base)

    assert outcomes.delay(task, 3) == timedelta(seconds=30)


def test_a_project_without_our_app_is_told_once_that_it_has_no_jobs(
    app: Celery, settings: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(declarations, "_said_so", [])
    settings.INSTALLED_APPS = [each for each in settings.INSTALLED_APPS if "jobman" not in each]

    with pytest.warns(TaskWarning, match='add "celery_jobman" to INSTALLED_APPS'):
        declare(app)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        app.task(name="shop.other", shared=False)(nothing)
