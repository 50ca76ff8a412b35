"""The books of a soak do not balance when something is wrong; each test plants one thing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.acceptance.soak import plan
from tests.acceptance.soak.books import Books
from tests.acceptance.soak.plan import Plan
from tests.acceptance.soak.requests import Request
from tests.acceptance.soak.stage import Blow

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
NOTHING = {"attempts of no job": 0}

ERRAND = Request(at=0, kind="errand", tag="a", task="errand", words=(1, 0.1))
TRAVEL = Request(at=0, kind="travel", tag="t", task="travel", words=(1, 0.1))
FIRST = Request(at=0, kind="chain", tag="c-1", task="errand", words=(1, 0.1))
SECOND = Request(at=0, kind="chain", tag="c-2", task="errand", words=(1, 0.1))
CHAIN = Request(at=0, kind="chain", tag="c", links=(FIRST, SECOND))


def _at(seconds: float) -> str:
    return (NOON + timedelta(seconds=seconds)).isoformat()


def _attempt(number: int = 1, outcome: str = "succeeded", **columns: Any) -> dict[str, Any]:
    return {
        "number": number,
        "outcome": outcome,
        "started_at": _at(number),
        "finished_at": _at(number + 0.5),
        "trigger": "automatic",
        "worker_id": "w1",
        "hostname": "soak-1@here",
        "pid": number,
        "lines_dropped": 0,
    } | columns


def _row(tag: str = "a", *attempts: dict[str, Any], **columns: Any) -> dict[str, Any]:
    done = list(attempts) or [_attempt()]
    return {
        "id": f"id of {tag}",
        "tag": tag,
        "state": "succeeded",
        "attempt": len(done),
        "created_at": _at(0),
        "finished_at": done[-1]["finished_at"],
        "error_class": "",
        "progress_current": None,
        "progress_total": None,
        "progress_message": "",
        "attempts": done,
        "effects": [],
        "lines": [_line(1)],
    } | columns


def _line(attempt: int) -> dict[str, Any]:
    return {"attempt": attempt, "message": "line 0"}


def _deeds(tag: str = "a", attempt: int = 1, name: str = "errand") -> list[dict[str, Any]]:
    mine = {"job": f"id of {tag}", "attempt": attempt}
    written = NOON.timestamp() + attempt + 0.1
    return [{**mine, "name": name}, {**mine, "line": "line 0", "at": written}]


def _books(*rows: dict[str, Any], request: Request = ERRAND, **parts: Any) -> Books:
    drawn = Plan(seed=1, seconds=1, requests=(request,), strikes=())
    accepted = {request.tag}
    defaults: dict[str, Any] = {"deeds": _deeds(), "blows": [], "orphans": NOTHING}
    return Books(plan=drawn, rows=list(rows), accepted=accepted, **defaults | parts)


def _complaints(*rows: dict[str, Any], **parts: Any) -> list[str]:
    return list(_books(*rows, **parts).complaints())


def test_a_job_that_ended_as_it_must_is_no_complaint() -> None:
    assert _complaints(_row()) == []


LOST = _attempt(outcome="lost")
RESCUED = _attempt(2, trigger="rescue")


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (_row(state="running", finished_at=None), "a is running"),
        (_row(state="failed"), "a failed, and was to be succeeded"),
        (_row("b"), "b was never asked for"),
        (_row(attempt=2), "a has the attempts [1], and says that there are 2"),
        (_row("a", LOST, _attempt(2)), "a attempt 2 is automatic after lost"),
        (_row("a", _attempt(), RESCUED), "a succeeded 2 times"),
        (_row("a", _attempt(outcome="failed")), "a is succeeded, and its attempts ended"),
        (_row(lines=[]), "a, attempt 1 (succeeded) has lost lines: ['line 0']"),
        (_row(lines=[_line(1), _line(1)]), "a, attempt 1 (succeeded) has lines twice: ['line 0']"),
    ],
)
def test_a_row_that_is_wrong_is_noticed(row: dict[str, Any], complaint: str) -> None:
    assert any(said.startswith(complaint) for said in _complaints(row)), _complaints(row)


def test_an_accepted_job_that_is_not_there_is_noticed() -> None:
    assert _complaints() == ["a was accepted, and is not there"]


def test_a_job_that_is_there_twice_is_noticed() -> None:
    assert "a is there 2 times" in _complaints(_row(), _row())


def test_a_row_that_belongs_to_nothing_is_noticed() -> None:
    assert _complaints(_row(), orphans={"steps of no job": 2}) == ["2 steps of no job"]


def test_a_success_without_its_deeds_is_noticed() -> None:
    assert _complaints(_row(lines=[]), deeds=[]) == ["a succeeded and did not do ['errand']"]


def test_a_deed_done_twice_in_one_attempt_is_noticed() -> None:
    assert _complaints(_row(), deeds=[*_deeds(), *_deeds()]) == [
        "a did 'errand' 2 times in attempt 1"
    ]


def test_an_atomic_effect_that_is_there_twice_is_noticed() -> None:
    ships = [{"name": "ship", "attempt": number} for number in (1, 2)]

    complaints = _complaints(_row("a", LOST, RESCUED, effects=ships))

    assert complaints == ["a did 'ship' 2 times"]


def test_progress_that_is_not_the_last_is_noticed() -> None:
    deeds = [each for name in ("pack", "ship", "stop 0", "close") for each in _deeds("t", 1, name)]
    arrived = {"progress_current": 1, "progress_total": 1, "progress_message": "t is there"}

    good = _complaints(_row("t", **arrived), request=TRAVEL, deeds=deeds)
    bad = _complaints(_row("t"), request=TRAVEL, deeds=deeds)

    assert good == []
    assert bad == ["t says (None, None, '') at its end"]


def test_lines_that_were_dropped_and_counted_are_no_complaint() -> None:
    assert _complaints(_row("a", _attempt(lines_dropped=1), lines=[])) == []


@pytest.mark.parametrize(("struck_after", "complaints"), [(0.2, 0), (10, 1)])
def test_only_young_lines_may_die_with_a_process(struck_after: float, complaints: int) -> None:
    lost = LOST | {"finished_at": _at(40)}
    after = RESCUED | {"started_at": _at(41), "finished_at": _at(42)}
    at = NOON.timestamp() + 1 + struck_after
    blow = Blow(fault=plan.WORKER_KILLED, at=at, until=at, hostname="soak-1@here")

    found = _complaints(_row("a", lost, after, lines=[]), blows=[blow])

    assert len(found) == complaints, found


def test_an_attempt_that_is_lost_though_nothing_struck_is_counted() -> None:
    at = NOON.timestamp() + 1.2
    blow = Blow(fault=plan.FROZEN, at=at, until=at, hostname="soak-1@here")
    row = _row("a", LOST, RESCUED)

    assert _books(row, blows=[blow]).mistaken == 0
    assert _books(row, blows=[]).mistaken == 1


def _link_books(*rows: dict[str, Any], blows: list[Blow]) -> Books:
    deeds = [*_deeds("c-1"), *_deeds("c-2")]
    return _books(*rows, request=CHAIN, deeds=deeds, blows=blows)


def test_a_link_that_was_never_sent_is_a_complaint_whatever_struck() -> None:
    ended = NOON.timestamp() + 1.5
    blow = Blow(fault=plan.POOL_KILLED, at=ended, until=ended, hostname="soak-1@here", pid=1)

    books = _link_books(_row("c-1"), blows=[blow])

    assert list(books.complaints()) == ["c-2 was never sent, and the link before it has succeeded"]


def test_a_link_after_one_that_failed_must_not_begin() -> None:
    failed = _row("c-1", _attempt(outcome="failed"), state="failed")
    after = _row("c-2")

    books = _link_books(failed, after, blows=[])

    assert "c-2 was sent though the link before it had not succeeded" in list(books.complaints())


def test_a_link_that_was_skipped_after_one_that_failed_is_in_order() -> None:
    failed = _row("c-1", _attempt(outcome="failed"), state="failed")
    after = _row("c-2", state="skipped", attempt=0, attempts=[], lines=[])

    complaints = list(_link_books(failed, after, blows=[]).complaints())

    assert not [each for each in complaints if each.startswith("c-2 was sent")]
    assert "c-2 skipped, and was to be succeeded" not in complaints


def test_a_link_that_was_skipped_after_one_that_succeeded_is_a_complaint() -> None:
    after = _row("c-2", state="skipped", attempt=0, attempts=[], lines=[])

    books = _link_books(_row("c-1"), after, blows=[])

    assert "c-2 was never sent, and the link before it has succeeded" in list(books.complaints())
