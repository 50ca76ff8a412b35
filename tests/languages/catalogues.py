"""The catalogues that are shipped: read, brought up to date, and compiled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import django
import polib

from tests.architecture.sources import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.languages.marked import Message

#: The languages that the package speaks beside English.
LANGUAGES: Final = ("de", "es")

#: What a new catalogue begins with; a person fills in the rest.
HEADER: Final = (
    "Translations of celery-jobman.\n\nThe words, and what each of them is called here:\n"
)


def path(language: str, ending: str = "po") -> Path:
    """Return where a language's catalogue is."""
    return PACKAGE / "locale" / language / "LC_MESSAGES" / f"django.{ending}"


def djangos(language: str) -> list[Path]:
    """Return Django's own catalogues of a language: of its core, its accounts, its admin."""
    root = Path(django.__file__).parent
    parts = ("conf", "contrib/auth", "contrib/admin")
    return [root / part / "locale" / language / "LC_MESSAGES" / "django.po" for part in parts]


def read(language: str) -> polib.POFile:
    """Return a language's catalogue."""
    return polib.pofile(str(path(language)))


def compiled(language: str) -> polib.MOFile:
    """Return what Django reads of a language."""
    return polib.mofile(str(path(language, "mo")))


def refresh(language: str, messages: Mapping[Message, Iterable[str]]) -> int:
    """Write a language's catalogue anew, and compile it.

    Translations of texts that are unchanged are kept, and those of others dropped.

    Returns:
        How many texts are not translated.
    """
    known = read(language) if path(language).exists() else _new(language)
    kept = {(entry.msgctxt or "", entry.msgid, entry.msgid_plural): entry for entry in known}
    fresh = polib.POFile(wrapwidth=100)
    fresh.header, fresh.metadata = known.header, known.metadata
    for message, places in messages.items():
        old = kept.get((message.context, message.msgid, message.plural))
        fresh.append(_entry(message, places, old, forms(known)))
    path(language).parent.mkdir(parents=True, exist_ok=True)
    fresh.save(str(path(language)))
    fresh.save_as_mofile(str(path(language, "mo")))
    return len(fresh.untranslated_entries())


def _new(language: str) -> polib.POFile:
    catalogue = polib.POFile()
    catalogue.header = HEADER
    catalogue.metadata = {
        "Project-Id-Version": "celery-jobman",
        "Language": language,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": polib.pofile(str(djangos(language)[-1])).metadata["Plural-Forms"],
    }
    return catalogue


def forms(catalogue: polib.POFile) -> int:
    """Return how many forms a counted word has."""
    return int(catalogue.metadata["Plural-Forms"].partition(";")[0].removeprefix("nplurals="))


def _entry(
    message: Message, places: Iterable[str], old: polib.POEntry | None, count: int
) -> polib.POEntry:
    entry = polib.POEntry(
        msgctxt=message.context or None,
        msgid=message.msgid,
        msgid_plural=message.plural,
        occurrences=[(place, "") for place in places],
        flags=["python-format"] if "%" in message.msgid + message.plural else [],
        tcomment=old.tcomment if old else "",
    )
    if message.plural:
        entry.msgstr_plural = dict(old.msgstr_plural if old else dict.fromkeys(range(count), ""))
    else:
        entry.msgstr = old.msgstr if old else ""
    return entry
