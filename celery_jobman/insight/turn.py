"""Turn: what a queued job waits for, which is a worker, its turn, or a message that is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from celery_jobman.conf import settings
from celery_jobman.insight.wording import ago, at, at_least, jobs, listed, number, short
from celery_jobman.insight.workforce import Workforce, hire
from celery_jobman.models import Job
from celery_jobman.states import State

if TYPE_CHECKING:
    from datetime import datetime

    from celery_jobman.models.job import JobQuerySet

#: Time for which a queued job may lie in a queue whose workers have room, and be on its way.
UNNOTICED = timedelta(seconds=10)
#: Jobs before one in its queue that are counted one by one.
COUNTED = 10_000


def lack(queue: str, workforce: Workforce) -> str:
    """Return a sentence if nobody would take a job from this queue; empty otherwise."""
    if not workforce.workers:
        return _("No worker is alive to take it; start one: %(command)s") % {"command": command()}
    if not workforce.consuming(queue).workers:
        return _(
            "No live worker consumes its queue %(queue)r (they consume %(queues)s);"
            " start one: %(command)s"
        ) % {"queue": queue, "queues": listed(workforce.queues), "command": command(queue)}
    return ""


def command(queue: str = "") -> str:
    """Return the command that starts a worker, marked as code."""
    return f"`{hire(queue)}`"


def turn(job: Job, now: datetime) -> str:
    """Return the sentence about a queued job that live workers would take."""
    takers = Workforce.now().consuming(job.queue)
    since = job.queued_at or job.created_at
    if _seems_lost(since, takers, now):
        return _lost(job, since, now)
    ahead = Job.objects.filter(state=State.QUEUED, queue=job.queue, queued_at__lt=since)
    return _(
        "It has been queued for %(time)s, with %(ahead)s before it in %(queue)r; its workers run"
        " %(busy)s of at most %(most)s."
    ) % {
        "time": short(now - since),
        "ahead": _at_most(ahead),
        "queue": job.queue,
        "busy": number(takers.busy()),
        "most": jobs(takers.processes),
    }


def _seems_lost(since: datetime, takers: Workforce, now: datetime) -> bool:
    """Return whether workers that have room for a job, and hold no message, did not take it."""
    if now - since < UNNOTICED or takers.reserved:
        return False
    return takers.busy() < takers.processes


def _lost(job: Job, since: datetime, now: datetime) -> str:
    """Return the sentence about a job whose message does not seem to arrive."""
    again = since + settings().redeliver_after
    values = {"time": short(now - since), "when": ago(again, now), "moment": at(again)}
    if job.observed:
        text = _(
            "It has been queued for %(time)s although its workers have room, so its message may be"
            " lost; a plain task's message is not sent again, so call the task anew."
        )
    elif again > now:
        text = _(
            "It has been queued for %(time)s although its workers have room, so its message may be"
            " lost; if it is, it is sent again %(when)s, at %(moment)s."
        )
    else:
        text = _(
            "It has been queued for %(time)s although its workers have room, so its message may be"
            " lost; if it is, a worker sends it again within seconds."
        )
    return text % values


def _at_most(ahead: JobQuerySet) -> str:
    """Return how many jobs there are, counting no further than anybody cares to know."""
    count = ahead.values("pk")[: COUNTED + 1].count()
    return at_least(COUNTED) if count > COUNTED else jobs(count)
