"""A short soak; longer ones: ``tox -e soak -- --minutes 10``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.soak import report
from tests.acceptance.soak.plan import HURRIED, Plan
from tests.acceptance.soak.requests import KINDS
from tests.acceptance.soak.soak import Soak, play
from tests.acceptance.soak.strikes import STRIKES

if TYPE_CHECKING:
    from pathlib import Path

#: Its plan has every fault and every kind of job.
SEED = 2
SECONDS = 35


def test_the_short_soak_has_something_of_everything() -> None:
    plan = Plan.drawn(SEED, SECONDS, HURRIED)

    assert {strike.fault for strike in plan.strikes} == set(STRIKES)
    assert {request.kind for request in plan.requests} == set(KINDS)


@pytest.mark.timeout(300)
def test_after_a_short_soak_the_books_balance(tmp_path: Path) -> None:
    plan = Plan.drawn(SEED, SECONDS, HURRIED)
    said: list[str] = []
    soak = Soak(plan=plan, pace=HURRIED, ground="redis-postgresql", say=said.append)

    play(soak, tmp_path)

    story = "\n".join([*said, *report.lines(soak)])
    assert soak.complaints == [], story
    assert len(soak.books.rows) >= len(plan.requests) - len(soak.people.refused), story
    fallen = [blow.fault for blow in soak.stage.blows if blow.fault in STRIKES]
    assert fallen == [strike.fault for strike in plan.strikes], story
