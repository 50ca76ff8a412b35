"""Retries: run a finished job again, from where it stands or from a chosen step.

A retry never deletes history: attempts and log lines stay, and the steps that a rewind sets
aside are kept as superseded rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.db.models import Max

from celery_jobman.core import actions, comeback, joins, reopening, transitions, troubles
from celery_jobman.core.statements import Plus
from celery_jobman.core.terms import UNCHANGED
from celery_jobman.exceptions import JobNotFound, TransitionRefused, UnknownStep
from celery_jobman.models import Job, Step, StepState, Trigger
from celery_jobman.models.database import atomic
from celery_jobman.states import FINAL, State

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from celery_jobman.core.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a retry would do."""

    #: Names of the steps whose checkpoints are reused, in order.
    reused: tuple[str, ...]
    #: Names of the steps that run again, or for the first time, as far as they are known.
    again: tuple[str, ...]


def plan(job_id: UUID, step: str | None = None) -> Plan:
    """Say which steps a retry (from ``step``, if given) would reuse, and which run.

    Raises:
        JobNotFound: There is no such job.
        UnknownStep: It has no step of this name.
    """
    job = Job.objects.filter(pk=job_id).only("declared_steps").first()
    if job is None:
        raise JobNotFound(job_id)
    rows = _live(job_id)
    aside = {row.name for row in _from(job, rows, step)} if step else set()
    reused = [r.name for r in rows if r.state == StepState.SUCCEEDED and r.name not in aside]
    names = [*job.declared_steps, *(r.name for r in rows if r.name not in job.declared_steps)]
    return Plan(reused=tuple(reused), again=tuple(n for n in names if n not in reused))


def retry(  # noqa: PLR0913 - all but one are keywords
    job_id: UUID,
    *,
    now: datetime,
    attempt: int | None = None,
    confirm_succeeded: bool = False,
    terms: Terms = UNCHANGED,
    actor: Any = None,
    reason: str = "",
) -> None:
    """Put a finished job back on the schedule; its checkpoints are reused.

    Args:
        job_id: The job.
        now: Aware datetime of the request.
        attempt: Refuse unless this is still the job's last attempt, so that a second click,
            or a page that is out of date, does nothing.
        confirm_succeeded: Allow it for a job that succeeded.
        terms: When, in which queue and with which priority it runs; the audit keeps what
            they change.
        actor: Who asks; see :func:`celery_jobman.core.actions.record`.
        reason: Why.

    Raises:
        JobNotFound: There is no such job.
        TransitionRefused: It has not ended, succeeded without ``confirm_succeeded``, or has
            moved on since ``attempt``.  Nothing was written.
    """
    with atomic():
        job = _reopen(job_id, now, attempt, confirm_succeeded, terms)
        changes = terms.changes(job, now)
        actions.record("retry", job_id, actor=actor, reason=reason, now=now, changes=changes)


def rewind(  # noqa: PLR0913 - all but two are keywords
    job_id: UUID,
    step: str,
    *,
    now: datetime,
    attempt: int | None = None,
    confirm_succeeded: bool = True,
    terms: Terms = UNCHANGED,
    actor: Any = None,
    reason: str = "",
) -> Plan:
    """Retry a finished job from ``step``: its checkpoint and later ones are set aside.

    The other arguments are those of :func:`retry`.

    Returns:
        Which steps are reused, and which run again.

    Raises:
        JobNotFound: There is no such job.
        UnknownStep: It has no step of this name.  Nothing was written.
        TransitionRefused: As for :func:`retry`.  Nothing was written.
    """
    with atomic():
        job = _reopen(job_id, now, attempt, confirm_succeeded, terms)
        chosen = plan(job_id, step)
        aside = [row.pk for row in _from(job, _live(job_id), step)]
        Step.objects.filter(pk__in=aside).update(superseded=_next_rewind(job_id))
        changes = {"step": step, "reused": list(chosen.reused), "again": list(chosen.again)}
        changes |= terms.changes(job, now)
        actions.record("retry from", job_id, actor=actor, reason=reason, now=now, changes=changes)
    return chosen


def _next_rewind(job_id: UUID) -> int:
    last = Step.objects.filter(job_id=job_id).aggregate(last=Max("superseded"))["last"]
    return (last or 0) + 1


def replay_skipped(
    job_id: UUID, step: str, *, now: datetime, actor: Any = None, reason: str = ""
) -> int:
    """Retry a finished job so that ``step`` runs only the items it skipped.

    Other steps keep their checkpoints.

    Returns:
        How many items will run again.

    Raises:
        JobNotFound: There is no such job.
        UnknownStep: It has no finished iteration of this name that skipped anything.
        TransitionRefused: The job has not ended.  Nothing was written in either case.
    """
    with atomic():
        _reopen(job_id, now, None, confirm_succeeded=True)
        row = Step.objects.filter(
            job_id=job_id, name=step, superseded=0, state=StepState.SUCCEEDED
        ).first()
        if row is None or not row.skipped:
            known = [r.name for r in _live(job_id) if r.skipped]
            raise UnknownStep(job_id, step, known)
        Step.objects.filter(pk=row.pk).update(state=StepState.REPLAYING)
        changes = {"step": step, "items": len(row.skipped)}
        actions.record("replay", job_id, actor=actor, reason=reason, now=now, changes=changes)
    return len(row.skipped)


def _reopen(
    job_id: UUID,
    now: datetime,
    attempt: int | None,
    confirm_succeeded: bool,  # noqa: FBT001
    terms: Terms = UNCHANGED,
) -> Job:
    job = Job.objects.filter(pk=job_id).without_payloads().first()
    if job is None:
        raise JobNotFound(job_id)
    if comeback.is_unsent(job) and job.state in FINAL:
        comeback.wait_again(job, now=now)
        return job
    allowed = FINAL if confirm_succeeded else FINAL - {State.SUCCEEDED}
    sources = allowed & {State(job.state)}
    is_counted = joins.member(job) is not None and joins.has_batch(job)
    workflow = reopening.around(job) if sources and is_counted else None
    moved = transitions.try_move(
        job_id,
        State.BLOCKED if workflow and workflow.waits(job) else State.SCHEDULED,
        now=now,
        sources=sources,
        at={"attempt": job.attempt if attempt is None else attempt},
        **fresh(job),
        **terms.columns(job, now),
    )
    if not moved:
        raise _refusal(job, attempt)
    troubles.forget([job_id])
    if workflow is not None:
        reopening.write(workflow, now=now, fresh=fresh, moved=job.id)
    elif joins.member(job) is not None and job.batch_id is None:
        comeback.reopen(job, now=now, fresh=fresh)
    elif joins.member(job) is not None:
        reopening.give_alone(job)
    return job


def fresh(job: Job) -> dict[str, Any]:
    """Return the columns with which a finished job begins anew."""
    changes: dict[str, Any] = {
        "failures": 0,
        "crashes": 0,
        "retries": 0,
        "cancel_requested_at": None,
        "cancel_forced": False,
        "completed_code": "",
        "expires_at": None,
        "dispatch_error": "",
        "trigger": Trigger.OPERATOR,
        "replaced_by": None,
        "stopped_by": None,
        "delivery": Plus(1),
    }
    if job.state in {State.SUCCEEDED, State.CANCELLED}:
        # Celery's result backends keep the first success of an id for ever, and its workers
        # refuse an id that was revoked: such a job runs under a new one.
        changes["task_id"] = str(uuid4())
    return changes


def _refusal(job: Job, attempt: int | None) -> Exception:
    state = Job.objects.values_list("state", "attempt").filter(pk=job.id).first()
    if state and state[0] == State.SUCCEEDED:
        return TransitionRefused(job.id, "retried", state[0], "confirm that it shall run again")
    if state and attempt is not None and state[1] != attempt:
        moved_on = f"attempt {state[1]} has begun since"
        return TransitionRefused(job.id, "retried", state[0], moved_on)
    return transitions.refusal(job.id, "retried", "cancel it first, or wait for its end")


def _live(job_id: UUID) -> list[Step]:
    return list(Step.objects.filter(job_id=job_id, superseded=0).order_by("position"))


def _from(job: Job, rows: Iterable[Step], step: str) -> list[Step]:
    """Return the steps to set aside: ``step``, all after it, and those it is a part of."""
    rows, declared = list(rows), job.declared_steps
    here = next((row.position for row in rows if row.name == step), None)
    if here is not None:
        return [r for r in rows if r.position >= here or step.startswith(f"{r.name}/")]
    if step not in declared:
        known = dict.fromkeys([*declared, *(row.name for row in rows)])
        raise UnknownStep(job.id, step, known)
    later = declared[declared.index(step) :]
    return [row for row in rows if row.name in later]
