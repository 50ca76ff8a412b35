from __future__ import annotations

import asyncio
from contextvars import copy_context
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from django.core.exceptions import SynchronousOnlyOperation

from tests.factories import runner_of, running_job

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery_jobman.core.steps import StepRunner

pytestmark = pytest.mark.django_db


def in_a_thread(ask: Callable[[], str]) -> str:
    answers: list[str] = []
    thread = Thread(target=lambda: answers.append(ask()))
    thread.start()
    thread.join(30)
    return answers[0]


def here(runner: StepRunner) -> str:
    """Return the path that a step would have here."""
    return runner.enter("x")


def test_a_step_in_a_thread_of_the_bodys_own_is_in_no_other() -> None:
    runner = runner_of(running_job())

    path = runner.run("load", lambda: in_a_thread(lambda: here(runner)))

    assert path == "x"


def test_a_step_in_a_thread_that_was_given_the_context_is_in_the_step_of_its_start() -> None:
    runner = runner_of(running_job())

    def load() -> str:
        copied = copy_context()
        return in_a_thread(lambda: copied.run(here, runner))

    assert runner.run("load", load) == "load/x"


def test_a_thread_that_was_given_the_context_of_a_loop_stays_in_it() -> None:
    runner = runner_of(running_job())
    copies = [copy_context() for _ in runner.iterate("load", "ab")]

    paths = {in_a_thread(partial(copied.run, here, runner)) for copied in copies}

    assert (paths, here(runner)) == ({"load/x"}, "x")


def test_steps_of_a_job_inside_a_step_of_another_are_its_own() -> None:
    outer, inner = runner_of(running_job()), runner_of(running_job())

    assert outer.run("load", lambda: here(inner)) == "x"


def test_the_step_that_is_shown_is_the_one_that_began_last_in_any_thread() -> None:
    runner = runner_of(running_job())

    with runner.part("load"):
        shown = in_a_thread(lambda: f"{runner.current} {runner.around}")

    assert shown == "load load"
    assert (runner.current, runner.around) == ("", "")


def test_a_step_that_ended_first_leaves_the_other_one_shown() -> None:
    runner = runner_of(running_job())
    first, second = runner.part("first"), runner.part("second")
    first.__enter__()
    second.__enter__()

    first.__exit__(None, None, None)

    assert runner.current == "second"


def test_a_step_in_a_coroutine_is_refused_by_its_name() -> None:
    runner, work = runner_of(running_job()), Mock()

    async def body() -> None:
        runner.run("load", work)

    with pytest.raises(
        SynchronousOnlyOperation, match=r"'load' is called in a coroutine.*to_async"
    ):
        asyncio.run(body())
    work.assert_not_called()


def test_a_loop_in_a_coroutine_is_refused_by_its_name() -> None:
    runner = runner_of(running_job())

    async def body() -> None:
        runner.iterate("load", "abc")

    with pytest.raises(SynchronousOnlyOperation, match="'load' is called in a coroutine"):
        asyncio.run(body())


def test_a_step_that_a_coroutine_calls_in_a_thread_is_in_the_step_around_it() -> None:
    runner = runner_of(running_job())

    async def body() -> str:
        return await asyncio.to_thread(here, runner)

    assert runner.run("load", lambda: asyncio.run(body())) == "load/x"


def test_a_coroutine_function_is_refused_as_a_step() -> None:
    async def fetch() -> None: ...

    with pytest.raises(TypeError, match=r"'load' calls a coroutine function; .*sync\(fetch\)"):
        runner_of(running_job()).run("load", fetch)
