"""The words on a page that no catalogue knows: what was written into the code in English."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final

from tests.languages.pseudo import DJANGOS

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Elements whose content nobody reads.
SILENT: Final = frozenset({"script", "style", "template"})
#: Attributes that people read or hear, or that a script shows.
SPOKEN: Final = re.compile(
    r"title|alt|placeholder|label|aria-(label|description|valuetext|roledescription)"
    r"|data-(text|word)-[\w-]+|data-(label|lost|asof)"
)
#: Code that a button copies, and nobody reads there.
COPIED: Final = re.compile(r"<pre [^>]*\bhidden>.*?</pre>", re.DOTALL)
#: The innermost text that Django translated.
_DJANGOS: Final = re.compile("{0}[^{0}{1}]*{1}".format(*DJANGOS))


class _Reader(HTMLParser):
    """Collects what a page says."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.unsaid: list[tuple[str, str]] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in SILENT
        shown = dict(attrs)
        for name, value in attrs:
            if value and SPOKEN.fullmatch(name):
                self.said.append(value)
            elif value:
                self.unsaid.append((name, value))
        if tag == "input" and shown.get("type") in {"submit", "button", "reset"}:
            self.said += [shown.get("value") or ""]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in SILENT

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.said.append(" ".join(data.split()))


def said(html: str) -> list[str]:
    """Return what a page says, piece by piece."""
    return _read(html).said


def attributes(html: str) -> list[tuple[str, str]]:
    """Return the attributes of a page that only programs read."""
    return _read(html).unsaid


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(COPIED.sub("", html))
    reader.close()
    return reader


def english(pieces: Iterable[str], names: Iterable[str]) -> set[str]:
    """Return the pieces with Latin letters that are neither translated nor of a name.

    The letters of a translated text have accents, also where a value was filled in.

    Args:
        pieces: What a page says in the pseudo language.
        names: Patterns of what needs no translation.
    """
    known = re.compile("|".join(names))
    return {piece for piece in pieces if re.search("[A-Za-z]", known.sub("", _without(piece)))}


def _without(piece: str) -> str:
    """Return a piece without what Django says."""
    rest, before = piece, ""
    while rest != before:
        rest, before = _DJANGOS.sub("", rest), rest
    return rest
