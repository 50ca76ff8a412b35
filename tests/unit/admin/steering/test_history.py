from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.template.loader import render_to_string

from celery_jobman.admin.steering import history
from celery_jobman.admin.steering.history import changed
from celery_jobman.core.actions import record
from tests.factories import LATER, NOON, queued_job

if TYPE_CHECKING:
    from celery_jobman.models import Job

pytestmark = pytest.mark.django_db


def _drawn(job: Job) -> str:
    context = {"events": history.of(job), "limit": history.LIMIT}
    return render_to_string("admin/jobman/job/_history.html", context)


def test_the_newest_action_is_first() -> None:
    job = queued_job()
    record("retry", job.id, actor="ann", reason="one", now=NOON)
    record("cancel", job.id, actor="bob", reason="two", now=LATER)

    assert [(e.who, e.verb, e.reason) for e in history.of(job)] == [
        ("bob", "Cancelled", "two"),
        ("ann", "Retried", "one"),
    ]


def test_other_jobs_actions_are_not_shown() -> None:
    record("retry", queued_job().id, actor="ann", reason="", now=NOON)

    assert history.of(queued_job()) == []


def test_only_the_last_fifty_are_read() -> None:
    job = queued_job()
    for _ in range(history.LIMIT + 1):
        record("retry", job.id, actor="ann", reason="", now=NOON)

    assert len(history.of(job)) == history.LIMIT
    assert "Only the last 50 are shown." in _drawn(job)


def test_markup_is_shown_as_text() -> None:
    job = queued_job()
    evil = "<script>alert(1)</script>"
    record(evil[:32], job.id, actor=evil, reason=evil, now=NOON, changes={evil: [evil, evil]})

    assert "<script>" not in _drawn(job)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"priority": [None, 7]}, ["priority: none → 7"]),
        ({"arguments": ["1", "2"]}, ["arguments: 1 → 2"]),
        (
            {"available_at": [None, "2030-01-01T12:00:00+00:00"]},
            ["time: none → 2030-01-01 12:00:00 UTC"],
        ),
        ({"step": "load", "reused": ["fetch"], "again": []}, ["step: load", "reused: fetch"]),
        ({"state": "running", "force": True}, []),
        ({"state": "cancelled", "force": False}, []),
        ({"own": {"a": 1}}, ['own: {"a": 1}']),
        ({"available_at": ["soon", "later"]}, ["time: soon → later"]),
        ({"revealed": ["args", "own"]}, ["revealed: Arguments, own"]),
        ({"own": ["é", 1]}, ['own: ["é", 1]']),
        ([1, 2], []),
        ("text", []),
        ({}, []),
    ],
)
def test_changes_are_said_in_words(changes: Any, words: list[str]) -> None:
    assert changed(changes) == words


@pytest.mark.parametrize(
    ("changes", "verb"),
    [
        ({"state": "cancelled", "force": False}, "Cancelled"),
        ({"state": "running", "force": False}, "Asked to stop"),
        ({"state": "running", "force": True}, "Asked to stop by force"),
        ([], "Cancelled"),
    ],
)
def test_a_cancel_that_only_asked_says_so(changes: Any, verb: str) -> None:
    job = queued_job()
    record("cancel", job.id, actor="ann", reason="", now=NOON, changes=changes)

    assert [event.verb for event in history.of(job)] == [verb]
