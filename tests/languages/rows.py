"""Rows whose every word is Greek, so that all Latin on a page is the page's own."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.contrib.admin.models import CHANGE, LogEntry
from django.utils import timezone

from celery_jobman.core import actions
from celery_jobman.models import Job, Outcome, Queue, StepState, Trigger
from celery_jobman.states import FINAL, State
from tests.factories import attempt, checkpoint, job_in, log_line, worker

if TYPE_CHECKING:
    from datetime import datetime

    from django.contrib.auth.models import User

TASK: Final = "αγορά.εισαγωγή"
#: The name of an argument that is masked.
SECRET: Final = "κρυφό"
QUEUE: Final = "ουρά"
STEPS: Final = ("λήψη", "έλεγχος", "φόρτωση", "αναφορά")
TRACEBACK: Final = """Traceback (most recent call last):
  File "/α/β.γ", line 12, in σώσε
    ύψωσε
  File "/celery/app/δ.γ", line 3, in ε
    ύψωσε
Σφάλμα: η σειρά δεν έχει όνομα
"""


def make(user: User) -> dict[str, Job]:
    """Return jobs by name: one in each state, and one for each sentence that a page can say."""
    now = timezone.now()
    Queue.objects.create(name=QUEUE, consumed_at=now)
    jobs = {state.value: _plain(state, now) for state in State}
    jobs |= _waiting(now) | _running(now) | _ended(now)
    for job in list(jobs.values()):
        _tell(job)
    _act(jobs["failed"], user, now)
    return jobs


def _plain(state: State, now: datetime, **fields: Any) -> Job:
    ended = state in FINAL
    began = now - timedelta(days=2, hours=3)
    values: dict[str, Any] = {
        "task": TASK,
        "queue": QUEUE,
        "args": '["α"]',
        "kwargs": '{"β": 100, "κρυφό": "γ"}',
        "preview": "α",
        "declared_steps": list(STEPS),
        "max_attempts": 3,
        "priority": 4,
        "tags": ["δ"],
        "attribs": {"ε": "ζ"},
        "code_version": "η",
        "created_at": now - timedelta(days=3),
        "queued_at": now - timedelta(days=2, hours=4),
        "available_at": now + timedelta(hours=5) if state == State.SCHEDULED else None,
        **({"attempt": 2} if ended or state == State.RUNNING else {}),
        **({"started_at": began} if ended or state == State.RUNNING else {}),
        **({"finished_at": began + timedelta(minutes=15, seconds=3)} if ended else {}),
        **(_error() if state == State.FAILED else {}),
    }
    return job_in(state, **{**values, **fields})


def _error() -> dict[str, Any]:
    return {"error_class": "Σφάλμα", "error_message": "ύψωσε", "fingerprint": "1" * 32}


def _waiting(now: datetime) -> dict[str, Job]:
    soon, late = now + timedelta(minutes=3), now - timedelta(minutes=3)
    refused = {"available_at": late, "dispatch_error": "κλειστό"}
    jobs = {
        "retrying": _plain(State.SCHEDULED, now, attempt=1, available_at=soon),
        "retrying now": _plain(State.SCHEDULED, now, attempt=1, available_at=late),
        "refused": _plain(State.SCHEDULED, now, **refused),
        "due": _plain(State.SCHEDULED, now, available_at=late),
        "queued elsewhere": _plain(State.QUEUED, now, queue="άλλη"),
        "behind a job": _plain(State.BLOCKED, now, parent_id=_plain(State.RUNNING, now).pk),
        "watched": _plain(State.QUEUED, now, observed=True, eager=True),
    }
    for outcome in Outcome:
        jobs[f"after {outcome}"] = job = _plain(State.SCHEDULED, now, attempt=1)
        attempt(job, outcome=outcome, trigger=Trigger.RESCUE, hostname="ω", lines_dropped=1_200)
    return jobs


def _running(now: datetime) -> dict[str, Job]:
    alive = worker(seen=now, hostname="ω", queues=[QUEUE], concurrency=2, pool="solo")
    dead = worker(seen=now - timedelta(days=2), hostname="ψ")
    here = {"worker_id": alive.pk, "pid": 4711}
    counts = {"progress_current": 4_200, "progress_at": now, "progress_unit": "γραμμές"}
    step, forced = {"current_step": "φόρτωση"}, {"cancel_forced": True}
    asked = {"cancel_requested_at": now - timedelta(seconds=2)}
    known = {**here, **step, **counts, "progress_total": 10_000}
    silent = {**known, "progress_at": now - timedelta(minutes=5)}
    return {
        "running here": _plain(State.RUNNING, now, **known),
        "running without steps": _plain(State.RUNNING, now, **here, **counts),
        "running on its own": _plain(State.RUNNING, now, current_step="άλλο"),
        "running too far": _plain(State.RUNNING, now, **here, **counts, progress_total=100),
        "silent": _plain(State.RUNNING, now, **silent),
        "lost from sight": _plain(State.RUNNING, now, worker_id=dead.pk),
        "cancelling": _plain(State.RUNNING, now, **here, **asked),
        "stopping": _plain(State.RUNNING, now, **here, **asked, **forced),
        "eager": _plain(State.RUNNING, now, eager=True),
        "stopping eagerly": _plain(State.RUNNING, now, eager=True, **asked),
        "silent without end": _plain(State.RUNNING, now, **here, progress_current=7),
    }


def _ended(now: datetime) -> dict[str, Job]:
    failed = _plain(State.FAILED, now, task_id="θ", owner=None)
    result = json.dumps({SECRET: "ι", "κ": 1})
    return {
        "complete": _plain(State.SUCCEEDED, now, completed_code="λ", result=result),
        "retried": _plain(State.FAILED, now, retry_of=failed.pk, replaced_by=failed.pk),
        "expired": _plain(State.CANCELLED, now, error_message="έληξε", max_attempts=None),
        "without steps": _plain(State.FAILED, now, declared_steps=[], max_attempts=None),
        "unknown task": _plain(State.FAILED, now, task="άγνωστο"),
        "large": _plain(State.SUCCEEDED, now, result=json.dumps("μ" * 70_000)),
    }


def _tell(job: Job) -> None:
    """Give a job that ran attempts, steps and lines."""
    if not job.attempt or job.attempts.exists():
        return
    failed = job.state == State.FAILED
    trace = TRACEBACK if failed else ""
    told = {"hostname": "ω", "pid": 4711, "code_version": "η", "resumed_from": STEPS[1]}
    for number in range(1, job.attempt + (job.state in FINAL)):
        outcome = Outcome.FAILED if failed else Outcome.SUCCEEDED
        attempt(job, number=number, outcome=outcome, traceback=trace, **told)
    for name, state in zip(STEPS, StepState, strict=False):
        checkpoint(job, name, {"ν": 1}, state=state)
    for number in range(3):
        log_line(job, f"σειρά {number}", level=40 if number else 20, step=STEPS[0], logger="ξ")


#: What was changed by each verb, as core writes it down.
CHANGES: Final[dict[str, dict[str, Any]]] = {
    "cancel": {"state": "running", "force": True},
    "retry": {},
    "retry from": {"step": STEPS[1], "reused": [STEPS[0]], "again": list(STEPS[1:])},
    "replay": {"step": STEPS[1], "items": 2},
    "fork": {"fork": "0" * 8, "arguments": ["α", "β"]},
    "reschedule": {"available_at": [None, "2030-01-01T12:00:00+00:00"]},
    "change priority": {"priority": [None, 5]},
    "reveal": {"revealed": ["args"]},
    "prune": {"count": 3},
    "trim": {"count": 3},
    "forget": {},
}


def _act(job: Job, user: User, now: datetime) -> None:
    for verb, changes in CHANGES.items():
        actions.record(verb, job.pk, actor=user, reason="ο", now=now, changes=changes)
    LogEntry.objects.log_actions(str(user.pk), [job], CHANGE, "π", single_object=True)
