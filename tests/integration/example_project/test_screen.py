from __future__ import annotations

from io import BytesIO, StringIO, TextIOWrapper
from typing import TYPE_CHECKING

import pytest

from example_project.demo.promises import Promises
from example_project.demo.screen import WIDTH, Screen

if TYPE_CHECKING:
    from collections.abc import Callable


class Terminal(StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


EVERYTHING: list[Callable[[Screen], None]] = [
    lambda screen: screen.title("Title", "A story. " * 20),
    lambda screen: screen.chapter("Chapter"),
    lambda screen: screen.code("call()"),
    lambda screen: screen.fact("label", 1, "note"),
    lambda screen: screen.lines(["quoted", "long " * 40]),
    lambda screen: screen.wait("waiting", "for something"),
    lambda screen: screen.bar("load", 5, 10, "rows"),
    lambda screen: screen.alarm("broke"),
    lambda screen: screen.failure(ValueError("first\nsecond")),
    lambda screen: screen.tick("kept"),
    lambda screen: screen.tick("broken", kept=False),
]


def test_plain_output_has_no_escapes_and_fits(screen: Screen, out: StringIO) -> None:
    for show in EVERYTHING:
        show(screen)

    assert "\x1b" not in out.getvalue()
    assert "\r" not in out.getvalue()
    assert max(map(len, out.getvalue().splitlines())) <= WIDTH


def test_a_terminal_gets_colours_unless_it_asks_for_none(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    Screen(terminal).chapter("Chapter")
    assert "\x1b[1;36m" in terminal.getvalue()

    monkeypatch.setenv("NO_COLOR", "1")
    colourless = Terminal()
    Screen(colourless).chapter("Chapter")
    assert "\x1b" not in colourless.getvalue()


def test_an_encoding_without_the_glyphs_gets_ascii() -> None:
    raw = BytesIO()
    out = TextIOWrapper(raw, encoding="ascii")

    for show in EVERYTHING:
        show(Screen(out))

    out.flush()
    assert b"###############..............." in raw.getvalue()


def test_a_bar_moves_on_a_terminal(terminal: Terminal) -> None:
    screen = Screen(terminal)

    for done in range(11):
        screen.bar("load", done, 10)
    screen.say("After it.")

    assert terminal.getvalue().count("\r") == 11
    assert terminal.getvalue().endswith("\n   After it.\n")


def test_elsewhere_a_bar_writes_its_quarters(screen: Screen, out: StringIO) -> None:
    for done in [0, 1, 10, 26, 30, 99, 100, 100]:
        screen.bar("load", done, 100, "rows")

    shares = [line.split()[2] for line in out.getvalue().splitlines()]
    assert shares == ["26", "99", "100"]


def test_promises_are_counted_and_the_broken_ones_remembered(screen: Screen, out: StringIO) -> None:
    promises = Promises(screen)

    promises.equal("one and one are two", 1 + 1, 2)
    promises.equal("all is well", "fire", "well")

    assert (promises.made, promises.broken) == (2, ["all is well"])
    assert "all is well: 'fire' and not 'well'" in out.getvalue()
