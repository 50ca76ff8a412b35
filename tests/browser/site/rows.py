"""The site's rows: a job in each state, some with more to show, and batches."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.utils import timezone

from celery_jobman.core import actions
from celery_jobman.models import Job, Outcome, Queue, StepState
from celery_jobman.states import FINAL, State
from tests.browser.site import batches
from tests.factories import attempt, checkpoint, job_in, log_line, worker

if TYPE_CHECKING:
    from datetime import datetime

TASK: Final = "example_project.shop.tasks.import_branches"
STEPS: Final = ("fetch", "validate", "load", "report")

#: Text that would be seen or would run, if a page forgot to escape it.
HOSTILE: Final = (
    '<script>document.title = "owned"</script><img src=x onerror=alert(1)>&amp;"\'\x1b[31m'
)

TRACEBACK: Final = """Traceback (most recent call last):
  File "shop/loading.py", line 12, in save
    raise ValueError(row)
ValueError: row 12 has no name
"""


def make() -> dict[str, str]:
    """Make the jobs and return their ids by name: the eight states, and the special ones."""
    now = timezone.now()
    Queue.objects.create(name="celery", consumed_at=now)
    plain = {state.value: _plain(state, now) for state in State}
    special = {
        "retrying": _plain(
            State.SCHEDULED, now, attempt=1, available_at=now + timedelta(hours=1, minutes=30)
        ),
        "cancelling": _plain(State.RUNNING, now, cancel_requested_at=now - timedelta(minutes=2)),
        "lost": _plain(State.FAILED, now, error_class="WorkerLost", error_message="worker gone"),
        "hostile": _hostile(now),
        "to walk": _plain(State.FAILED, now, label="Walked through"),
        "to walk without scripts": _plain(State.FAILED, now, label="Walked through again"),
        "to cancel": _plain(State.QUEUED, now, label="To be cancelled"),
        "to overtake": _plain(State.QUEUED, now, label="To be overtaken"),
    }
    named = {**plain, **special}
    _tell(named, now)
    return {**{name: str(job.pk) for name, job in named.items()}, **batches.make(now, HOSTILE)}


def _plain(state: State, now: datetime, **fields: Any) -> Job:
    values: dict[str, Any] = {
        "task": TASK,
        "args": '["airports"]',
        "kwargs": '{"limit": 100}',
        "preview": '"airports", limit=100',
        "declared_steps": list(STEPS),
        "max_attempts": 3,
        "tags": ["shop", "nightly"],
        "created_at": now - timedelta(hours=3, minutes=20),
        "queued_at": now - timedelta(hours=3, minutes=10),
        **_times(state, now),
        **_ending(state),
    }
    return job_in(state, **{**values, **fields})


def _times(state: State, now: datetime) -> dict[str, Any]:
    if state == State.SCHEDULED:
        return {"available_at": now + timedelta(hours=5, minutes=30)}
    if state == State.RUNNING:
        return {"started_at": now - timedelta(hours=2, minutes=30), **_progress(now)}
    if state in FINAL:
        started = now - timedelta(hours=2, minutes=30)
        return {"started_at": started, "finished_at": started + timedelta(minutes=15)}
    return {}


def _progress(now: datetime) -> dict[str, Any]:
    alive = now + timedelta(days=1)  # for as long as the site is up
    held = worker(
        seen=alive,
        started_at=now - timedelta(hours=4, minutes=30),
        queues=["celery"],
        concurrency=2,
    )
    return {
        "worker_id": held.pk,
        "pid": 4712,
        "current_step": "load",
        "progress_current": 420,
        "progress_total": 1000,
        "progress_unit": "rows",
        "progress_message": "loading",
        "progress_at": now,
    }


def _ending(state: State) -> dict[str, Any]:
    if state == State.FAILED:
        error = "row 12 has no name"
        return {"failures": 1, "error_class": "ValueError", "error_message": error}
    if state == State.SUCCEEDED:
        return {"result": json.dumps({"rows": 4200}), "completed_code": "complete"}
    return {}


def _hostile(now: datetime) -> Job:
    job = _plain(
        State.FAILED,
        now,
        label=HOSTILE[:60],
        args=json.dumps([HOSTILE]),
        kwargs=json.dumps({"password": "hunter2", "text": HOSTILE}),
        preview=HOSTILE,
        error_class="ValueError",
        error_message=HOSTILE,
        tags=[HOSTILE],
    )
    log_line(job, HOSTILE, at=now)
    log_line(job, "wide" * 2000, at=now)
    return job


def _tell(jobs: dict[str, Job], now: datetime) -> None:
    """Give the jobs that ran a history: attempts, steps, lines and actions."""
    for job in jobs.values():
        if job.state in {State.SUCCEEDED, State.FAILED}:
            _ran(job)
        if job.attempt:
            _wrote(job)
    actions.record("retry", jobs["failed"].pk, actor="ann", reason="upstream fixed", now=now)


def _ran(job: Job) -> None:
    failed = job.state == State.FAILED
    times = {"started_at": job.started_at, "finished_at": job.finished_at}
    lost = job.error_class == "WorkerLost"
    told = {"error_class": job.error_class, "error_message": job.error_message}
    attempt(
        job,
        outcome=(Outcome.LOST if lost else Outcome.FAILED) if failed else Outcome.SUCCEEDED,
        hostname="w1@host",
        traceback=TRACEBACK if failed and not lost else "",
        **times,
        **told,
    )
    for name in STEPS[:2]:
        checkpoint(job, name, {"rows": 4200}, **times)
    state = StepState.FAILED if failed else StepState.SUCCEEDED
    checkpoint(job, "load", state=state, error_message=job.error_message, **times)


def _wrote(job: Job) -> None:
    for number in range(30):
        level = 40 if number == 12 else 20
        at = job.started_at + timedelta(seconds=number) if job.started_at else job.created_at
        log_line(job, f"row {number} is read", level=level, at=at, step="load")
