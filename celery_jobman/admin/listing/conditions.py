"""Conditions: what the terms of a search ask of the table."""

from __future__ import annotations

import json
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth import get_user_model
from django.db import connections
from django.db.models import F, Q, TextField
from django.db.models.functions import Cast
from django.db.models.lookups import Contains
from django.utils import timezone

from celery_jobman.admin.listing import ids, names
from celery_jobman.admin.listing.search import BARE
from celery_jobman.admin.reading import as_uuid
from celery_jobman.models import Worker
from celery_jobman.models.database import using
from celery_jobman.models.job import Role
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from celery_jobman.admin.listing.search import Span, Term

#: Task names that a beginning is looked up in; a project with more is searched row by row.
KNOWN: Final = 1000
#: A success clears the error.  Naming the states spares a search the bulk of the table.
ERRING: Final = sorted(set(State) - {State.SUCCEEDED})


def of(terms: Iterable[Term]) -> Q:
    """Return the condition that a job meets all terms."""
    return reduce(and_, (CONDITIONS[term.name](term.value) for term in terms), Q())


def _bare(word: str) -> Q:
    job_id = as_uuid(word)
    if job_id:
        return Q(pk=job_id) | Q(task_id__in=[word, str(job_id)])
    return ids.beginning_with(word) or _beginning(word) | Q(task_id=word)


def _beginning(word: str) -> Q:
    # Not a range of names: what lies between two of them depends on the column's collation.
    tasks = names.every("task", KNOWN)
    if len(tasks) == KNOWN:
        return Q(task__startswith=word)
    return Q(task__in=[task for task in tasks if task.startswith(word)])


def _task(value: str) -> Q:
    return _beginning(value[:-1]) if value.endswith("*") else Q(task=value)


def _worker(value: str) -> Q:
    named = Q(hostname=value) | Q(hostname__startswith=f"{value}@")
    # A worker is named while it runs the job.  Saying so lets the index on workers serve it.
    return Q(worker_id__in=Worker.objects.filter(named).values("id"), state=State.RUNNING)


def _state(value: str) -> Q:
    if value == "retrying":
        return Q(state=State.SCHEDULED, attempt__gt=0)
    if value == "cancelling":
        return Q(state=State.RUNNING, cancel_requested_at__isnull=False)
    return Q(state=value)


def _owner(value: str) -> Q:
    users = get_user_model()._default_manager  # noqa: SLF001 - documented
    named = users.filter(**{get_user_model().USERNAME_FIELD: value})
    return Q(owner__in=list(named.values_list("pk", flat=True)[:1]))


def _tag(value: str) -> Q:
    if connections[using()].features.supports_json_field_contains:
        return Q(tags__contains=[value])
    return Q(Contains(Cast(F("tags"), TextField()), json.dumps(value)))


def _error(value: str) -> Q:
    named = Q(error_class=value) | Q(error_class__endswith=f".{value}")
    return named & Q(state__in=ERRING)


def _fingerprint(value: str) -> Q:
    # The index on failures serves the first part, the index on states the second.
    others = [state for state in ERRING if state != State.FAILED]
    return Q(fingerprint=value, state=State.FAILED) | Q(fingerprint=value, state__in=others)


def _before(moment: datetime) -> Q:
    return Q(pk__lt=ids.first_at(moment))


def _after(moment: datetime) -> Q:
    return Q(pk__gte=ids.first_at(moment))


def _ran(span: Span) -> Q:
    end = F("started_at") + span.duration
    if not span.longer:
        return Q(finished_at__lt=end)
    so_far = Q(state=State.RUNNING, started_at__lt=timezone.now() - span.duration)
    return Q(finished_at__gt=end) | so_far


CONDITIONS: Final[dict[str, Callable[[Any], Q]]] = {
    BARE: _bare,
    "task": _task,
    "queue": lambda value: Q(queue=value),
    "worker": _worker,
    "state": _state,
    "owner": _owner,
    "tag": _tag,
    "batch": lambda value: Q(batch_id=value, role=Role.MEMBER),
    "fingerprint": _fingerprint,
    "error": _error,
    "before": _before,
    "after": _after,
    "ran": _ran,
}
