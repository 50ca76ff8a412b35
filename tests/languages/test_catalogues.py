"""The shipped catalogues: complete, well-formed, compiled, and at peace with Django's."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import polib
import pytest
from django.utils import translation
from django.utils.translation import gettext, ngettext, npgettext, pgettext

from tests.languages.catalogues import LANGUAGES, compiled, djangos, forms, path, read, refresh
from tests.languages.marked import Message, messages
from tests.languages.pseudo import PLACES

if TYPE_CHECKING:
    from pathlib import Path

each_language = pytest.mark.parametrize("language", LANGUAGES)


def _texts(entry: polib.POEntry) -> list[str]:
    """Return the translations of a text, one for each form."""
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


def _identity(entry: polib.POEntry) -> Message:
    return Message(entry.msgctxt or "", entry.msgid, entry.msgid_plural)


@each_language
def test_every_marked_text_is_in_the_catalogue_and_no_other(language: str) -> None:
    known, marked = {_identity(entry) for entry in read(language)}, set(messages())

    assert marked - known == set(), "run: tox -e messages"
    assert known - marked == set(), "run: tox -e messages"


@each_language
def test_every_text_is_translated(language: str) -> None:
    catalogue = read(language)
    open_ones = [entry.msgid for entry in catalogue if not all(map(str.strip, _texts(entry)))]
    odd = [e.msgid for e in catalogue if e.msgid_plural and len(_texts(e)) != forms(catalogue)]

    assert open_ones == []
    assert [entry.msgid for entry in catalogue if entry.fuzzy] == []
    assert odd == []


@each_language
def test_a_translation_is_filled_in_as_the_text_is(language: str) -> None:
    wrong = {
        text: translated
        for entry in read(language)
        for text, translated in _pairs(entry)
        if _places(translated) != _places(text)
    }

    assert wrong == {}


def _pairs(entry: polib.POEntry) -> list[tuple[str, str]]:
    """Return each translation beside the text whose places it must have."""
    one, *more = _texts(entry)
    return [(entry.msgid, one), *((entry.msgid_plural, other) for other in more)]


def _places(text: str) -> Counter[str]:
    # A percent sign that is no place would break the text where values are filled in.
    return Counter([*PLACES.findall(text), *("%" * PLACES.sub("", text).count("%"))])


@each_language
def test_a_translation_begins_and_ends_as_the_text_does(language: str) -> None:
    edges = {
        entry.msgid: text
        for entry in read(language)
        for text in _texts(entry)
        if text != text.strip() or _end(entry.msgid) not in {"", _end(text)}
    }

    assert edges == {}


def _end(text: str) -> str:
    return text[-1] if text.endswith((".", ":", "…")) else ""


@each_language
def test_what_is_compiled_is_what_is_written(language: str) -> None:
    written = {_identity(entry): _texts(entry) for entry in read(language)}
    used = {_identity(entry): _texts(entry) for entry in compiled(language)}

    assert used == written, "run: tox -e messages"


@each_language
def test_a_word_that_django_has_is_djangos(language: str) -> None:
    """All catalogues of a project are one: another word here would change its other pages."""
    theirs = {
        (entry.msgctxt or "", entry.msgid): entry.msgstr
        for part in djangos(language)
        for entry in polib.pofile(str(part))
        if entry.msgstr
    }
    ours = {(entry.msgctxt or "", entry.msgid): entry.msgstr for entry in read(language)}

    assert {key: ours[key] for key in ours.keys() & theirs.keys() if ours[key] != theirs[key]} == {}


@each_language
def test_django_speaks_the_language(language: str) -> None:
    lost = [message for message in messages() if _said(message, language) != _said(message, "en")]

    assert len(lost) > 0.9 * len(messages())


def _said(message: Message, language: str) -> str:
    with translation.override(language):
        if message.plural and message.context:
            return npgettext(message.context, message.msgid, message.plural, 2)
        if message.plural:
            return ngettext(message.msgid, message.plural, 2)
        return (
            pgettext(message.context, message.msgid) if message.context else gettext(message.msgid)
        )


def test_a_refresh_keeps_translations_and_drops_what_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.languages.catalogues.PACKAGE", tmp_path)
    refresh("de", {Message("", "old"): ["a.py"], Message("", "%(n)s day", "%(n)s days"): ["a.py"]})
    catalogue = polib.pofile(str(path("de")))
    catalogue[1].msgstr_plural = {0: "%(n)s Tag", 1: "%(n)s Tage"}
    catalogue.save()

    missing = refresh(
        "de", {Message("", "new"): ["b.py"], Message("", "%(n)s day", "%(n)s days"): ["b.py"]}
    )

    assert missing == 1
    assert [(e.msgid, _texts(e)) for e in read("de")] == [
        ("new", [""]),
        ("%(n)s day", ["%(n)s Tag", "%(n)s Tage"]),
    ]
    assert [e.msgid for e in compiled("de")] == ["%(n)s day"]


def test_a_refresh_without_a_change_writes_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {language: path(language).read_bytes() for language in LANGUAGES}
    compiled_ones = {language: path(language, "mo").read_bytes() for language in LANGUAGES}
    monkeypatch.setattr("tests.languages.catalogues.PACKAGE", tmp_path)
    for language in LANGUAGES:
        path(language).parent.mkdir(parents=True)
        path(language).write_bytes(known[language])

        refresh(language, messages())

    assert {language: path(language).read_bytes() for language in LANGUAGES} == known
    assert {language: path(language, "mo").read_bytes() for language in LANGUAGES} == compiled_ones
