from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from django.db import transaction
from django.dispatch import Signal

from celery_jobman.signals import announce

if TYPE_CHECKING:
    from pytest_django import DjangoCaptureOnCommitCallbacks as Commit

pytestmark = pytest.mark.django_db

JOB = UUID("0197a0c0-0000-7000-8000-000000000001")


def heard_by(signal: Signal) -> list[dict[str, Any]]:
    heard: list[dict[str, Any]] = []

    def listen(**values: Any) -> None:
        del values["signal"], values["sender"]
        heard.append(values)

    signal.connect(listen, weak=False)
    return heard


def test_a_signal_waits_for_the_commit(django_capture_on_commit_callbacks: Commit) -> None:
    signal = Signal()
    heard = heard_by(signal)

    with django_capture_on_commit_callbacks(execute=True):
        announce(signal, "default", JOB, task="demo.add")
        before = list(heard)

    assert before == []
    assert heard == [{"job_id": JOB, "task": "demo.add"}]


def test_a_rolled_back_transaction_sends_nothing(
    django_capture_on_commit_callbacks: Commit,
) -> None:
    signal = Signal()
    heard = heard_by(signal)

    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        announce(signal, "default", JOB)
        transaction.set_rollback(True)

    assert heard == []


def test_a_signal_without_receivers_costs_nothing(
    django_capture_on_commit_callbacks: Commit,
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        announce(Signal(), "default", JOB)

    assert callbacks == []


def test_what_a_receiver_raises_is_logged_and_the_others_still_hear(
    django_capture_on_commit_callbacks: Commit, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(**_: Any) -> None:
        raise ValueError("broken receiver")

    signal = Signal()
    signal.connect(break_down, weak=False)
    heard = heard_by(signal)

    with caplog.at_level(logging.ERROR), django_capture_on_commit_callbacks(execute=True):
        announce(signal, "default", JOB)

    assert heard == [{"job_id": JOB}]
    assert "broken receiver" in caplog.text
