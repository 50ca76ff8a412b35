"""Actions: the audit of what people did to jobs."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model

from celery_jobman.core.encoding import clean
from celery_jobman.models import JobAction

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


#: Longest reason kept, in characters.
REASON_LENGTH = 10_000


def record(
    verb: str,
    job_id: UUID | None,
    *,
    actor: Any,
    reason: str,
    now: datetime,
    changes: dict[str, Any] | None = None,
) -> JobAction:
    """Write one audit row in the current transaction.

    Args:
        verb: What was done, such as ``"cancel"``.
        job_id: The job; None for an action on many.
        actor: A user, a name, or None for the operating system's user.
        reason: Why, in the person's words.
        now: Aware datetime of the action.
        changes: What changed, as JSON: ``{"column": [before, after]}``.
    """
    user = actor if isinstance(actor, get_user_model()) else None
    return JobAction.objects.create(
        job_id=job_id,
        at=now,
        verb=verb,
        user_id=user.pk if user else None,
        actor=name_of(actor),
        reason=clean(reason, REASON_LENGTH),
        changes=changes or {},
    )


def name_of(actor: Any) -> str:
    """Return the actor's name as the audit shows it."""
    return clean(str(actor), 200) if actor is not None else _system_user()


def _system_user() -> str:
    try:
        return f"{getpass.getuser()} (system)"
    except (OSError, KeyError):
        return "system"
