"""What the demonstration shows: chapters, facts, a progress bar, ticks.

Colours and a bar that moves only where the output is a terminal; elsewhere plain lines.
"""

from __future__ import annotations

import os
import sys
import textwrap
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable

WIDTH: Final = 78
_BAR: Final = 30
_LABEL: Final = 10

_BOLD, _DIM, _RED, _GREEN, _YELLOW, _CYAN = "1", "2", "31", "32", "33", "36"


class Screen:
    """Writes the story to a stream.

    Args:
        out: The stream; by default standard output.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        self.is_terminal = self.out.isatty() and os.environ.get("TERM") != "dumb"
        self._colours = self.is_terminal and not os.environ.get("NO_COLOR")
        self._is_unicode = (self.out.encoding or "").lower().replace("-", "") == "utf8"
        self._chapters = 0
        #: The bar that was drawn last, its quarters written, and whether its line is open.
        self._bar, self._quarters, self._open = "", 0, False

    def title(self, text: str, *lines: str) -> None:
        """Open the story."""
        self._line()
        self._line(self._paint(text, _BOLD))
        self._line(self._paint(self._glyph("━", "=") * WIDTH, _DIM))
        for line in lines:
            self.say(line)

    def chapter(self, text: str) -> None:
        """Open the next chapter."""
        self._chapters += 1
        self._line()
        self._line(self._paint(f"{self._chapters}  {text}", _BOLD, _CYAN))
        self._line(self._paint(self._glyph("─", "-") * WIDTH, _DIM))

    def say(self, text: str) -> None:
        """Tell a paragraph."""
        for line in textwrap.wrap(text, WIDTH - 3):
            self._line(f"   {line}")

    def code(self, text: str) -> None:
        """Show what is called."""
        self._line()
        self._line(f"   {self._paint('>>> ' + text, _YELLOW)}")
        self._line()

    def fact(self, label: str, value: object, note: str = "") -> None:
        """Show a named value."""
        tail = self._paint(f" ({note})", _DIM) if note else ""
        self._line(f"   {self._paint(label.ljust(_LABEL), _DIM)} {value}{tail}")

    def lines(self, lines: Iterable[str]) -> None:
        """Show what something else said, such as a mail or a log."""
        for line in lines:
            cut = line if len(line) <= WIDTH - 5 else line[: WIDTH - 8] + "..."
            self._line(f"   {self._paint(self._glyph('│', '|'), _DIM)} {cut}")

    def gap(self) -> None:
        """Leave a line free."""
        self._line()

    def alarm(self, text: str) -> None:
        """Say that something broke, as planned."""
        self._line(f"   {self._paint(self._glyph('✗', 'x') + ' ' + text, _BOLD, _RED)}")

    def failure(self, error: Exception) -> None:
        """Say that something broke, not as planned, and all that is known about it."""
        first, *rest = str(error).splitlines() or [type(error).__name__]
        self.gap()
        self.alarm(first)
        self.lines(rest)

    def tick(self, text: str, *, kept: bool = True) -> None:
        """Say whether a promise was kept."""
        mark, colour = (("✓", "ok"), _GREEN) if kept else (("✗", "BROKEN"), _RED)
        first, *rest = textwrap.wrap(text, WIDTH - 5)
        self._line(f"   {self._paint(self._glyph(*mark), _BOLD, colour)} {first}")
        for line in rest:
            self._line(f"     {line}")

    def bar(self, label: str, done: int, total: int, note: str = "") -> None:
        """Draw, or redraw, how far something is.

        Where the output is no terminal, a line is written at every quarter.
        """
        share = done / total if total else 0.0
        quarters = int(share * 4)
        if label != self._bar:
            self.end_bar()
            self._bar, self._quarters = label, 0
        if self.is_terminal:
            self._redraw(self._drawn(label, share, done, total, note))
        elif quarters > self._quarters:
            self._quarters = quarters
            self._line(self._drawn(label, share, done, total, note))

    def wait(self, label: str, note: str) -> None:
        """Show, on a terminal, that something is being waited for."""
        if self.is_terminal:
            self._bar = label
            self._redraw(f"   {self._paint(label.ljust(_LABEL), _DIM)} {note}")

    def end_bar(self) -> None:
        """Leave the bar as it stands; what follows begins on a new line."""
        if self._open:
            self.out.write("\n")
        self._open = False

    def _redraw(self, text: str) -> None:
        self.out.write(f"\r\x1b[2K{text}")
        self.out.flush()
        self._open = True

    def _drawn(self, label: str, share: float, done: int, total: int, note: str) -> str:
        filled = round(share * _BAR)
        bar = self._glyph("█", "#") * filled + self._glyph("░", ".") * (_BAR - filled)
        text = f"   {self._paint(label.ljust(_LABEL), _DIM)} {self._paint(bar, _GREEN)}"
        return f"{text} {done:>6,} of {total:,} {note}".rstrip()

    def _line(self, text: str = "") -> None:
        self.end_bar()
        self.out.write(f"{text}\n")
        self.out.flush()

    def _glyph(self, fine: str, plain: str) -> str:
        return fine if self._is_unicode else plain

    def _paint(self, text: str, *codes: str) -> str:
        return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if self._colours else text
