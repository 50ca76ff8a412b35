from __future__ import annotations

import json
from typing import Any

import pytest

from celery_jobman.core.terms import UNCHANGED, Terms
from tests.factories import EARLIER, LATER, NOON, unsaved_job


def test_without_terms_a_job_runs_now_as_before() -> None:
    assert UNCHANGED.columns(unsaved_job(), NOON) == {"available_at": NOON}
    assert UNCHANGED.changes(unsaved_job(), NOON) == {}


def test_a_moment_in_the_past_is_now() -> None:
    terms = Terms(when=EARLIER)

    assert terms.columns(unsaved_job(), NOON) == {"available_at": NOON}
    assert terms.changes(unsaved_job(), NOON) == {}


def test_what_stays_the_same_is_no_change() -> None:
    terms = Terms(queue="celery", priority=3)

    assert terms.changes(unsaved_job(priority=3), NOON) == {}


def test_a_message_with_an_exchange_of_its_own_goes_to_the_new_queue() -> None:
    route = {"exchange": "", "routing_key": "old", "reply_to": "here"}
    job = unsaved_job(message=json.dumps(route))

    columns = Terms(queue="slow").columns(job, NOON)

    assert (columns["queue"], json.loads(columns["message"])) == ("slow", {"reply_to": "here"})


@pytest.mark.parametrize(
    "given",
    [
        {"priority": -1},
        {"priority": 256},
        {"queue": ""},
        {"queue": " "},
        {"queue": "x" * 256},
        {"queue": "a\x00b"},
        {"queue": "a\nb"},
        {"when": LATER.replace(tzinfo=None)},
    ],
)
def test_terms_that_no_broker_knows_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be aware|printable characters|from 0 to 255"):
        Terms(**given)
