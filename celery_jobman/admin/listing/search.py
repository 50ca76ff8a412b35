"""Search: the small language of the list's search field.

``task:shop.send state:failed after:2026-01-31`` is three terms, and a job must meet them all.
This module only reads the text; :mod:`celery_jobman.admin.listing.conditions` knows the tables.
"""

from __future__ import annotations

import re
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

from celery_jobman.insight.wording import fitted
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

#: The qualifier of a word that has none.
BARE: Final = ""
#: What people see of a state that is stored as another.
SHADES: Final = ("retrying", "cancelling")
#: Longest text that is searched for; names are no longer.
LONGEST: Final = 1000

#: Longest running time that can be asked for.
EVER: Final = timedelta(days=3650)

#: A word is made of quoted and unquoted pieces.
_WORD: Final = re.compile(r'(?:"[^"]*"|[^\s"])+')
_QUALIFIED: Final = re.compile(r"([A-Za-z_][\w.]*):(.*)", re.DOTALL)
_DURATION: Final = re.compile(r"([<>])\s*(\d{1,7}(?:\.\d{1,3})?)(ms|s|m|h|d)")
_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}


class Term(NamedTuple):
    """One thing that is asked of a job."""

    name: str
    value: Any


class Span(NamedTuple):
    """A running time to be longer or shorter than."""

    longer: bool
    duration: timedelta


class Search(NamedTuple):
    """What was asked, and what of it was not understood."""

    terms: tuple[Term, ...] = ()
    problems: tuple[str, ...] = ()


def parse(text: str) -> Search:
    """Read a search; a problem is a sentence for the person who typed it."""
    if len(text) > LONGEST:
        return Search(problems=(_("The search is too long."),))
    if any(ord(character) < 32 and not character.isspace() for character in text):  # noqa: PLR2004
        return Search(problems=(_("The search contains control characters."),))
    if text.count('"') % 2:
        return Search(problems=(_("A quotation mark is missing in the search."),))
    terms, problems = [], []
    for word in _WORD.findall(text):
        try:
            terms.append(_term(word))
        except ValueError as problem:
            problems.append(str(problem))
    return Search(tuple(terms), tuple(problems))


def _term(word: str) -> Term:
    match = None if word.startswith('"') else _QUALIFIED.fullmatch(word)
    if match is None:
        return Term(BARE, word.replace('"', ""))
    name, value = match[1].lower(), match[2].replace('"', "")
    shown = {"name": fitted(name, 40), "value": fitted(value, 80), "known": _known()}
    if name not in READERS:
        raise ValueError(_("The search does not know “%(name)s:”. It knows %(known)s.") % shown)
    try:
        return Term(name, READERS[name](_some(value)))
    except (ValueError, OverflowError):
        text = _("“%(value)s” is no value for “%(name)s:”. The search knows %(known)s.")
        raise ValueError(text % shown) from None


def _known() -> str:
    return ", ".join(f"{name}:" for name in READERS)


def _some(value: str) -> str:
    if not value.strip():
        raise ValueError(value)
    return value


def _state(value: str) -> str:
    name = value.lower()
    return name if name in SHADES else str(State(name))


def is_tellable(text: str) -> bool:
    """Whether a text is no moment so near the ends of the calendar that time zones differ there."""
    try:
        moment = parse_datetime(text) or parse_date(text)
    except ValueError:
        return True  # no moment at all
    return moment is None or MINYEAR < moment.year < MAXYEAR


def _moment(value: str) -> datetime:
    if not is_tellable(value):
        raise ValueError(value)
    moment = parse_datetime(value)
    day = None if moment else parse_date(value)
    if day:
        moment = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - made aware below
    if moment is None:
        raise ValueError(value)
    aware = moment if timezone.is_aware(moment) else timezone.make_aware(moment)
    return aware.astimezone(UTC)


def _span(value: str) -> Span:
    match = _DURATION.fullmatch(value)
    if match is None:
        raise ValueError(value)
    duration = timedelta(seconds=float(match[2]) * _SECONDS[match[3]])
    if duration > EVER:
        raise ValueError(value)
    return Span(match[1] == ">", duration)


#: Every qualifier, and how its value is read.
READERS: Final[dict[str, Callable[[str], Any]]] = {
    "task": str,
    "queue": str,
    "worker": str,
    "state": _state,
    "owner": str,
    "tag": str,
    "batch": UUID,
    "fingerprint": str,
    "error": str,
    "before": _moment,
    "after": _moment,
    "ran": _span,
}
