"""Batches whose every word is Greek, one for each sentence that their pages can say."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.utils import timezone

from celery_jobman.core import actions
from celery_jobman.models import Batch
from celery_jobman.models.batch import Kind, Stopping
from celery_jobman.states import FINAL, State
from tests.factories import begun_batch, linked, member, nested
from tests.languages.rows import QUEUE, TASK

if TYPE_CHECKING:
    from datetime import datetime

    from django.contrib.auth.models import User

STATES: Final = (State.BLOCKED, State.RUNNING, *sorted(FINAL))
#: One more than is looked at, and two more than are shown.
ERRORS: Final = 7
CALLBACKS: Final = {kind: [{"task": TASK}] for kind in ("then", "catch", "finally", "progress")}


def make(user: User) -> dict[str, Batch]:
    """Return batches by name."""
    now = timezone.now()
    batches = {state.value: _plain(state, now, owner=user) for state in STATES}
    batches |= _ending(now)
    batches["inner"] = _inner(now)
    batches["many errors"] = _many_errors(now)
    batches["empty"] = begun_batch(name="κενό", created_at=now)
    changes = {"scope": "failed", "again": 1, "waiting": 2}
    for verb in ("cancel batch", "retry batch", "retry from here"):
        told = changes if verb == "retry batch" else {}
        pk = batches["failed"].pk
        actions.record(verb, pk, actor=user, reason="ο", now=now, changes=told)
    return batches


def _plain(state: State, now: datetime, **fields: Any) -> Batch:
    began = {} if state == State.BLOCKED else {"started_at": now - timedelta(hours=1)}
    values: dict[str, Any] = {
        "name": "ροή",
        "total": 5,
        "callbacks": json.dumps(CALLBACKS),
        "error_message": "η σειρά δεν έχει όνομα",
        "tags": ["δ"],
        "allow_failures": "5%",
        "created_at": now - timedelta(hours=1),
        **began,
    }
    counts = {"failed": 1, "cancelled": 1, "skipped": 1} if state != State.BLOCKED else {}
    whole = begun_batch(state, **{**values, **counts, **fields})
    jobs = [member(whole, each, task=TASK, position=n) for n, each in enumerate(STATES)]
    Batch.objects.filter(pk=whole.pk).update(error_job_id=jobs[0].pk)
    member(whole, State.SUCCEEDED, task=TASK, role="finally", position=None)
    return whole


def _ending(now: datetime) -> dict[str, Batch]:
    running = State.RUNNING
    asked = {"stopping": Stopping.CANCELLED, "cancel_requested_at": now}
    return {
        "cancelling": _plain(running, now, **asked),
        "failing": _plain(running, now, stopping=Stopping.FAILED, on_failure="continue"),
        "skipping": _plain(running, now, stopping=Stopping.SKIPPED, allow_failures="all"),
        "opening": _plain(running, now, opening=True, allow_failures="2"),
        "without failures": _plain(running, now, failed=0, total=4, allow_failures=""),
        "without a name": _plain(State.SUCCEEDED, now, name="", kind=Kind.CHORD, excused=1),
    }


def _inner(now: datetime) -> Batch:
    root = begun_batch(State.FAILED, name="όλο", kind=Kind.CHAIN, total=3, failed=1, created_at=now)
    link = nested(
        root, State.FAILED, name="μέσα", kind=Kind.GROUP, total=2, failed=1, allow_failure=True
    )
    for position, state in enumerate((State.FAILED, State.SUCCEEDED)):
        member(link, state, task=TASK, queue=QUEUE, position=position)
    before, after = (member(root, State.SUCCEEDED, task=TASK, queue=QUEUE) for _ in range(2))
    linked(before, link, after)
    return link


def _many_errors(now: datetime) -> Batch:
    whole = begun_batch(name="λάθη", total=ERRORS, failed=ERRORS, created_at=now)
    for number in range(ERRORS):
        told = {"error_class": "Σφάλμα", "error_message": "ύψωσε", "fingerprint": f"{number:032}"}
        member(whole, State.FAILED, task=TASK, **told)
    return whole
