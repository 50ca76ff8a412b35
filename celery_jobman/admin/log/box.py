"""The box: the last lines of a log on the job's page, which a script then carries on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils.translation import gettext as _

from celery_jobman.admin.log import around
from celery_jobman.admin.log.lines import Log
from celery_jobman.admin.log.parameters import ParameterRefused, log_of
from celery_jobman.admin.log.tail import is_over
from celery_jobman.admin.routes import address, page_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery_jobman.admin.log.lines import Line, Portion
    from celery_jobman.admin.page.regions import Subject
    from celery_jobman.models import Job

#: Attempts that can be chosen; of more, the last ones.
ATTEMPTS = 50
#: Style of the lines that must be seen; all others are plain text.
TONES = {"WARNING": "jm-log-warn", "ERROR": "jm-log-error", "CRITICAL": "jm-log-error"}

#: Style of the lines around what a search found, and what parts two groups of them.
AROUND, BREAK = "jm-log-near", "--\n"


class Piece(NamedTuple):
    """Some lines that look alike."""

    text: str
    tone: str


class Choice(NamedTuple):
    """One entry of a list to choose from."""

    value: str
    word: str
    chosen: bool


def context(subject: Subject) -> dict[str, Any]:
    """Return what the region shows: the last lines, and how to see others."""
    job, query = subject.job, subject.request.GET
    refused = ""
    try:
        log = log_of(job.pk, query, find="find")
    except ParameterRefused as refusal:
        log, refused = Log(job_id=job.pk), str(refusal)
    portion = around.tail(log) if log.find else log.tail()
    return {
        "log": log,
        "refused": refused,
        "pieces": list(pieces(portion)),
        "shown": len(portion.lines),
        "last": portion.lines[-1].id if portion.lines else "",
        "cursor": portion.cursor,
        "eof": is_over(job, log.attempt),
        "attempts": _attempts(job, log.attempt),
        "levels": _levels(log.level),
        "page": page_of(subject.admin, job.pk),
        "url": address(subject.admin, "log", pk=job.pk),
        "raw_url": address(subject.admin, "log_raw", pk=job.pk),
        "raw_query": f"?attempt={log.attempt}" if log.attempt else "",
    }


def pieces(portion: Portion) -> Iterator[Piece]:
    """Yield lines as text, the plain ones between two marked ones together."""
    quiet, first = set(portion.around), portion.lines[0].id if portion.lines else 0
    breaks = {key for key, _before in portion.breaks} - {first}
    plain: list[str] = []
    for line in portion.lines:
        tone = AROUND if line.id in quiet else TONES.get(line.level, "")
        if not tone and line.id not in breaks:
            plain.append(_text(line))
            continue
        if plain:
            yield Piece("".join(plain), "")
            plain = []
        if line.id in breaks:
            yield Piece(BREAK, "jm-log-break")
        yield Piece(_text(line), tone)
    if plain:
        yield Piece("".join(plain), "")


def _text(line: Line) -> str:
    step = f"[{line.step}] " if line.step else ""
    return f"{line.clock} {line.level:<8} {step}{line.message}\n"


def _attempts(job: Job, chosen: int | None) -> list[Choice]:
    first = max(1, job.attempt - ATTEMPTS + 1)
    numbers = {*range(first, job.attempt + 1)} | ({chosen} if chosen else set())
    all_of_them = Choice("", _("All attempts"), chosen is None)
    word = _("Attempt %(number)s")
    return [all_of_them] + [
        Choice(str(number), word % {"number": number}, number == chosen)
        for number in sorted(numbers, reverse=True)
    ]


def _levels(chosen: int) -> list[Choice]:
    words = {
        0: _("All levels"),
        20: _("Info and above"),
        30: _("Warnings and above"),
        40: _("Errors and above"),
        50: _("Critical only"),
    }
    known = words if chosen in words else {**words, chosen: str(chosen)}
    return [Choice(str(level or ""), word, level == chosen) for level, word in known.items()]
