from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman import signals
from celery_jobman.core import attempts
from celery_jobman.core.endings import Ending
from celery_jobman.core.faults import Fault
from celery_jobman.models import Outcome
from celery_jobman.states import State
from tests.factories import (
    LATER,
    NOON,
    next_run_of,
    queued_job,
)

if TYPE_CHECKING:
    from pytest_django import DjangoCaptureOnCommitCallbacks as Commit


pytestmark = pytest.mark.django_db

SUCCESS = Ending(outcome=Outcome.SUCCEEDED, to=State.SUCCEEDED, changes={"result": "3"})
FAULT = Fault(
    error_class="ValueError", error_message="no", traceback="Traceback …", fingerprint="f1"
)
FAILURE = Ending(outcome=Outcome.FAILED, to=State.FAILED, fault=FAULT)
BACKOFF = Ending(outcome=Outcome.FAILED, to=State.SCHEDULED, fault=FAULT, available_at=LATER)
RELEASE = Ending(outcome=Outcome.RELEASED, to=State.SCHEDULED, available_at=LATER)


def heard(commit: Commit, *endings: Ending) -> list[tuple[str, dict[str, Any]]]:
    """Return what the signals say while a job is claimed and ends."""
    said: list[tuple[str, dict[str, Any]]] = []
    listeners = {}
    for name in ("job_started", "job_failed", "job_finished"):

        def listen(name: str = name, **values: Any) -> None:
            kept = {key: values[key] for key in values.keys() - {"signal", "sender", "job_id"}}
            said.append((name, kept))

        getattr(signals, name).connect(listen)
        listeners[name] = listen
    for ending in endings:
        job = queued_job()
        with commit(execute=True):
            run = next_run_of(job)
            attempts.claim(run, delivery=1)
            attempts.finish(run, ending, now=NOON + timedelta(seconds=1))
    for name, listen in listeners.items():
        getattr(signals, name).disconnect(listen)
    return said


def test_a_success_is_announced(django_capture_on_commit_callbacks: Commit) -> None:
    said = heard(django_capture_on_commit_callbacks, SUCCESS)

    common = {"task": "demo.add", "attempt": 1}
    assert said == [
        ("job_started", common),
        ("job_finished", {**common, "state": State.SUCCEEDED}),
    ]


def test_a_final_failure_is_announced_as_one_before_the_end(
    django_capture_on_commit_callbacks: Commit,
) -> None:
    said = heard(django_capture_on_commit_callbacks, FAILURE)

    common = {"task": "demo.add", "attempt": 1}
    assert said[1:] == [
        ("job_failed", {**common, "error_message": "no"}),
        ("job_finished", {**common, "state": State.FAILED}),
    ]


def test_a_failure_with_attempts_left_is_no_end(
    django_capture_on_commit_callbacks: Commit,
) -> None:
    said = heard(django_capture_on_commit_callbacks, BACKOFF, RELEASE)

    assert {name for name, _ in said} == {"job_started"}
