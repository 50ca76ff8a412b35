"""Spans: the rows of the timeline, as data that the drawing and the table share."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from celery_jobman.admin.page.wire import visible
from celery_jobman.models import Outcome, StepState, Trigger
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from celery_jobman.admin.page.regions import Subject
    from celery_jobman.models import Attempt, Job, Step

#: More rows than these are made fewer.
MOST_ROWS = 200
#: Ends that an attempt could not write down.
CUT_OFF = frozenset({Outcome.LOST, Outcome.TIMED_OUT})
#: How an attempt's or a step's end looks: the ending of a style class.
TONES = {
    Outcome.SUCCEEDED: "ok",
    Outcome.FAILED: "fail",
    Outcome.TIMED_OUT: "fail",
    Outcome.LOST: "fail",
    Outcome.RELEASED: "wait",
    Outcome.INTERRUPTED: "warn",
    Outcome.CANCELLED: "wait",
    StepState.SUCCEEDED: "ok",
    StepState.FAILED: "fail",
    StepState.RUNNING: "run",
    StepState.REPLAYING: "warn",
}


@dataclass(frozen=True)
class Span:
    """One row: an attempt, a step, or several steps that look alike."""

    name: str
    #: How it ended, or that it runs; in words.
    word: str
    #: The ending of its style class.
    tone: str
    #: The number of the attempt that it belongs to.
    attempt: int
    is_attempt: bool = False
    #: When it began to wait; None when it did not.
    waits: datetime | None = None
    begins: datetime | None = None
    ends: datetime | None = None
    #: What else is to be said, such as that a later attempt did not run it again.
    note: str = ""
    #: How many steps it stands for.
    count: int = 1
    #: Steps whose names differ in numbers only have the same.
    kind: str = field(default="", compare=False)


def spans(subject: Subject) -> list[Span]:
    """Return the attempts, each followed by the steps that it ended or was lost in."""
    attempts = [*reversed([*_ended(subject)]), *_running(subject)]
    steps = [_step(subject, row) for row in subject.steps]
    known = {span.attempt for span in attempts}
    rows = [step for step in steps if step.attempt not in known]
    for attempt in attempts:
        own = [step for step in steps if step.attempt == attempt.attempt]
        rows += [attempt, *own, *_broken_off(subject, attempt, own)]
    return [*rows, *_to_come(subject)]


def _broken_off(subject: Subject, span: Span, own: list[Span]) -> Iterator[Span]:
    """Yield the step in which an attempt was lost, whose row a later attempt has written since.

    It is the step that the next attempt began with: all before it were reused.
    """
    found = {row.number: row for row in subject.attempts}
    row = found.get(span.attempt)
    if row is None or row.outcome not in CUT_OFF:
        return
    name = _next_begun(subject, span.attempt, found.get(span.attempt + 1))
    if not name or visible(name) in {step.name for step in own}:
        return
    ends = [step.ends for step in own if step.ends]
    yield replace(
        span,
        name=visible(name),
        is_attempt=False,
        waits=None,
        begins=max([*ends, row.started_at]),
    )


def _next_begun(subject: Subject, number: int, following: Attempt | None) -> str:
    """Return the step that the attempt after this one began with; empty when nobody knows."""
    job = subject.job
    if following is not None:
        return "" if following.trigger == Trigger.OPERATOR else following.resumed_from
    if job.attempt == number:  # there was no other yet
        return job.current_step
    if job.trigger == Trigger.OPERATOR:
        return ""
    begun = (row.name for row in subject.steps if row.attempt == job.attempt)
    return next(begun, job.current_step)


def fewer(rows: list[Span]) -> tuple[list[Span], int]:
    """Return at most :data:`MOST_ROWS` rows, and how many are left out.

    Finished steps that stand together and differ only in numbers become one row; of what is
    still too much the latest remain.
    """
    if len(rows) <= MOST_ROWS:
        return rows, 0
    merged: list[Span] = []
    for _key, group in groupby(rows, key=lambda row: (row.kind, row.attempt, row.word, row.note)):
        merged += _merged(list(group))
    return merged[-MOST_ROWS:], max(len(merged) - MOST_ROWS, 0)


def _merged(group: list[Span]) -> list[Span]:
    first = group[0]
    if len(group) == 1 or not first.kind:
        return group
    begins = [row.begins for row in group if row.begins]
    ends = [row.ends for row in group if row.ends]
    name = f"{first.kind} \N{MULTIPLICATION SIGN}{len(group)}"
    whole = replace(first, name=name, count=len(group))
    return [replace(whole, begins=min(begins, default=None), ends=max(ends, default=None))]


def _ended(subject: Subject) -> Iterator[Span]:
    """Yield the attempts that ended, the newest first."""
    rows = subject.attempts
    for row, before in zip(rows, [*rows[1:], None], strict=False):
        yield _attempt(row, before, subject.job)


def _attempt(row: Attempt, before: Attempt | None, job: Job) -> Span:
    since = before.finished_at if before else job.created_at if row.number == 1 else None
    return Span(
        name=_("Attempt %(number)s") % {"number": row.number},
        word=str(Outcome(row.outcome).label),
        tone=TONES[Outcome(row.outcome)],
        attempt=row.number,
        is_attempt=True,
        waits=since if since and since < row.started_at else None,
        begins=row.started_at,
        ends=max(row.finished_at, row.started_at),
    )


def _running(subject: Subject) -> Iterator[Span]:
    """Yield the attempt that runs, which has no row yet, and its step if that has none."""
    job, last = subject.job, next(iter(subject.attempts), None)
    if job.state != State.RUNNING or job.started_at is None:
        return
    since = last.finished_at if last else job.created_at if job.attempt == 1 else None
    attempt = Span(
        name=_("Attempt %(number)s") % {"number": job.attempt},
        word=str(State.RUNNING.label),
        tone="run",
        attempt=job.attempt,
        is_attempt=True,
        waits=since if since and since < job.started_at else None,
        begins=job.started_at,
    )
    yield attempt


def _step(subject: Subject, row: Step) -> Span:
    succeeded = row.state == StepState.SUCCEEDED
    reused = succeeded and row.attempt < subject.job.attempt
    note = _("reused by attempt %(number)s") % {"number": subject.job.attempt} if reused else ""
    standing = _standing(subject, row)
    return Span(
        name=visible(row.name),
        word=str(standing.label),
        tone=TONES[standing],
        attempt=row.attempt,
        begins=row.started_at,
        ends=_end(subject, row),
        note=note,
        kind=re.sub(r"\d+", "#", visible(row.name)) if succeeded else "",
    )


def _standing(subject: Subject, row: Step) -> StepState | Outcome:
    """Return how a step stands; one in whose middle its attempt ended ended as that did."""
    of = _attempt_of(subject, row)
    if row.state == StepState.RUNNING and of is not None:
        return Outcome(of.outcome)
    return StepState(row.state)


def _attempt_of(subject: Subject, row: Step) -> Attempt | None:
    """Return the attempt that wrote a step last, once it has ended."""
    return next((each for each in subject.attempts if each.number == row.attempt), None)


def _end(subject: Subject, row: Step) -> datetime | None:
    """Return when a step ended; a step of an attempt that ended ended with it at the latest."""
    if row.finished_at:
        return max(row.finished_at, row.started_at)
    of = _attempt_of(subject, row)
    if of is not None:
        return max(of.finished_at, row.started_at)
    runs = subject.job.state == State.RUNNING and row.attempt == subject.job.attempt
    return None if runs else row.started_at


def _to_come(subject: Subject) -> Iterator[Span]:
    """Yield the step that runs and has no row yet, and the declared steps that did not begin."""
    job = subject.job
    known = {row.name for row in subject.steps}
    if job.state == State.RUNNING and job.current_step and job.current_step not in known:
        known.add(job.current_step)
        before = [row.finished_at for row in subject.steps if row.finished_at]
        begins = max([moment for moment in (*before, job.started_at) if moment], default=None)
        word = str(StepState.RUNNING.label)
        yield Span(visible(job.current_step), word, "run", job.attempt, begins=begins)
    declared = job.declared_steps if isinstance(job.declared_steps, list) else []
    word = _("Not run") if job.state == State.SUCCEEDED else _("Not begun")
    for name in declared[:MOST_ROWS]:
        if name not in known:
            yield Span(visible(str(name)), word, "wait", job.attempt)
