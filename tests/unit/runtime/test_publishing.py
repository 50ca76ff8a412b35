from __future__ import annotations

from contextvars import ContextVar
from threading import Event, current_thread
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from celery_jobman.runtime import publishing
from celery_jobman.runtime.publishing import Publisher, within

who: ContextVar[str] = ContextVar("who", default="nobody")


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


def test_a_call_is_made_in_the_publishers_thread(publisher: Publisher) -> None:
    names: list[str] = []

    publisher.call(lambda: names.append(current_thread().name), 30)

    assert names == ["jobman-publisher"]


def test_a_call_sees_the_context_of_the_thread_that_wants_it(publisher: Publisher) -> None:
    seen: list[str] = []
    who.set("ana")

    publisher.call(lambda: seen.append(who.get()), 30)

    assert seen == ["ana"]


def test_what_the_call_raises_is_raised_where_it_is_wanted(publisher: Publisher) -> None:
    def fail() -> None:
        raise ValueError("no such exchange")

    with pytest.raises(ValueError, match="no such exchange"):
        publisher.call(fail, 30)


@pytest.fixture
def silence() -> Any:
    """Return an event that a call to a silent broker waits for."""
    ended = Event()
    yield ended
    ended.set()


def test_a_broker_that_says_nothing_is_given_up(publisher: Publisher, silence: Event) -> None:
    with pytest.raises(OperationalError, match=r"the broker did not answer within 0\.05 s"):
        publisher.call(lambda: silence.wait(30), 0.05)


def test_while_it_says_nothing_further_calls_do_not_wait(
    publisher: Publisher, silence: Event
) -> None:
    with pytest.raises(OperationalError):
        publisher.call(lambda: silence.wait(30), 0.05)
    made: list[int] = []

    with pytest.raises(OperationalError, match=r"has not answered for .* nothing was sent"):
        publisher.call(lambda: made.append(1), 0)
    silence.set()
    publisher.call(lambda: made.append(2), 30)

    assert made == [2]


def test_a_call_that_ends_the_thread_does_not_end_publishing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publishing, "_publisher", None)

    def leave() -> None:
        raise SystemExit

    with pytest.raises((OperationalError, SystemExit)):
        within(0.5, leave)
    made: list[int] = []
    within(5, lambda: made.append(1))

    assert made == [1]


def test_one_thread_serves_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "_publisher", None)

    within(30, lambda: None)
    first = publishing._publisher
    within(30, lambda: None)

    assert publishing._publisher is first


def test_a_forked_child_gets_a_thread_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    within(30, lambda: None)
    inherited = publishing._publisher
    monkeypatch.setattr(inherited, "_pid", 1)

    within(30, lambda: None)

    assert publishing._publisher is not inherited
