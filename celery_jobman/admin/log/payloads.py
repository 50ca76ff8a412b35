"""Payloads: what a job was given and what it gave back, as text that may be shown.

Columns hold JSON text that a worker wrote, or whatever stood there before: what cannot be read
cannot be masked, and is hidden as a whole.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Case, F, TextField, When
from django.db.models.functions import Length, Substr
from django.db.models.lookups import LessThanOrEqual
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman.admin.access import Deed
from celery_jobman.admin.log.beginnings import beginning
from celery_jobman.admin.log.lines import plain
from celery_jobman.core.redaction import MASK, redacted
from celery_jobman.models import Job, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from uuid import UUID

#: Characters of one value that a page shows.
INLINE = 64 * 1024
#: Characters of one value that the page of revealed values shows.
REVEALED = 1024 * 1024
#: Characters of a value that is read as a whole for a page; of a longer one only the beginning is.
WHOLE = 1024 * 1024
#: Checkpoints that a page shows.
STEPS = 100


#: Those that are columns of text.
TEXTS = frozenset({"args", "kwargs", "result"})


class Kind(NamedTuple):
    """One sort of data, and who may see it."""

    title: Any
    deed: Deed


#: In the order of the page; the names are those of addresses.
KINDS = {
    "args": Kind(gettext_lazy("Arguments"), Deed.VIEW_ARGS),
    "kwargs": Kind(gettext_lazy("Keyword arguments"), Deed.VIEW_ARGS),
    "result": Kind(gettext_lazy("Result"), Deed.VIEW_RESULT),
    "steps": Kind(gettext_lazy("Checkpoints"), Deed.VIEW_RESULT),
    "tags": Kind(gettext_lazy("Tags"), Deed.VIEW),
    "attribs": Kind(gettext_lazy("Attributes"), Deed.VIEW),
}


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Text that is no JSON."""

    text: str


class Shown(NamedTuple):
    """A value as text."""

    name: str
    title: Any
    text: str
    #: Masked values in it.
    hidden: int
    #: There is more than is shown.
    is_cut: bool


class Value(NamedTuple):
    """A value of a job: parsed JSON, or ``Unreadable``."""

    json: Any
    #: There is more of it.
    is_part: bool = False
    #: Characters of its text, when it is one text.
    length: int = 0


def load(job_id: UUID, names: Iterable[str], *, whole: bool = False) -> dict[str, Value]:
    """Return values of a job by their names, those that there are, in two queries.

    Args:
        job_id: The job.
        names: Some of ``KINDS``.
        whole: All of it, however many and large.
    """
    wanted = list(names)
    found = _columns(job_id, [name for name in wanted if name != "steps"], whole=whole)
    if "steps" in wanted:
        found["steps"] = _checkpoints(job_id, whole=whole)
    return {name: value for name in wanted if (value := found[name]) is not None}


def _columns(job_id: UUID, names: list[str], *, whole: bool) -> dict[str, Value | None]:
    if not names:
        return {}
    texts = [name for name in names if name in TEXTS]
    rows = Job.objects.filter(pk=job_id).annotate(
        **{f"{name}_length": Length(name) for name in texts},
        **{f"{name}_text": F(name) if whole else _part(name) for name in texts},
    )
    selected = [part for name in texts for part in (f"{name}_text", f"{name}_length")]
    row = rows.values(*selected, *(name for name in names if name not in TEXTS)).first()
    return {name: _value(name, row) for name in names} if row else dict.fromkeys(names)


def _value(name: str, row: Mapping[str, Any]) -> Value | None:
    if name not in TEXTS:
        return Value(row[name]) if row[name] else None
    text, length = row[f"{name}_text"], row[f"{name}_length"]
    if text is None:
        return None
    is_part = len(text) < length
    return Value(parsed(beginning(text) if is_part else text), is_part, length)


def _part(name: str) -> Case:
    """Return a column, or the beginning of one that is long."""
    short = When(LessThanOrEqual(Length(name), WHOLE), then=F(name))
    return Case(short, default=Substr(name, 1, INLINE), output_field=TextField(null=True))


def _checkpoints(job_id: UUID, *, whole: bool) -> Value | None:
    steps = Step.objects.filter(job_id=job_id, superseded=0, result__isnull=False)
    short = When(size__lte=INLINE, then=F("result"))
    text = F("result") if whole else Case(short, output_field=TextField(null=True))
    sized = steps.annotate(size=Length("result"), text=text).order_by("position")
    rows = list(sized.values_list("name", "text")[: None if whole else STEPS + 1])
    found = {name: _checkpoint(text) for name, text in (rows if whole else rows[:STEPS])}
    is_part = len(rows) > len(found) or any(text is None for _name, text in rows)
    return Value(found, is_part) if found else None


def _checkpoint(text: str | None) -> Any:
    if text is None:
        return _("(too large to be shown here; it is in the download)")
    return parsed(text)


def parsed(text: str) -> Any:
    """Return what JSON text says, or that it cannot be read."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return Unreadable(text)


def masked(
    name: str,
    value: Value,
    room: int | None = INLINE,
    show: Callable[[str, Any], Any] = lambda _name, shown: shown,
) -> Shown:
    """Return a value with its secrets masked, at most ``room`` characters of it.

    Args:
        name: One of ``KINDS``.
        value: The value.
        room: None for all of it.
        show: What the project makes of the masked value.
    """
    try:
        plain_value, hidden = plainly(name, value)
        text, is_cut = _written(show(name, plain_value), room, long=value.length > WHOLE)
    except RecursionError:
        text, is_cut, hidden = _hidden(), False, 1
    return Shown(name, KINDS[name].title, text, hidden, is_cut or value.is_part)


def plainly(name: str, value: Value) -> tuple[Any, int]:
    """Return a value as JSON with its secrets masked, and how many they are.

    Raises:
        RecursionError: It is nested too deep.
    """
    hidden: list[str] = []

    def hide(item: Any) -> Any:
        if isinstance(item, Unreadable) or item == MASK:
            hidden.append(name)
            return _hidden()
        return None

    return _walked(redacted(value.json), hide), len(hidden)


def _hidden() -> str:
    return _("%(mask)s (hidden)") % {"mask": MASK}


def revealed(name: str, value: Value, room: int | None = REVEALED) -> Shown:
    """Return a value as it is, at most ``room`` characters of it."""
    title = KINDS[name].title
    if isinstance(value.json, Unreadable):
        text = plain(value.json.text)
        return Shown(name, title, text[:room], 0, room is not None and len(text) > room)
    try:
        text, is_cut = _written(_walked(value.json, _text_of), room)
    except RecursionError:
        text, is_cut = _("It is nested too deeply to be shown."), False
    return Shown(name, title, text, 0, is_cut)


def _text_of(item: Any) -> str | None:
    return item.text if isinstance(item, Unreadable) else None


def _walked(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a copy of a value in which ``change`` replaced what it gave an answer for."""
    changed = change(value)
    if changed is not None:
        return changed
    if isinstance(value, dict):
        return {key: _walked(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_walked(item, change) for item in value]
    return value


def _written(value: Any, room: int | None, *, long: bool = False) -> tuple[str, bool]:
    """Return a value as JSON, and whether that is not all of it.

    It is indented, unless all of something long is wanted, which takes a tenth of the time.
    """
    if long and room is None:
        return plain(json.dumps(value, ensure_ascii=False, default=str)), False
    parts: list[str] = []
    length = 0
    for part in pretty(value):
        parts.append(part)
        length += len(part)
        if room is not None and length > room:
            return plain("".join(parts)[:room]), True
    return plain("".join(parts)), False


def pretty(value: Any) -> Iterator[str]:
    """Yield a value as indented JSON, a piece at a time."""
    # Written piece by piece, so that the rest of 10 MB costs nothing.
    encoder = json.JSONEncoder(indent=2, ensure_ascii=False, default=str)
    return encoder.iterencode(value)
