"""Forks: a new job from an old one, with other arguments, that keeps its early checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import IntegrityError

from celery_jobman.core import actions, behind, retries, transitions
from celery_jobman.core.redaction import preview
from celery_jobman.exceptions import JobNotFound
from celery_jobman.models import Job, Step, StepState
from celery_jobman.models.database import atomic
from celery_jobman.models.ids import uuid7
from celery_jobman.states import FINAL, State

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

#: What a fork takes over from its original.
INHERITED = (
    "task", "label", "queue", "priority", "args", "kwargs", "preview",
    "declared_steps", "max_attempts", "owner_id", "tags", "attribs",
)  # fmt: skip


def fork(  # noqa: PLR0913 - all but one are keywords
    job_id: UUID,
    *,
    now: datetime,
    new_id: UUID | None = None,
    arguments: tuple[str, str] | None = None,
    from_step: str | None = None,
    replaces: bool = False,
    actor: Any = None,
    reason: str = "",
) -> Job:
    """Write a new job like an old one, scheduled now.

    The task is always the old job's.  The new job stands alone: where the old one is part of a
    workflow, nothing there waits for the new one, counts it or is called by it.  The caller
    has bound ``arguments`` to its signature.

    Args:
        job_id: The job to copy; it may be in any state, and runs on if it does.
        now: Aware datetime of the request.
        new_id: The new job's id.  When this job has a fork of that id already, that is
            returned and nothing is written, so that a form sent twice makes one fork.
        arguments: New positional and keyword arguments, each as JSON text that reads back to
            plain JSON; None keeps the old ones.
        from_step: Copy the checkpoints before this step; None copies none.
        replaces: Say in the old job's ``replaced_by`` that the new one stands for it, so that
            its failure counts as addressed.  Otherwise the old job is not changed at all.
        actor: Who asks; see :func:`celery_jobman.core.actions.record`.
        reason: Why.

    Returns:
        The new job, saved; its ``retry_of`` is ``job_id``.

    Raises:
        JobNotFound: There is no such job.
        UnknownStep: It has no step ``from_step``.
        TransitionRefused: It shall be replaced and has not ended.  Nothing was written.
    """
    original = Job.objects.filter(pk=job_id).first()
    if original is None:
        raise JobNotFound(job_id)
    if new_id is not None and (twin := _twin(original, new_id)):
        return twin
    kept = retries.plan(job_id, from_step).reused if from_step else ()
    copy = _copy(original, new_id or uuid7(), arguments, now)
    changes: dict[str, Any] = {"fork": str(copy.id), "step": from_step, "reused": list(kept)}
    if arguments is not None:
        changes["arguments"] = [original.preview, copy.preview]
    if replaces:
        changes["replaces"] = True
    try:
        _write(original, copy, kept, actor=actor, reason=reason, now=now, changes=changes)
    except IntegrityError:
        if new_id is None or not (twin := _twin(original, new_id)):
            raise
        return twin
    return copy


def _twin(original: Job, new_id: UUID) -> Job | None:
    return Job.objects.filter(pk=new_id, retry_of=original.id).first()


def _write(original: Job, copy: Job, kept: tuple[str, ...], **audit: Any) -> None:
    with atomic():
        copy.save(force_insert=True)
        _copy_steps(original, copy, kept)
        if audit["changes"].get("replaces"):
            _replace(original, copy)
        actions.record("fork", original.id, **audit)


def _replace(original: Job, copy: Job) -> None:
    """Let ``copy`` stand for a job that has ended, and has not moved on since it was read."""
    same = Job.objects.filter(pk=original.id, attempt=original.attempt, state__in=sorted(FINAL))
    if not same.update(replaced_by=copy.id):
        raise transitions.refusal(original.id, "replaced", "it has not ended, or has moved on")


def _copy(original: Job, new_id: UUID, arguments: tuple[str, str] | None, now: datetime) -> Job:
    copy = Job(
        id=new_id,
        task_id=str(new_id),
        root_id=str(new_id),
        state=State.SCHEDULED,
        created_at=now,
        available_at=now,
        retry_of=original.id,
        trigger="operator",
        message=behind.alone(original.message),
        **{name: getattr(original, name) for name in INHERITED},
    )
    if arguments is not None:
        copy.args, copy.kwargs = arguments
        copy.preview = preview(*copy.arguments)
    return copy


def _copy_steps(original: Job, copy: Job, names: tuple[str, ...]) -> None:
    rows = Step.objects.filter(
        job_id=original.id, superseded=0, state=StepState.SUCCEEDED, name__in=names
    )
    copies = []
    for row in rows:
        row.pk, row.job_id, row.attempt = None, copy.id, 0
        row._state.adding = True  # noqa: SLF001 - Django's documented way to copy a row
        copies.append(row)
    Step.objects.bulk_create(copies)
