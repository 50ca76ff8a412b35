"""Arguments that verbs share, and the types of their values.

A type turns text into a value or says, naming the text, how it should have been written.
"""

from __future__ import annotations

import json
import logging
import re
from argparse import SUPPRESS, ArgumentTypeError
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from celery_jobman.core.priorities import HIGHEST
from celery_jobman.states import State

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Mapping

#: The greatest number of anything; a database refuses greater ones in words of its own.
MOST = 2**31 - 1

_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_SIZES = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def refuse_unreadable(options: Mapping[str, Any]) -> None:
    """Refuse a word that was not typed in the terminal's encoding, before anything is done.

    Python keeps such bytes as halves of characters, which no database takes.

    Raises:
        CommandError: The message names the word.
    """
    for value in options.values():
        for word in value if isinstance(value, list) else [value]:
            if isinstance(word, str) and not _is_readable(word):
                advice = "type it anew, in the terminal's own encoding"
                raise CommandError(f"{word!r} cannot be read as text; {advice}", returncode=2)


def _is_readable(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def duration(text: str) -> timedelta:
    """Return ``90s``, ``30m``, ``12h`` or ``7d`` as a timedelta; parts add up (``1h30m``)."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ArgumentTypeError(f"{text!r} is no duration; write 90s, 30m, 12h, 7d or 1h30m")
    try:
        return sum(
            (timedelta(**{_SIZES[unit]: float(number)}) for number, unit in parts), timedelta()
        )
    except OverflowError as error:
        raise ArgumentTypeError(f"{text!r} is longer than any calendar") from error


def hours(text: str) -> timedelta:
    """Return a number of hours, or a duration."""
    return duration(f"{text}h" if _is_number(text) else text)


def days(text: str) -> timedelta:
    """Return a number of days, or a duration."""
    return duration(f"{text}d" if _is_number(text) else text)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d+(\.\d+)?", text) is not None


def moment(text: str) -> datetime:
    """Return a date and time; without an offset it is meant in the project's time zone."""
    try:
        found = parse_datetime(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no date and time ({error})") from error
    if found is None:
        raise ArgumentTypeError(
            f"{text!r} is no date and time; write '2026-01-31 12:00' or 2026-01-31T12:00+01:00"
        )
    return timezone.make_aware(found) if timezone.is_naive(found) else found


def level(text: str) -> int:
    """Return a level of :mod:`logging`, given by its name or number."""
    known = logging.getLevelNamesMapping()
    found = int(text) if text.isdigit() else known.get(text.upper())
    if found is None:
        names = ", ".join(sorted(known, key=lambda name: known[name]))
        raise ArgumentTypeError(f"{text!r} is no level; the levels are {names}")
    return found


def count(text: str) -> int:
    """Return a whole number from 1 to :data:`MOST`."""
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1 to {MOST}")
    return int(text)


def priority(text: str) -> int:
    """Return a priority, from 0 to 255."""
    if not text.isdecimal() or int(text) > HIGHEST:
        raise ArgumentTypeError(f"{text!r} is no whole number from 0 to {HIGHEST}")
    return int(text)


def json_list(text: str) -> list[Any]:
    """Return a JSON list."""
    value: list[Any] = _json(text, list, "list", """'["a.csv", 3]'""")
    return value


def json_object(text: str) -> dict[str, Any]:
    """Return a JSON object."""
    value: dict[str, Any] = _json(text, dict, "object", """'{"limit": 3}'""")
    return value


def _json(text: str, kind: type, noun: str, example: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no JSON ({error}); write {example}") from error
    if not isinstance(value, kind):
        raise ArgumentTypeError(f"{text!r} is JSON, but no {noun}; write {example}")
    return value


def pair(text: str) -> tuple[str, Any]:
    """Return ``name=value`` as a pair; a value that is no JSON is meant as a string."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ArgumentTypeError(f"{text!r} is no argument; write name=value")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def add_shared(parser: ArgumentParser, *, inner: bool = False) -> None:
    """Add what every verb takes; Django's own options work behind the verb too.

    Args:
        parser: The verb's.
        inner: It is a verb behind a verb, which has set the defaults already.
    """
    default = SUPPRESS if inner else False
    parser.add_argument(
        "--json", action="store_true", default=default, help="print the facts as lines of JSON"
    )
    for name in ("--settings", "--pythonpath"):
        parser.add_argument(name, default=SUPPRESS, help=SUPPRESS)
    parser.add_argument("-v", "--verbosity", type=int, default=SUPPRESS, help=SUPPRESS)
    for name in ("--traceback", "--no-color", "--force-color"):
        parser.add_argument(name, action="store_true", default=SUPPRESS, help=SUPPRESS)


def add_job(parser: ArgumentParser) -> None:
    """Add the one job that the verb is about."""
    parser.add_argument("job", metavar="ID", help=_ID_HELP)


def add_jobs(parser: ArgumentParser, least: str = "+") -> None:
    """Add the jobs that the verb is about."""
    parser.add_argument("jobs", nargs=least, metavar="ID", help=_ID_HELP)


def add_batch(parser: ArgumentParser) -> None:
    """Add the one batch that the verb is about."""
    parser.add_argument("batch", metavar="ID", help=_BATCH_HELP)


_BATCH_HELP = "a batch's id, or the beginning of one (8 digits at least)"
_ID_HELP = "a job's id, the beginning of one (8 digits at least), or a Celery task id"


def add_filters(parser: ArgumentParser) -> None:
    """Add the filters by task and queue."""
    parser.add_argument(
        "--task", metavar="NAME", help="jobs of this task, by its full name or its last part"
    )
    parser.add_argument("--queue", metavar="NAME", help="jobs of this queue")


def add_limit(parser: ArgumentParser, default: int | None, what: str) -> None:
    """Add the most that the verb looks at or does."""
    shown = "" if default is None else " (default: %(default)s)"
    parser.add_argument("--limit", type=count, default=default, metavar="N", help=what + shown)


def add_when(parser: ArgumentParser, *, required: bool = False) -> None:
    """Add the time, as a moment or as a distance from now; :func:`due` reads them."""
    when = parser.add_mutually_exclusive_group(required=required)
    when.add_argument(
        "--at", type=moment, metavar="TIME", help="a date and time, '2026-01-31 12:00'"
    )
    when.add_argument(
        "--in",
        dest="delay",
        type=duration,
        metavar="DURATION",
        help="a time from now: 90s, 30m, 12h, 7d",
    )


def due(options: dict[str, Any], now: datetime) -> datetime | None:
    """Return the time that :func:`add_when` was given; None when it was given none."""
    at: datetime | None = options["at"]
    return at if options["delay"] is None else now + options["delay"]


def add_reason(parser: ArgumentParser) -> None:
    """Add why it is done; the audit keeps it."""
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; kept in the audit")


def add_dry_run(parser: ArgumentParser) -> None:
    """Add the wish to see what would be done."""
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and stop")


def add_yes(parser: ArgumentParser) -> None:
    """Add the answer to the question."""
    parser.add_argument("-y", "--yes", action="store_true", help="do it without asking")


def state(text: str) -> State:
    """Return a job's state."""
    try:
        return State(text.lower())
    except ValueError as error:
        names = ", ".join(State.values)
        raise ArgumentTypeError(f"{text!r} is no state; the states are {names}") from error
