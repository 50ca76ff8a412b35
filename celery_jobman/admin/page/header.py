"""Header: where the job stands, in a line and a sentence."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from celery_jobman.admin import badges
from celery_jobman.admin.access import Deed
from celery_jobman.admin.markup import coded
from celery_jobman.admin.page.wire import visible
from celery_jobman.admin.routes import page_of
from celery_jobman.insight.explanation import waits_for_the_broker, why
from celery_jobman.insight.wording import ago
from celery_jobman.states import State

if TYPE_CHECKING:
    from django.utils.safestring import SafeString

    from celery_jobman.admin.page.regions import Subject
    from celery_jobman.models import Job


def header(subject: Subject) -> dict[str, Any]:
    """Return the state, what runs where, and why."""
    job = subject.job
    runs = job.state == State.RUNNING
    worker = subject.worker if runs else None
    return {
        "badge": badges.of(job, subject.now, orphaned=subject.is_orphaned),
        "word": str(State(job.state).label),
        "attempt": attempt(job),
        "step": step(job) if runs else "",
        "worker": visible(worker.hostname) if worker else "",
        "heartbeat": ago(min(worker.seen_at, subject.now), subject.now) if worker else "",
        "silent": subject.is_orphaned,
        "reason": reason(subject),
        "successor": page_of(subject.admin, job.replaced_by) if job.replaced_by else "",
        "succession": succession(job),
    }


def succession(job: Job) -> str:
    """Return what the job that stands for this one is to it."""
    return _("Replaced by") if job.state == State.SUCCEEDED else _("Retried as")


def attempt(job: Job) -> str:
    """Return which attempt this is; releases can make more of them than failures may be."""
    if not job.attempt:
        return ""
    values = {"number": job.attempt, "most": job.max_attempts}
    if job.max_attempts and job.attempt <= job.max_attempts:
        return _("attempt %(number)s of %(most)s") % values
    return _("attempt %(number)s") % values


def step(job: Job) -> str:
    """Return the current step, and its place when the task declared its steps."""
    if not job.current_step:
        return ""
    names = job.declared_steps if isinstance(job.declared_steps, list) else []
    outer = job.current_step.partition("/")[0]
    found = next((name for name in (job.current_step, outer) if name in names), None)
    values = {"name": visible(job.current_step), "count": len(names)}
    if found is None:
        return _("step “%(name)s”") % values
    place = {"place": names.index(found) + 1, **values}
    return _("step %(place)s of %(count)s “%(name)s”") % place


def reason(subject: Subject) -> SafeString:
    """Return why the job stands where it stands; without its error for those who may not see it."""
    job, may_read = subject.job, subject.may(Deed.VIEW_LOG)
    if not may_read:
        job = copy(job)
        job.error_message = ""
        if waits_for_the_broker(job):
            job.dispatch_error = _("(hidden)")
    return coded(visible(why(job, subject.now, with_errors=may_read)))
