"""Access: what a user may see of a job or a batch, and do to it.

Everything has a permission of its own.  The project's rule in ``JOBMAN["CAN"]`` may say more
about one job or batch.  Whoever may not see one is told the same as if there were none.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from django.utils.module_loading import import_string

from celery_jobman.conf import settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery_jobman.models import Batch, Job


class Deed(StrEnum):
    """Something that a user does with a job; the rule in ``JOBMAN["CAN"]`` is given it."""

    VIEW = "view"
    """See the job in lists, and its page."""

    VIEW_ARGS = "view-args"
    """See the arguments, masked."""

    VIEW_RESULT = "view-result"
    """See what the task returned, and what its steps saved."""

    VIEW_LOG = "view-log"
    """Read the log, tracebacks and error messages."""

    REVEAL = "reveal"
    """See masked values; every time is audited."""

    CANCEL = "cancel"
    RETRY = "retry"
    RETRY_FROM = "retry-from"
    EDIT_RETRY = "edit-retry"
    PRIORITY = "priority"
    RESCHEDULE = "reschedule"
    FORGET = "forget"

    VIEW_BATCH = "view-batch"
    """See the batch in lists, its page and its graph; its jobs are another matter."""

    CANCEL_BATCH = "cancel-batch"
    RETRY_BATCH = "retry-batch"


#: Code names of the permissions that a deed needs, all of them.
PERMISSIONS: Final = MappingProxyType(
    {
        Deed.VIEW: ("view_job",),
        Deed.VIEW_ARGS: ("view_job", "view_job_args"),
        Deed.VIEW_RESULT: ("view_job", "view_job_result"),
        Deed.VIEW_LOG: ("view_job", "view_job_log"),
        Deed.REVEAL: ("view_job", "view_job_args", "view_job_secrets"),
        Deed.CANCEL: ("view_job", "cancel_job"),
        Deed.RETRY: ("view_job", "retry_job"),
        Deed.RETRY_FROM: ("view_job", "retry_job"),
        Deed.EDIT_RETRY: ("view_job", "view_job_args", "retry_job", "edit_job_args"),
        Deed.PRIORITY: ("view_job", "change_job_priority"),
        Deed.RESCHEDULE: ("view_job", "reschedule_job"),
        Deed.FORGET: ("view_job", "purge_job"),
        Deed.VIEW_BATCH: ("view_batch",),
        Deed.CANCEL_BATCH: ("view_batch", "cancel_batch"),
        Deed.RETRY_BATCH: ("view_batch", "retry_batch"),
    }
)


def may(user: Any, deed: Deed, job: Job | Batch | None = None) -> bool:
    """Return whether a user may do a deed, to one job (or batch) or (None) in general.

    A permission counts when the user has it for all of them or, by a backend with permissions
    for single objects, for this one.  The project's rule is asked only where they suffice:
    it can take away, and never give.
    """
    if not user.is_active or not user.is_staff:
        return False
    if not all(_has(user, f"jobman.{name}", job) for name in PERMISSIONS[deed]):
        return False
    rule = _rule()
    verdict = rule(user, str(deed), job) if rule and job is not None else None
    return verdict is None or bool(verdict)


def _has(user: Any, permission: str, job: Job | Batch | None) -> bool:
    # ModelBackend knows no permissions for single objects and denies them all.
    return user.has_perm(permission) or (job is not None and user.has_perm(permission, job))


def _rule() -> Callable[[Any, str, Job | Batch], bool | None] | None:
    path = settings().can
    return import_string(path) if path else None
