"""Dispatching: giving the broker many scheduled jobs at once, once they are due.

The keeper in every worker (and ``manage.py jobman dispatch``) calls :func:`dispatch_due` about
once a second; who wrote many jobs calls :func:`dispatch_all` right after the commit.  Any number
may run at once: each takes rows that nobody else holds, moves them to queued in one transaction,
and sends their messages.  Between that commit and a message a process may die; the job then
stands at queued without one, and :mod:`celery_jobman.core.redelivery` sends it again.
"""

from __future__ import annotations

import logging
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from django.db import connections

from celery_jobman.core import moments, schedule, transitions, troubles
from celery_jobman.core.troubles import Aside
from celery_jobman.exceptions import UnsendableMessage
from celery_jobman.models import Duty, Job
from celery_jobman.models.database import atomic, using
from celery_jobman.models.database_errors import Answer, answer
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from celery_jobman.models.job import JobQuerySet

    #: Sends messages, in order; returns how many were taken, and the error that ended it.
    Publish = Callable[[Sequence[Job]], tuple[int, Exception | None]]


logger = logging.getLogger("celery_jobman")


class Dispatched(NamedTuple):
    """What has become of jobs that were to be sent."""

    #: Messages that the broker took.
    sent: int
    #: Whether it refused none.
    all_taken: bool


def dispatch_due(
    publish: Publish,
    *,
    now: datetime,
    limit: int = 500,
    expired: Callable[[UUID], object] = bool,
) -> int:
    """Give the broker up to ``limit`` scheduled jobs whose time has come.

    The first of them goes alone: it tells whether the broker is there.

    Args:
        publish: Called with jobs; sends their messages, in order, and returns how many were
            taken, and the error that ended it, if one did.
        now: Aware datetime to judge by; no two calls may use the same.
        limit: Most jobs to send in this call.
        expired: Called with the id of each job that was cancelled because it had expired.

    Returns:
        How many messages were sent.  A job whose message was refused stays scheduled, with
        the error noted, and the rest is left for the next call.
    """
    due = Job.objects.due(now)
    if not due.exists():  # as nearly always: nothing is locked for that
        return 0
    free = _without_set_aside(due, now)
    first = dispatch_all(free[:1], publish, now=now, expired=expired)
    if not first.all_taken or limit == 1:
        return first.sent
    if not first.sent:
        free = _without_set_aside(due, now)
    return first.sent + dispatch_all(free[: limit - 1], publish, now=now, expired=expired).sent


def _without_set_aside(due: JobQuerySet, now: datetime) -> JobQuerySet:
    waiting = Aside(Duty.DISPATCH, now=now).waiting
    return due.exclude(pk__in=waiting) if waiting else due


def dispatch_all(
    rows: JobQuerySet,
    publish: Publish,
    *,
    now: datetime,
    expired: Callable[[UUID], object] = bool,
) -> Dispatched:
    """Move scheduled jobs to queued, with one UPDATE for all that are alike, and send them.

    Args:
        rows: The jobs.  Those that somebody else is moving are left to him, where the database
            can tell.
        publish: As for :func:`dispatch_due`.
        now: Aware datetime to judge by; no two calls may use the same.
        expired: Called with the id of each job that is cancelled because it had expired.

    Returns:
        How many messages were sent, and whether that is all.  Otherwise one was refused: its
        job is held for a while, with the error noted, and those after it, which were not
        tried, are scheduled as before.
    """
    try:
        queued, late = _taken(rows, now)
    except Exception as error:
        if answer(error) is Answer.OUTAGE:
            raise
        logger.exception("Jobs could not be moved together, each is moved by itself")
        queued, late = _taken_each(rows, now)
    aside = Aside(Duty.DISPATCH, now=now) if late else None
    for job in late:
        assert aside is not None  # noqa: S101 - there is one late job
        with aside.guarding(job.id):
            if schedule.expire(job.id, now=now, delivery=job.delivery):
                expired(job.id)
    return _send(queued, publish, now)


def _taken(rows: JobQuerySet, now: datetime) -> tuple[list[Job], list[Job]]:
    """Move jobs to queued; return them, and those that have expired."""
    with atomic():
        found = list(_free(rows))
        late = [job for job in found if schedule.has_expired(job, now)]
        return _queue([job for job in found if job not in late], now), late


def _taken_each(rows: JobQuerySet, now: datetime) -> tuple[list[Job], list[Job]]:
    """Do so in a transaction for each, and set aside those that the database does not take."""
    aside = Aside(Duty.DISPATCH, now=now)
    queued: list[Job] = []
    late: list[Job] = []
    for job_id in list(rows.values_list("pk", flat=True)):
        with aside.guarding(job_id):
            one, expired = _taken(rows.model.objects.filter(pk=job_id, state=State.SCHEDULED), now)
            queued += one
            late += expired
    return queued, late


def _free(rows: JobQuerySet) -> JobQuerySet:
    """Return the rows, locked, without those that another transaction has locked."""
    if connections[using()].features.has_select_for_update_skip_locked:
        return rows.using(using()).select_for_update(skip_locked=True)
    return rows


def _queue(jobs: list[Job], now: datetime) -> list[Job]:
    """Move jobs to queued; return those that were still as they were read."""
    moved: set[UUID] = set()
    for delivery, alike in _by_delivery(jobs):
        moved |= set(
            transitions.move_all(
                [job.id for job in alike],
                State.QUEUED,
                now=now,
                sources=frozenset({State.SCHEDULED}),
                at={"delivery": delivery},
                delivery=delivery + 1,
                queued_at=now,
                dispatch_error="",
            )
        )
    queued = [job for job in jobs if job.id in moved]
    for job in queued:
        job.delivery += 1
    return queued


def _by_delivery(jobs: Iterable[Job]) -> Iterable[tuple[int, Iterable[Job]]]:
    return groupby(sorted(jobs, key=_delivery), key=_delivery)


def _delivery(job: Job) -> int:
    return job.delivery


def _send(jobs: list[Job], publish: Publish, now: datetime) -> Dispatched:
    sent = 0
    while jobs:
        moments.reached("queued")
        taken, error = publish(jobs)
        sent += taken
        for job in jobs[:taken]:
            with troubles.guarding(Duty.DISPATCH, job.id, now=now):
                schedule.sent(job)
        if error is None:
            break
        with troubles.guarding(Duty.REDELIVER, jobs[taken].id, now=now):
            schedule.refuse(jobs[taken], error, now=now)
        jobs = jobs[taken + 1 :]
        if not isinstance(error, UnsendableMessage):
            _put_back(jobs, now)
            return Dispatched(sent, all_taken=False)
    return Dispatched(sent, all_taken=True)


def _put_back(jobs: list[Job], now: datetime) -> None:
    """Schedule jobs again that were not tried, as they were."""
    for (delivery, error), alike in groupby(sorted(jobs, key=_refusal), key=_refusal):
        transitions.move_all(
            [job.id for job in alike],
            State.SCHEDULED,
            now=now,
            sources=frozenset({State.QUEUED}),
            at={"delivery": delivery},
            dispatch_error=error,
        )


def _refusal(job: Job) -> tuple[int, str]:
    return job.delivery, job.dispatch_error
