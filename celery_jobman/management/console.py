"""The console: where verbs write their facts and ask their questions.

A fact is one line of text or, with ``--json``, one line of JSON; the last one is the total.
What goes wrong, and what is only said for people's comfort, goes to standard error.
"""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError
from django.core.serializers.json import DjangoJSONEncoder

if TYPE_CHECKING:
    from django.core.management.base import OutputWrapper
    from django.core.management.color import Style

#: Django's style for each state and outcome; plain text where the terminal has no colours.
_STYLES = {
    "succeeded": "SUCCESS",
    "ok": "SUCCESS",
    "alive": "SUCCESS",
    "failed": "ERROR",
    "lost": "ERROR",
    "timed out": "ERROR",
    "wrong": "ERROR",
    "advice": "WARNING",
    "cancelled": "WARNING",
    "skipped": "WARNING",
    "running": "MIGRATE_HEADING",
}


class Console:
    """What a verb is given to speak with."""

    def __init__(
        self, stdout: OutputWrapper, stderr: OutputWrapper, style: Style, *, as_json: bool = False
    ) -> None:
        self.as_json = as_json
        self.style = style
        self._stdout, self._stderr = stdout, stderr

    @property
    def width(self) -> int | None:
        """Columns of the terminal; None when nobody looks and nothing must be cut."""
        return shutil.get_terminal_size().columns if self._stdout.isatty() else None

    def fact(self, text: str, /, **values: Any) -> None:
        """Write one fact: ``text`` for people, ``values`` for programs."""
        self._stdout.write(json.dumps(values, cls=DjangoJSONEncoder) if self.as_json else text)

    def note(self, text: str) -> None:
        """Say something that is no fact of the answer; nothing is said to programs."""
        if not self.as_json:
            self._stderr.write(text, style_func=str)

    def refuse(self, text: str) -> None:
        """Say that a part of what was asked was not done."""
        self._stderr.write(text)

    def flush(self) -> None:
        """Show at once what was written."""
        self._stdout.flush()

    def word(self, word: str, width: int = 0) -> str:
        """Return a state's word, padded, in its colour if the terminal has any."""
        padded = f"{word:<{width}}"
        return str(getattr(self.style, _STYLES.get(word, "MIGRATE_LABEL"))(padded))

    def wrapped(self, text: str, indent: int) -> str:
        """Return a line, broken at blanks where the terminal ends."""
        if self.width is None or len(text) <= self.width:
            return text
        return textwrap.fill(text, self.width, subsequent_indent=" " * indent)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before something that cannot be undone.

        Raises:
            CommandError: The answer was no, or there is nobody to ask.
        """
        if yes:
            return
        if not sys.stdin.isatty():
            msg = f"{question} Nobody can answer here, so nothing was done; add --yes to do it."
            raise CommandError(msg)
        self._stderr.write(f"{question} [y/N] ", style_func=str, ending="")
        self._stderr.flush()
        if input().strip().lower() not in {"y", "yes"}:
            raise CommandError("Nothing was done.")
