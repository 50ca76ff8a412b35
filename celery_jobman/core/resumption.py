"""Resumption: retry a workflow from where it failed, from a chosen link, or as a whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from celery_jobman.core import actions, batches, moments, reopening, retries
from celery_jobman.core.workflow import COLUMNS, Workflow, refuse_unready, refused
from celery_jobman.exceptions import BatchNotFound, JobNotFound, TransitionRefused
from celery_jobman.models import Batch, Job, Role
from celery_jobman.models.database import atomic
from celery_jobman.states import FINAL, State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

#: Most members that a plan names.
NAMED = 100


class Scope(StrEnum):
    """Which members of a workflow run again."""

    FAILED = "failed"
    """Those that failed; what was skipped or cancelled because of them goes on."""

    FOLLOWING = "following"
    """Those that failed, and every link after them, even if it succeeded."""

    ALL = "all"
    """Every one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a retry in a workflow would do."""

    #: The jobs that run again at once: id and name; at most :data:`NAMED` of them.
    again: tuple[tuple[UUID, str], ...]
    again_count: int
    #: How many jobs run again after those.
    waiting_count: int
    #: How many jobs of the workflow keep their end and result.
    reused_count: int
    #: Which callbacks run again when it finishes, such as ``("then", "finally")``.
    callbacks: tuple[str, ...]


def plan(batch_id: UUID, scope: Scope | str = Scope.FAILED) -> Plan:
    """Say what :func:`retry` would do.

    Raises:
        BatchNotFound: There is no such batch.
        ValueError: There is no such scope.
        TransitionRefused: Nothing in it can be retried; the message says why.
    """
    return _described(_chosen(batches.find(batch_id), Scope(scope)))


def plan_from(member_id: UUID) -> Plan:
    """Say what :func:`retry_from` would do; its errors are the same."""
    return _described(_chosen_from(member_id))


def retry(
    batch_id: UUID,
    scope: Scope | str = Scope.FAILED,
    *,
    now: datetime,
    finishes: int | None = None,
    actor: Any = None,
    reason: str = "",
) -> Plan:
    """Run members of a batch again, and those of the batches in it.

    Their batches are open again: when they close, their callbacks run for the new finish, and
    what was skipped because of the old one goes on.

    Args:
        batch_id: The batch.
        scope: Which members.
        now: Aware datetime of the request.
        finishes: Refuse unless the batch has finished so many times, so that a second click
            does nothing.
        actor: Who asks; see :func:`celery_jobman.core.actions.record`.
        reason: Why.

    Returns:
        What was done.

    Raises:
        BatchNotFound: There is no such batch.
        ValueError: There is no such scope.
        TransitionRefused: Nothing in it can be retried, a member that would run again has not
            ended, or it has moved on.  Nothing was written.
    """
    with atomic():
        batch = batches.find(batch_id)
        if finishes is not None and batch.finishes != finishes:
            raise refused(batch, "it has finished since, look again")
        workflow = _chosen(batch, Scope(scope))
        return _write(workflow, "retry batch", batch_id, str(scope), now, actor, reason)


def retry_from(member_id: UUID, *, now: datetime, actor: Any = None, reason: str = "") -> Plan:
    """Run a member of a workflow again, and every link after it.

    Args:
        member_id: A job or a batch.
        now: Aware datetime of the request.
        actor: Who asks.
        reason: Why.

    Returns:
        What was done.

    Raises:
        JobNotFound: There is no such member of any workflow.
        TransitionRefused: It, or a link after it, has not ended; or it follows one that has
            not ended well.  Nothing was written.
    """
    with atomic():
        workflow = _chosen_from(member_id)
        return _write(workflow, "retry from here", member_id, "here", now, actor, reason)


def _write(  # noqa: PLR0913, PLR0917 - private
    workflow: Workflow, verb: str, on: UUID, scope: str, now: datetime, actor: Any, reason: str
) -> Plan:
    done = _described(workflow)
    reopening.write(workflow, now=now, fresh=retries.fresh)
    changes = {"scope": scope, "again": done.again_count, "waiting": done.waiting_count}
    actions.record(verb, on, actor=actor, reason=reason, now=now, changes=changes)
    moments.reached("retry written")
    return done


def _described(workflow: Workflow) -> Plan:
    first = [job for job in workflow.jobs.values() if not workflow.waits(job)]
    members = Job.objects.filter(batch_id__in=workflow.ids(), role=Role.MEMBER).count()
    names = (str(role) for role in (Role.THEN, Role.FINALLY, Role.PROGRESS))
    opened = [batch.id for batch in workflow.opened.values() if batch.is_final]
    kept = Batch.objects.filter(pk__in=opened).values_list("callbacks", flat=True)
    known = [json.loads(text) for text in kept]
    return Plan(
        again=tuple((job.id, job.label or job.task) for job in first[:NAMED]),
        again_count=len(first),
        waiting_count=len(workflow.jobs) - len(first),
        reused_count=members - len(workflow.jobs),
        callbacks=tuple(name for name in names if any(each.get(name) for each in known)),
    )


def _chosen(batch: Batch, scope: Scope) -> Workflow:
    workflow = Workflow.around(batch.id)
    members = Job.objects.filter(batch_id__in=workflow.inside(batch.id), role=Role.MEMBER)
    if scope == Scope.ALL:
        if not batch.is_final:
            raise refused(batch, "members of it have not ended; cancel it first, or wait")
        workflow.add(list(members.only(*COLUMNS)))
    else:
        failed = members.filter(state=State.FAILED).only(*COLUMNS)
        if scope == Scope.FAILED:
            failed = failed.filter(allow_failure=False)
        chosen = list(failed)
        workflow.add(chosen)
        if scope == Scope.FOLLOWING:
            for job in chosen:
                workflow.add(list(_after(workflow, job)))
    if not workflow.jobs:
        raise refused(batch, "none of its members has failed")
    return _ready(workflow)


def _chosen_from(member_id: UUID) -> Workflow:
    job = Job.objects.filter(pk=member_id, role=Role.MEMBER).only(*COLUMNS).first()
    row = job or Batch.objects.filter(pk=member_id).without_payloads().first()
    if row is None or row.batch_id is None:
        raise JobNotFound(member_id)
    try:
        workflow = Workflow.around(row.batch_id)
    except BatchNotFound:
        raise JobNotFound(member_id) from None
    workflow.add([job] if job else list(_jobs_in(workflow, member_id)))
    workflow.add(list(_after(workflow, row)))
    return _ready(workflow)


def _jobs_in(workflow: Workflow, batch_id: UUID) -> Iterator[Job]:
    inside = workflow.inside(batch_id)
    yield from Job.objects.filter(batch_id__in=inside, role=Role.MEMBER).only(*COLUMNS)


def _after(workflow: Workflow, row: Job | Batch) -> Iterator[Job]:
    """Yield every job in the links after a member, and after the batches around it."""
    link = row.next_id
    while link is not None:
        if link in workflow.batches:
            yield from _jobs_in(workflow, link)
            link = workflow.batches[link].next_id
        else:
            job = Job.objects.only(*COLUMNS).filter(pk=link).first()
            if job is None:  # it was deleted, and what followed it stands alone
                break
            yield job
            link = job.next_id
    if row.batch_id is not None:
        yield from _after(workflow, workflow.batches[row.batch_id])


def _ready(workflow: Workflow) -> Workflow:
    """Refuse what cannot be run again."""
    for job in workflow.jobs.values():
        if job.state not in FINAL:
            hint = "it has not ended; cancel it first, or wait for its end"
            raise TransitionRefused(job.id, "retried", job.state, hint)
    refuse_unready(workflow)
    return workflow
