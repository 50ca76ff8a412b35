"""Declarations: what a task says of itself, looked at where it is bound to its app.

A mistake in an option is told there, by the task's name, and not by a job that behaves strangely
much later.  What cannot work is refused; what only looks like a mistake is a warning, because a
project's own base classes have attributes of their own.

Importing this module needs no configured Django.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import timedelta
from functools import partial
from math import isfinite
from types import FunctionType, MappingProxyType
from typing import TYPE_CHECKING, Any

from celery import Celery
from django.apps import apps
from django.utils.functional import Promise

from celery_jobman.exceptions import TaskRefused, TaskWarning, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    #: A class of tasks that has JobTask among its bases, which imports this module.
    JobClass = type[Any]

#: Longest name of a step.
STEP_LENGTH = 200
#: Most attempts that every database counts.
MOST_ATTEMPTS = 2_147_483_647
#: How the names of the tasks begin that are not the project's.
OWN = ("celery.", "jobman.")
#: How much an attribute must have in common with an option to be taken for it.
ALIKE = 0.8

#: What a function is whose body a call does not run, and how to run it.
_NOT_RUN: Mapping[str, tuple[Callable[[Any], bool], str]] = MappingProxyType(
    {
        "a coroutine function": (
            inspect.iscoroutinefunction,
            "write a plain function that calls async_to_sync() of asgiref",
        ),
        "an asynchronous generator": (
            inspect.isasyncgenfunction,
            "write a plain function that calls async_to_sync() of asgiref",
        ),
        "a generator": (
            inspect.isgeneratorfunction,
            "take `yield` out of it, or call it in a plain function with list() around",
        ),
    }
)


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "give True or False"


def _count(value: Any) -> str:
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if value is None or (is_count and value <= MOST_ATTEMPTS):
        return ""
    return "give a whole number of at least 1, or None"


def _steps(value: Any) -> str:
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        return f"give a list of names{_in_brackets(value)}"
    if any(not 1 <= len(name) <= STEP_LENGTH for name in value):
        return f"names of steps have 1 to {STEP_LENGTH} characters"
    twice = sorted({name for name in value if value.count(name) > 1})
    return f"each name once, but {twice[0]!r} is there twice" if twice else ""


def _tags(value: Any) -> str:
    is_several = isinstance(value, list | tuple | AbstractSet)
    if is_several and all(isinstance(tag, str) for tag in value):
        return ""
    return f"give a list of texts{_in_brackets(value)}"


def _in_brackets(value: Any) -> str:
    return f", such as [{value!r}]" if isinstance(value, str) else ""


def _effects(value: Any) -> str:
    pairs = value.items() if isinstance(value, Mapping) else [(None, None)]
    if all(isinstance(name, str) and _is_text(what) for name, what in pairs):
        return ""
    return 'give a dict of names of steps and texts, such as {"report": "sends a mail"}'


def _is_text(value: Any) -> bool:
    return isinstance(value, str | Promise)


def _backoff(value: Any) -> str:
    if isinstance(value, list | tuple):
        return next((advice for each in value if (advice := _wait(each))), "")
    return "" if callable(value) else _wait(value)


def _wait(value: Any) -> str:
    if value is None or (isinstance(value, timedelta) and value >= timedelta()):
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "" if isfinite(value) and value >= 0 else "a wait is 0 or more seconds"
    return "give seconds, a timedelta, a list of them, or a function of the number of failures"


#: What is wrong with the value of each option; nothing if it is empty.
CHECKS: Mapping[str, Callable[[Any], str]] = MappingProxyType(
    {
        "track": _flag,
        "steps": _steps,
        "effects": _effects,
        "max_attempts": _count,
        "backoff": _backoff,
        "fail_on_timeout": _flag,
        "tags": _tags,
    }
)
#: Options and hooks that may be functions.
FUNCTIONS = frozenset({"backoff", "failed"})


def examine(cls: JobClass, app: Celery, base: JobClass) -> None:
    """Look at a task that is bound to an app; let its functions do without ``self``.

    Args:
        cls: The task's class.
        app: The app; Celery registers a task in it before it binds it.
        base: The class that brings the options: :class:`~celery_jobman.runtime.task.JobTask`.

    Raises:
        TaskRefused: It is declared in a way that cannot work.
    """
    if cls.name is None or cls.name.startswith(OWN) or "jobman_refused" in vars(cls):
        return
    for text in (*doubts(cls, base), *_without_app()):
        _warn(cls, f"task {cls.name} {text}")
    if cls.track is False:
        return
    try:
        _refuse_bad_values(cls)
        _refuse_what_is_not_run(cls, base)
    except TaskRefused as error:
        _put_aside(cls, app, error)
    else:
        _refused.pop((app.main, cls.name), None)
        _release_functions(cls)


#: Tasks that were refused, by the names of their apps and their own.
_refused: dict[tuple[str | None, str], TaskRefused] = {}


def _put_aside(cls: JobClass, app: Celery, error: TaskRefused) -> None:
    """Let a refused task do nothing but raise its error.

    Celery registers a task before it binds it.  Where it evaluates all tasks of an app, it takes
    the app for complete even if one of them raised, and those that come after would be missing,
    in silence.  There the error waits: for the first call, the start of a worker, and the checks.

    Raises:
        TaskRefused: The task is declared now, in an app that is complete.
    """
    _refused[app.main, cls.name] = error
    if not any(frame.frame.f_code is Celery.finalize.__code__ for frame in inspect.stack(0)):
        app._tasks.pop(cls.name, None)  # noqa: SLF001 - `tasks` would register all others first
        raise error
    _warn(cls, str(error))

    def refuse(*_: Any, **__: Any) -> None:
        raise error

    cls.jobman_refused = True
    cls.apply_async = cls.apply = cls.__call__ = refuse


def refused(app: Celery) -> list[TaskRefused]:
    """Return the errors of an app's tasks that were refused, told or not."""
    return [error for (main, _), error in _refused.items() if main == app.main]


def _refuse_bad_values(cls: JobClass) -> None:
    for name, check in CHECKS.items():
        value = getattr(cls, name)
        advice = "" if isinstance(value, property) else check(value)
        if advice:
            raise TaskRefused(cls.name, f"its option {name} is {value!r}", advice)


def _refuse_what_is_not_run(cls: JobClass, base: JobClass) -> None:
    """Refuse a function that returns before its body runs, unless the project calls it itself."""
    if cls.__call__ is not base.__call__:
        return
    run = _unbound(inspect.getattr_static(cls, "run"))
    run = inspect.unwrap(run, stop=lambda each: not _is_celerys(each))
    for kind, (is_one, advice) in _NOT_RUN.items():
        if is_one(run):
            fix = f"{advice}; or say track=False if its worker's pool runs it"
            raise TaskRefused(cls.name, f"it is {kind}, whose body a worker does not run", fix)


def _is_celerys(function: Any) -> bool:
    """Whether a wrapper is Celery's; one of the project's may await what it calls."""
    home = getattr(function, "__globals__", {}).get("__name__", "")
    return str(home).startswith("celery.")


def _unbound(value: Any) -> Any:
    return value.__func__ if isinstance(value, staticmethod | classmethod) else value


def _release_functions(cls: JobClass) -> None:
    """Let functions that were given as options be called without the task.

    A method has ``self`` before the number or the error, and keeps it.
    """
    for name in FUNCTIONS:
        given = inspect.getattr_static(cls, name)
        if isinstance(given, partial) or (
            isinstance(given, FunctionType) and not _is_method(given)
        ):
            setattr(cls, name, staticmethod(given))


def _is_method(function: FunctionType) -> bool:
    """Whether a function wants the task before what it is told."""
    parameters = list(inspect.signature(function).parameters.values())
    places = [each for each in parameters if each.kind in _POSITIONAL]
    required = [each for each in places if each.default is inspect.Parameter.empty]
    return len(required) > 1 or (bool(places) and places[0].name == "self")


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def doubts(cls: JobClass, base: JobClass) -> Iterator[str]:
    """Yield what looks like a mistake in a task's declaration, and may be none."""
    for name in _own_names(cls, base):
        meant = nearest(name, CHECKS, ALIKE)
        if meant and (meant in FUNCTIONS or not callable(inspect.getattr_static(cls, name))):
            yield f"has an attribute {name!r}, which is no option; did you mean {meant!r}?"
    if isinstance(cls.effects, Mapping) and isinstance(cls.steps, list | tuple):
        for name in cls.effects:
            meant = None if name in cls.steps else nearest(name, cls.steps)
            if meant:
                yield f"says what step {name!r} does outside; did you mean {meant!r}?"


def _without_app() -> Iterator[str]:
    """Say once in a process that no task is a job, because the project has not our app."""
    if apps.apps_ready and not apps.is_installed("celery_jobman") and not _said_so:
        _said_so.append(True)
        yield 'is a JobTask, but its calls are no jobs: add "celery_jobman" to INSTALLED_APPS'


_said_so: list[bool] = []


def _own_names(cls: JobClass, base: JobClass) -> Iterator[str]:
    """Yield the attributes that a task and the project's base classes bring, and ours do not."""
    ours = set(dir(base))  # hasattr would bind it to an app
    for each in cls.__mro__[: cls.__mro__.index(base)]:
        yield from (name for name in vars(each) if not name.startswith("_") and name not in ours)


#: What was warned of: a task is bound to each app of the process.
_warned: dict[Any, int] = {}


def _warn(cls: JobClass, text: str) -> None:
    """Warn at the line where the task is written, as far as it can be found."""
    code = getattr(inspect.unwrap(_unbound(inspect.getattr_static(cls, "run"))), "__code__", None)
    path, line = (code.co_filename, code.co_firstlineno) if code else (cls.__module__, 1)
    warnings.warn_explicit(text, TaskWarning, path, line, cls.__module__, _warned)
