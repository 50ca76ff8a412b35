from __future__ import annotations

import json
import sys
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from django.core.management.base import CommandError, OutputWrapper
from django.core.management.color import color_style, no_style

from celery_jobman.management.console import Console
from celery_jobman.models import Outcome
from celery_jobman.states import State
from tests.factories import NOON

if TYPE_CHECKING:
    from collections.abc import Callable


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class Streams:
    def __init__(self, stdout: StringIO) -> None:
        self.stdout, self.stderr = stdout, StringIO()

    def console(self, *, as_json: bool = False) -> Console:
        wrappers = OutputWrapper(self.stdout), OutputWrapper(self.stderr)
        return Console(*wrappers, no_style(), as_json=as_json)


@pytest.fixture
def pipe() -> Streams:
    return Streams(StringIO())


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Streams:
    monkeypatch.setenv("COLUMNS", "40")
    return Streams(Terminal())


def _answer(monkeypatch: pytest.MonkeyPatch, answer: Callable[[], str]) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("builtins.input", answer)


def test_a_fact_is_a_line_of_text(pipe: Streams) -> None:
    pipe.console().fact("1 job", total=1)

    assert pipe.stdout.getvalue() == "1 job\n"


def test_a_fact_is_a_line_of_json_for_programs(pipe: Streams) -> None:
    pipe.console(as_json=True).fact("1 job", total=1, at=NOON)

    assert json.loads(pipe.stdout.getvalue()) == {"total": 1, "at": "2030-01-01T12:00:00Z"}


def test_notes_are_for_people_only(pipe: Streams) -> None:
    pipe.console(as_json=True).note("by the way")
    assert pipe.stderr.getvalue() == ""

    pipe.console().note("by the way")
    assert pipe.stderr.getvalue() == "by the way\n"


def test_nothing_is_cut_in_a_pipe(pipe: Streams, terminal: Streams) -> None:
    text = "state       " + "word " * 12

    assert pipe.console().width is None
    assert pipe.console().wrapped(text, 12) == text
    assert terminal.console().width == 40
    assert max(map(len, terminal.console().wrapped(text, 12).splitlines())) <= 40


@pytest.mark.parametrize("word", [*State.values, *Outcome.values, "ok", "wrong", "advice", "lost"])
def test_every_word_can_be_shown(pipe: Streams, word: str) -> None:
    console = pipe.console()
    assert console.word(word, 12) == f"{word:<12}"

    console.style = color_style(force_color=True)
    assert word in console.word(word)


@pytest.mark.parametrize("answer", ["y", "Yes ", "YES"])
def test_a_yes_lets_it_happen(pipe: Streams, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    _answer(monkeypatch, lambda: answer)

    pipe.console().confirm("Delete 2 jobs?", yes=False)

    assert pipe.stderr.getvalue() == "Delete 2 jobs? [y/N] "


@pytest.mark.parametrize("answer", ["", "n", "maybe"])
def test_anything_else_does_not(
    pipe: Streams, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    _answer(monkeypatch, lambda: answer)

    with pytest.raises(CommandError, match="Nothing was done"):
        pipe.console().confirm("Delete 2 jobs?", yes=False)


def test_where_nobody_can_answer_it_is_refused(
    pipe: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO())

    with pytest.raises(CommandError, match=r"Delete 2 jobs.*add --yes"):
        pipe.console().confirm("Delete 2 jobs?", yes=False)


def test_with_yes_nobody_is_asked(pipe: Streams) -> None:
    pipe.console().confirm("Delete 2 jobs?", yes=True)

    assert pipe.stderr.getvalue() == ""
