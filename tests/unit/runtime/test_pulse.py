from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from celery_jobman.runtime.pulse import Pulse
from tests.factories import NOON


class Heart:
    """A worker whose clock shows what a test says; its database answers, or is away."""

    def __init__(self) -> None:
        self.now = NOON
        self.pulse = Pulse()

    def beat(self, *seconds: float) -> None:
        """Give a sign of life, then wait so long, and again."""
        for pause in seconds:
            with self.pulse.beating():
                pass
            self.now += timedelta(seconds=pause)

    def fail(self) -> None:
        with pytest.raises(OperationalError), self.pulse.beating():
            raise OperationalError


@pytest.fixture
def heart(monkeypatch: pytest.MonkeyPatch) -> Heart:
    heart = Heart()
    monkeypatch.setattr(timezone, "now", lambda: heart.now)
    return heart


def test_a_worker_that_gave_no_sign_of_life_yet_is_not_steady(heart: Heart) -> None:
    assert not heart.pulse.is_steady()


def test_a_worker_is_steady_when_it_could_have_been_silent_for_as_long_as_the_dead_are(
    heart: Heart,
) -> None:
    heart.beat(*[5] * 4, 4.9)
    early = heart.pulse.is_steady()
    heart.beat(0.1)

    assert (early, heart.pulse.is_steady()) == (False, True)


@pytest.mark.parametrize(("pause", "steady"), [(12.5, True), (12.6, False)])
def test_a_gap_in_which_others_may_have_been_silent_too_starts_it_anew(
    heart: Heart, pause: float, *, steady: bool
) -> None:
    heart.beat(*[5] * 7, pause, 5)

    assert heart.pulse.is_steady() is steady


def test_so_does_one_sign_of_life_that_could_not_be_written(heart: Heart) -> None:
    heart.beat(*[5] * 7)
    heart.fail()
    away = heart.pulse.is_steady()
    heart.beat(5)

    assert (away, heart.pulse.is_steady()) == (False, False)


def test_after_an_outage_it_is_steady_again_in_time(heart: Heart) -> None:
    heart.beat(*[5] * 7)
    heart.fail()

    heart.beat(*[5] * 6)

    assert heart.pulse.is_steady()
