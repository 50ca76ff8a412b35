"""What a plan of the soak is drawn from, and what is in it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from celery_jobman.conf import Settings
from tests.acceptance.soak import plan
from tests.acceptance.soak.plan import DEFAULT, HURRIED, Plan
from tests.acceptance.soak.requests import KINDS
from tests.acceptance.soak.strikes import STRIKES

TEN_MINUTES = 600


def test_the_same_seed_draws_the_same_plan() -> None:
    assert Plan.drawn(7, TEN_MINUTES, DEFAULT) == Plan.drawn(7, TEN_MINUTES, DEFAULT)


def test_another_seed_draws_other_jobs_and_other_blows() -> None:
    one, other = Plan.drawn(7, TEN_MINUTES, DEFAULT), Plan.drawn(8, TEN_MINUTES, DEFAULT)

    assert one.requests != other.requests
    assert one.strikes != other.strikes


def test_the_workers_settings_change_no_job() -> None:
    assert (
        Plan.drawn(7, TEN_MINUTES, DEFAULT).requests == Plan.drawn(7, TEN_MINUTES, HURRIED).requests
    )


def test_a_broker_that_takes_longer_to_start_has_more_time_and_changes_no_job() -> None:
    quick, slow = (Plan.drawn(7, TEN_MINUTES, DEFAULT, name) for name in ("redis", "rabbitmq"))

    assert quick.requests == slow.requests
    assert len(slow.strikes) < len(quick.strikes)


def test_no_two_jobs_have_one_tag() -> None:
    requests = Plan.drawn(7, TEN_MINUTES, DEFAULT).requests

    tags = Counter(job.tag for request in requests for job in request.jobs)

    assert set(tags.values()) == {1}


def test_ten_minutes_have_every_kind_of_job_and_every_fault() -> None:
    drawn = Plan.drawn(7, TEN_MINUTES, DEFAULT)

    assert {request.kind for request in drawn.requests} == set(KINDS)
    assert {strike.fault for strike in drawn.strikes} == set(STRIKES)


def test_a_frozen_worker_is_taken_for_dead_before_it_thaws() -> None:
    strikes = Plan.drawn(7, TEN_MINUTES, DEFAULT).strikes

    frozen = [strike for strike in strikes if strike.fault == plan.FROZEN]

    assert frozen
    assert all(strike.seconds > DEFAULT.noticed_within for strike in frozen)
    assert [strike.at for strike in strikes if strike.fault == plan.THAWED] == [
        round(strike.at + strike.seconds, 3) for strike in frozen
    ]


def test_nothing_strikes_a_worker_that_is_frozen() -> None:
    standing = None
    for strike in Plan.drawn(7, TEN_MINUTES, DEFAULT).strikes:
        if strike.fault == plan.THAWED:
            standing = None
        else:
            assert strike.place is None or strike.place != standing, strike
            standing = strike.place if strike.fault == plan.FROZEN else standing


def test_one_worker_lives_through_it_all() -> None:
    strikes = Plan.drawn(7, TEN_MINUTES, DEFAULT).strikes

    killed = {strike.place for strike in strikes if strike.fault == plan.WORKER_KILLED}

    assert killed == set(plan.MORTAL)
    assert 0 not in killed


def test_a_database_is_not_away_for_so_long_that_its_workers_seem_dead() -> None:
    for pace in (DEFAULT, HURRIED):
        strikes = Plan.drawn(7, TEN_MINUTES, pace).strikes
        stopped = [strike for strike in strikes if strike.fault == plan.DATABASE_STOPPED]

        assert max(strike.seconds for strike in stopped) < pace.lost_after


def test_every_other_death_of_a_worker_is_watched_in_peace() -> None:
    strikes = Plan.drawn(7, TEN_MINUTES, DEFAULT).strikes

    pauses = [
        after.at - strike.at
        for strike, after in pairwise(strikes)
        if strike.fault == plan.WORKER_KILLED and after.fault != plan.THAWED
    ]

    assert max(pauses) > DEFAULT.elsewhere_within
    assert min(pauses) < DEFAULT.noticed_within


def test_what_is_promised_are_the_defaults() -> None:
    product = Settings()

    assert DEFAULT.lost_after == product.worker_lost_after.total_seconds()
    assert DEFAULT.rescue_every == product.rescue_every.total_seconds()
    assert DEFAULT.redeliver_after == product.redeliver_after.total_seconds()
    assert (DEFAULT.noticed_within, DEFAULT.elsewhere_within) == (30, 45)
    assert not DEFAULT.settings
