"""Sweeps: one verb done to many jobs, and what is said of it."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, ngettext_lazy

from celery_jobman import actions
from celery_jobman.admin.access import Deed, may
from celery_jobman.admin.steering.crowds import (
    MANY,
    BulkForm,
    BulkPriorityForm,
    BulkRetryForm,
    BulkTimeForm,
)
from celery_jobman.admin.steering.rules import why_not
from celery_jobman.admin.steering.selection import chosen_by, has_moved
from celery_jobman.core import actions as audits
from celery_jobman.core.encoding import clean
from celery_jobman.exceptions import JobmanError
from celery_jobman.insight import wording
from celery_jobman.models.database_errors import is_refusal
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from django.http import HttpRequest

    from celery_jobman.admin.steering.remainders import Pace
    from celery_jobman.models import Job

    Do = Callable[[Job, dict[str, Any]], object]

logger = logging.getLogger("celery_jobman")

#: Seconds after which what is left is left for another request.
PATIENCE = 20.0
#: Characters of a filter that the audit keeps.
LENGTH = 1000


class Sweep(NamedTuple):
    """A verb for many jobs."""

    deed: Deed
    #: What the audit calls it.
    verb: str
    #: Question and button, with ``%(count)s``; :func:`counted` fills it in.
    title: Any
    #: Told afterwards, in the same way.
    done: Any
    do: Do
    form: type[BulkForm] = BulkForm


class Tally(NamedTuple):
    """What became of the jobs."""

    done: list[Job]
    #: Reasons, and how many jobs were left alone for each.
    skipped: Counter[str]
    #: Jobs that there was no time for, the newest first.
    left: list[Job]


def counted(text: Any, number: int) -> str:
    """Return a text of a sweep for so many jobs."""
    return str(text % {"number": number, "count": wording.number(number)})


def _cancel(job: Job, data: dict[str, Any]) -> None:
    actions.cancel(job.pk, actor=data["actor"], reason=data["reason"])


def _retry(job: Job, data: dict[str, Any]) -> None:
    span = data.get("span")
    actions.retry(
        job.pk,
        attempt=job.attempt,
        confirm_succeeded=data["succeeded"],
        when=data["pace"].slot(data["number"], span) if span else None,
        priority=data.get("priority"),
        actor=data["actor"],
        reason=data["reason"],
    )


def _reschedule(job: Job, data: dict[str, Any]) -> None:
    moment = data["moment"]
    actions.reschedule(job.pk, moment, actor=data["actor"], reason=data["reason"])


def _change_priority(job: Job, data: dict[str, Any]) -> None:
    priority = data["priority"]
    actions.change_priority(job.pk, priority, actor=data["actor"], reason=data["reason"])


def _forget(job: Job, data: dict[str, Any]) -> None:
    actions.forget(job.pk, actor=data["actor"], reason=data["reason"])


CANCEL = Sweep(
    Deed.CANCEL,
    "cancel",
    ngettext_lazy("Cancel %(count)s job", "Cancel %(count)s jobs", "number"),
    ngettext_lazy("%(count)s cancelled", "%(count)s cancelled", "number"),
    _cancel,
)
RETRY = Sweep(
    Deed.RETRY,
    "retry",
    ngettext_lazy("Retry %(count)s job", "Retry %(count)s jobs", "number"),
    ngettext_lazy("%(count)s retried", "%(count)s retried", "number"),
    _retry,
    BulkRetryForm,
)
RESCHEDULE = Sweep(
    Deed.RESCHEDULE,
    "reschedule",
    ngettext_lazy("Reschedule %(count)s job", "Reschedule %(count)s jobs", "number"),
    ngettext_lazy("%(count)s rescheduled", "%(count)s rescheduled", "number"),
    _reschedule,
    BulkTimeForm,
)
PRIORITY = Sweep(
    Deed.PRIORITY,
    "change priority",
    ngettext_lazy(
        "Change the priority of %(count)s job", "Change the priority of %(count)s jobs", "number"
    ),
    ngettext_lazy("%(count)s given the priority", "%(count)s given the priority", "number"),
    _change_priority,
    BulkPriorityForm,
)
FORGET = Sweep(
    Deed.FORGET,
    "forget",
    ngettext_lazy("Delete %(count)s job for good", "Delete %(count)s jobs for good", "number"),
    ngettext_lazy("%(count)s deleted", "%(count)s deleted", "number"),
    _forget,
)


def run(
    sweep: Sweep, request: HttpRequest, jobs: Iterable[Job], data: dict[str, Any], pace: Pace
) -> Tally:
    """Do a verb to jobs, one after the other; leave alone what it does not fit any more."""
    done: list[Job] = []
    skipped: Counter[str] = Counter()
    given = {"succeeded": False, **data, "actor": request.user, "pace": pace}
    waiting, until = deque(jobs), time.monotonic() + PATIENCE
    with actions.cancelling_many():
        while waiting and time.monotonic() < until:
            job = waiting.popleft()
            given["number"] = len(done) + skipped.total()
            why = _obstacle(sweep, request, job, given) or _try(sweep, job, given)
            if why:
                skipped[why] += 1
            else:
                done.append(job)
    return Tally(done, skipped, list(waiting))


def _obstacle(sweep: Sweep, request: HttpRequest, job: Job, data: dict[str, Any]) -> str:
    seen: datetime = data["seen"]
    if not may(request.user, sweep.deed, job):
        return _("not permitted")
    if has_moved(job, seen):
        return _already(job.state)
    if sweep.deed == Deed.RETRY and job.state == State.SUCCEEDED and not data["succeeded"]:
        return _already(job.state)
    return why_not(job, sweep.deed).removesuffix(".")


def _try(sweep: Sweep, job: Job, data: dict[str, Any]) -> str:
    try:
        sweep.do(job, data)
    except JobmanError as error:
        state = getattr(error, "state", "")
        return _already(state) if state else _("gone")
    except Exception as error:
        if not is_refusal(error):
            raise
        logger.exception("A job could not be done with the others job=%s", job.pk)
        return wording.error(type(error).__name__, str(error))
    return ""


def _already(state: str) -> str:
    return _("already %(state)s") % {"state": str(State(state).label).lower()}


def told(sweep: Sweep, tally: Tally) -> str:
    """Return what became of the jobs: ``84 retried, 2 skipped (already running)``."""
    parts = [counted(sweep.done, len(tally.done))]
    if tally.skipped:
        why = "; ".join(reason for reason, _count in tally.skipped.most_common(3))
        count = tally.skipped.total()
        text = ngettext("%(count)s skipped (%(why)s)", "%(count)s skipped (%(why)s)", count)
        parts.append(text % {"count": wording.number(count), "why": why})
    if tally.left:
        count = len(tally.left)
        text = ngettext("%(count)s left", "%(count)s left", count)
        parts.append(text % {"count": wording.number(count)})
    return ", ".join(parts)


def log(sweep: Sweep, request: HttpRequest, tally: Tally, data: dict[str, Any]) -> None:
    """Write what Django's own history shows and, of many jobs, one entry for all.

    The verb itself leaves an entry with each job, however many they are: it is written in the
    transaction that moves the job, by the same code behind every door, and it is what the page
    of the job reads, through the index on jobs.  A history that had to look for the job in the
    filters of other entries would be slow, and wrong once the filter matches other jobs.  So
    the one entry comes on top.  It tells what was asked for, and how much came of it.
    """
    if 0 < len(tally.done) <= MANY:
        flag = DELETION if sweep.deed == Deed.FORGET else CHANGE
        text = told(sweep, tally)
        LogEntry.objects.log_actions(str(request.user.pk), tally.done, flag, text)
    elif tally.done:
        changes = {
            "filter": {name: clean(value, LENGTH) for name, value in chosen_by(request)},
            "count": len(tally.done),
            "skipped": tally.skipped.total(),
            "left": len(tally.left),
        }
        audit: dict[str, Any] = {"actor": request.user, "reason": data["reason"]}
        audits.record(sweep.verb, None, now=timezone.now(), changes=changes, **audit)
