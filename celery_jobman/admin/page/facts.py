"""Facts: what is known of the job, one by one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils.translation import gettext as _

from celery_jobman.admin.page.header import succession
from celery_jobman.admin.page.wire import visible
from celery_jobman.admin.routes import page_of
from celery_jobman.core.redaction import redacted
from celery_jobman.insight.wording import at, lasting, progress
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from celery_jobman.admin.page.regions import Subject
    from celery_jobman.models import Job

#: Most characters of a value.
LONGEST = 300


class Fact(NamedTuple):
    """A name and a value."""

    name: str
    value: str
    href: str = ""
    #: Offer to copy it.
    copied: bool = False


def facts(subject: Subject) -> dict[str, Any]:
    """Return the facts that there are; what is empty is left out."""
    own = (_names(subject), _times(subject), _places(subject), _origins(subject))
    groups = (*own, _extra(subject))
    return {"facts": [fact for group in groups for fact in group if fact.value]}


def _names(subject: Subject) -> Iterator[Fact]:
    job = subject.job
    yield Fact(_("ID"), str(job.pk), copied=True)
    if job.task_id != str(job.pk):
        yield Fact(_("Task ID"), visible(job.task_id, LONGEST), copied=True)
    yield Fact(_("Task"), visible(job.task, LONGEST))
    yield Fact(_("Queue"), visible(job.queue, LONGEST))
    yield Fact(_("Priority"), "" if job.priority is None else str(job.priority))
    yield Fact(_("Owner"), visible(str(job.owner), LONGEST) if job.owner_id else "")
    tags = job.tags if isinstance(job.tags, list) else [job.tags]
    yield Fact(_("Tags"), visible(", ".join(map(str, tags)), LONGEST))


def _times(subject: Subject) -> Iterator[Fact]:
    job = subject.job
    yield Fact(_("Created"), at(job.created_at))
    waits = job.state == State.SCHEDULED
    yield Fact(_("Scheduled for"), _moment(job.available_at) if waits else "")
    yield Fact(_("Waited"), _waited(job, subject.now))
    yield Fact(_("Started"), _moment(job.started_at))
    yield Fact(_("Finished"), _moment(job.finished_at))
    yield Fact(_("Ran"), _ran(job, subject.now))
    yield Fact(_("Expires"), _moment(job.expires_at))


def _places(subject: Subject) -> Iterator[Fact]:
    job = subject.job
    yield Fact(_("Worker"), visible(subject.worker.hostname, LONGEST) if subject.worker else "")
    yield Fact(_("Process ID"), str(job.pid or ""))
    yield Fact(_("Code version"), visible(job.code_version, LONGEST))
    yield Fact(_("Outcome"), visible(job.completed_code, LONGEST))
    succeeded = job.state == State.SUCCEEDED
    yield Fact(_("Progress"), visible(progress(job), LONGEST) if succeeded else "")
    yield Fact(_("Only watched"), _("yes, a plain Celery task") if job.observed else "")
    yield Fact(_("Eager"), _("yes, without a broker") if job.eager else "")


def _origins(subject: Subject) -> Iterator[Fact]:
    job = subject.job
    links = ((_("Parent"), job.parent_id), (_("Retry of"), job.retry_of))
    for name, job_id in (*links, (succession(job), job.replaced_by)):
        yield Fact(name, str(job_id or ""), page_of(subject.admin, job_id) if job_id else "")
    yield Fact(_("Group"), visible(job.group_id, LONGEST), copied=True)
    attribs = redacted(job.attribs)
    for name, value in attribs.items() if isinstance(attribs, dict) else ():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield Fact(visible(str(name), 40), visible(text, LONGEST))


def _extra(subject: Subject) -> Iterator[Fact]:
    for name, value in subject.admin.extra_facts(subject.job):
        yield Fact(visible(str(name), 40), visible(str(value), LONGEST))


def _moment(moment: datetime | None) -> str:
    return at(moment) if moment else ""


def _waited(job: Job, now: datetime) -> str:
    since = job.queued_at or job.created_at
    if job.state == State.QUEUED:
        return lasting(now - since)
    began = job.started_at
    return lasting(began - since) if began and began >= since else ""


def _ran(job: Job, now: datetime) -> str:
    if not job.started_at or not (job.is_final or job.state == State.RUNNING):
        return ""
    return lasting((job.finished_at or now) - job.started_at)
