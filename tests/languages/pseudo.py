"""A language that nobody speaks, in which every translated text can be told from all others.

Texts of ours come out as ``⟦Ĵóƀš ~~⟧``: accented, in brackets, and longer by two fifths, as many
languages are.  Django's own are only put in other brackets.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import polib

from tests.languages.catalogues import djangos
from tests.languages.marked import messages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LANGUAGE: Final = "en-xa"
#: Brackets of our texts, and of Django's.
OURS, DJANGOS = ("⟦", "⟧"), ("⟪", "⟫")
LONGER: Final = 0.4

_ACCENTS: Final = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "áƀçđéƒǧĥíĵķĺɱñóþɋŕšţúṽŵẋýžÁƁÇĐÉƑĜĤÎĴĶĹṀÑÓÞǪŔŠŢÛṼŴẊÝŽ",
)
#: What a text is filled in at; the scripts' own ``%s`` comes doubled from templates.
PLACES: Final = re.compile(r"%%s|%%|%\(\w+\)[rsd]|%[rsd]")


def spoken(text: str) -> str:
    """Return a text of ours in the pseudo language."""
    opened, closed = OURS
    padding = " ~~~" * round(len(PLACES.sub("", text)) * LONGER / 4)
    return f"{opened}{_accented(text)}{padding}{closed}"


def _accented(text: str) -> str:
    words, places = PLACES.split(text), [*PLACES.findall(text), ""]
    return "".join(
        word.translate(_ACCENTS) + place for word, place in zip(words, places, strict=True)
    )


def write(folder: Path) -> None:
    """Write the language's catalogue below a folder for ``LOCALE_PATHS``."""
    catalogue = polib.POFile()
    catalogue.metadata = {
        "Content-Type": "text/plain; charset=UTF-8",
        "Plural-Forms": "nplurals=2; plural=(n != 1);",
    }
    catalogue.extend([*_ours(), *_djangos()])
    path = folder / "en_XA" / "LC_MESSAGES" / "django.mo"
    path.parent.mkdir(parents=True)
    catalogue.save_as_mofile(str(path))


def _ours() -> Iterator[polib.POEntry]:
    for message in messages():
        entry = polib.POEntry(msgctxt=message.context or None, msgid=message.msgid)
        entry.msgstr = spoken(message.msgid)
        if message.plural:
            entry.msgid_plural = message.plural
            entry.msgstr_plural = {0: entry.msgstr, 1: spoken(message.plural)}
        yield entry


def _djangos() -> Iterator[polib.POEntry]:
    """Yield Django's texts that are not ours too, from its own list of them."""
    known = {(message.context, message.msgid) for message in messages()}
    for path in djangos("en"):
        for entry in polib.pofile(str(path)):
            if (entry.msgctxt or "", entry.msgid) not in known:
                known.add((entry.msgctxt or "", entry.msgid))
                yield _bracketed(entry)


def _bracketed(entry: polib.POEntry) -> polib.POEntry:
    opened, closed = DJANGOS
    entry.msgstr = f"{opened}{entry.msgid}{closed}"
    if entry.msgid_plural:
        entry.msgstr_plural = {0: entry.msgstr, 1: f"{opened}{entry.msgid_plural}{closed}"}
    return entry
