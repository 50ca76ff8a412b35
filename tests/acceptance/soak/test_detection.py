"""How long it took until a death was noticed, as the rows and the blows tell it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.acceptance.soak import detection, plan
from tests.acceptance.soak.plan import DEFAULT, HURRIED
from tests.acceptance.soak.stage import Blow

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def _blow(fault: str = plan.WORKER_KILLED, at: float = 0, *held: tuple[str, int]) -> Blow:
    moment = NOON.timestamp() + at
    return Blow(fault=fault, at=moment, until=moment, held=held)


def _row(*attempts: tuple[str, float, float]) -> dict[str, Any]:
    def at(seconds: float) -> str:
        return (NOON + timedelta(seconds=seconds)).isoformat()

    rows = [
        {"outcome": outcome, "started_at": at(begun), "finished_at": at(ended)}
        for outcome, begun, ended in attempts
    ]
    return {"id": "j", "attempts": rows}


KILLED = _blow(plan.WORKER_KILLED, 0, ("j", 1))


def _complaints(*blows: Blow, noticed: float, again: float) -> list[str]:
    row = _row(("lost", -1, noticed), ("succeeded", again, again + 1))
    return list(detection.complaints(detection.deaths(list(blows), [row]), DEFAULT))


def test_a_death_is_noticed_when_its_attempt_is_ended() -> None:
    row = _row(("lost", -1, 31), ("succeeded", 33, 34))

    (death,) = detection.deaths([KILLED], [row])

    assert (death.noticed, death.elsewhere) == pytest.approx((31, 33))
    assert death.noticed_in_peace
    assert death.resumed_in_peace


def test_an_attempt_that_ended_before_the_blow_died_of_nothing() -> None:
    assert detection.deaths([KILLED], [_row(("succeeded", -2, -1))]) == []


def test_what_is_promised_is_no_complaint() -> None:
    assert _complaints(KILLED, noticed=30, again=45) == []


def test_a_death_that_is_noticed_too_late_is_a_complaint() -> None:
    assert _complaints(KILLED, noticed=40, again=41) == [
        "worker killed: noticed after 40.0 s, not 30"
    ]


def test_work_that_goes_on_too_late_is_a_complaint_if_nothing_else_struck() -> None:
    other = _blow(plan.BROKER_WIPED, 34)

    assert _complaints(KILLED, noticed=33, again=60) == [
        "worker killed: ran elsewhere after 60.0 s, not 45"
    ]
    assert _complaints(KILLED, other, noticed=33, again=60) == []


def test_a_database_that_was_away_excuses_a_late_notice() -> None:
    away = _blow(plan.DATABASE_STOPPED, 20)

    assert _complaints(KILLED, away, noticed=40, again=41) == []


def test_a_pool_process_is_missed_at_once() -> None:
    killed = _blow(plan.POOL_KILLED, 0, ("j", 1))

    assert _complaints(killed, noticed=1, again=2) == []
    assert len(_complaints(killed, noticed=20, again=21)) == 1


def test_short_times_promise_nothing() -> None:
    late = detection.deaths([KILLED], [_row(("lost", -1, 100), ("succeeded", 101, 102))])

    assert list(detection.complaints(late, HURRIED)) == []
