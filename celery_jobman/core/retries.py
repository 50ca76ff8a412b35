"""Retries: run a finished job again, from where it stands or from a chosen step.

A retry never deletes history: attempts and log lines stay, and the steps that a rewind sets
aside are kept as superseded rows.
"""

from __future__ import annotations

import math
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
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from uuid import UUID

    from celery_jobman.core.terms import Terms

#: States of an iteration whose skipped items can be run again.
REPLAYABLE = frozenset({StepState.SUCCEEDED, StepState.REPLAYING})


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
    reused = {r.name: r for r in rows if r.state == StepState.SUCCEEDED and r.name not in aside}
    names = dict.fromkeys([*job.declared_steps, *(r.name for r in rows)])
    again = (n for n in names if n not in reused and not any(o in reused for o in _around(n)))
    return Plan(reused=tuple(reused), again=tuple(again))


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

    Other steps keep their checkpoints.  An item leaves the list of those that were skipped when
    it was done; a replay that did not come to its end goes on with the rest in the next attempt.

    Returns:
        How many items will run again.

    Raises:
        JobNotFound: There is no such job.
        UnknownStep: It has no finished iteration of this name that skipped anything.
        TransitionRefused: The job has not ended, or the iteration is inside a step that is done,
            and so is not reached again.  Nothing was written in either case.
    """
    with atomic():
        job = _reopen(job_id, now, None, confirm_succeeded=True)
        live = {row.name: row for row in _live(job_id)}
        row = live.get(step)
        if row is None or row.state not in REPLAYABLE or not row.skipped:
            known = [r.name for r in live.values() if r.skipped]
            raise UnknownStep(job_id, step, known)
        _refuse_unreachable(job, live, step)
        Step.objects.filter(pk=row.pk).update(state=StepState.REPLAYING)
        changes = {"step": step, "items": len(row.skipped)}
        actions.record("replay", job_id, actor=actor, reason=reason, now=now, changes=changes)
    return len(row.skipped)


def _refuse_unreachable(job: Job, live: dict[str, Step], step: str) -> None:
    for outer in _around(step):
        if outer in live and live[outer].state == StepState.SUCCEEDED:
            hint = f"{step!r} is inside {outer!r}, which is done; retry from {step!r}"
            raise TransitionRefused(job.id, "replayed", job.state, hint)


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
    """Return the steps to set aside: ``step``, all after it, and those it is a part of.

    A step that is done and stays is not entered again, so what is inside of it stays too; and
    what is inside of one that is set aside goes with it.
    """
    known = {row.name: row for row in sorted(rows, key=lambda row: row.name.count("/"))}
    begins = known[step].position if step in known else _begin_of(job, known, step)
    around, aside = set(_around(step)), {step}
    for name, row in known.items():
        outer = [known[o] for o in _around(name) if o in known and o not in around]
        if any(each.name in aside for each in outer):
            aside.add(name)
        elif name in around or not any(each.state == StepState.SUCCEEDED for each in outer):
            aside |= {name} if name in around or row.position >= begins else set()
    return [row for row in known.values() if row.name in aside]


def _begin_of(job: Job, known: dict[str, Step], step: str) -> float:
    """Return where the first step ran that is declared after one that never ran."""
    declared = job.declared_steps
    if step not in declared:
        raise UnknownStep(job.id, step, dict.fromkeys([*declared, *known]))
    later = declared[declared.index(step) :]
    return min((r.position for r in known.values() if r.name in later), default=math.inf)


def _around(name: str) -> Iterator[str]:
    """Yield the paths of the steps that a step is a part of."""
    while name := name.rpartition("/")[0]:
        yield name
