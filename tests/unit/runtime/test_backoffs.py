from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from celery_jobman.runtime.backoffs import exponential


def seconds(wait: timedelta) -> float:
    return wait.total_seconds()


def test_each_wait_is_twice_the_one_before_up_to_the_longest() -> None:
    wait = exponential(10, max=60, jitter=False)

    assert [seconds(wait(failures)) for failures in range(1, 6)] == [10, 20, 40, 60, 60]


def test_with_jitter_a_wait_is_between_a_half_and_the_whole() -> None:
    wait = exponential(timedelta(seconds=10), max=timedelta(seconds=60))

    waits = [seconds(wait(failures)) for failures in [1, 9] * 50]

    assert all(5 <= each <= 10 for each in waits[::2])
    assert all(30 <= each <= 60 for each in waits[1::2])
    assert len(set(waits)) > 2


def test_no_number_of_failures_is_too_many() -> None:
    assert exponential(1, jitter=False)(1_000_000) == timedelta(hours=1)


@pytest.mark.parametrize(("first", "longest"), [(0, 60), (-1, 60), (61, 60)])
def test_waits_in_no_order_are_refused(first: float, longest: float) -> None:
    with pytest.raises(ValueError, match="give 0 < first <= max"):
        exponential(first, max=longest)


@pytest.mark.parametrize("value", ["10", None, True])
def test_what_is_no_wait_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=r"first is .*; give a number of seconds, or a timedelta"):
        exponential(value)
