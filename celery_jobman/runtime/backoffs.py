"""Backoffs: ready-made functions for the option ``backoff`` of a task."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta

#: Doublings after which every wait is the longest.
DOUBLINGS = 64


@dataclass(frozen=True, slots=True)
class Exponential:
    """Waits that double with each failure; see :func:`exponential`."""

    first: timedelta
    longest: timedelta
    jitter: bool

    def __call__(self, failures: int) -> timedelta:
        """Return the wait after so many failures, at least 1."""
        seconds = self.first.total_seconds() * 2.0 ** min(failures - 1, DOUBLINGS)
        wait = timedelta(seconds=min(seconds, self.longest.total_seconds()))
        return wait * random.uniform(0.5, 1.0) if self.jitter else wait  # noqa: S311 - no secret


def exponential(
    first: float | timedelta,
    *,
    max: float | timedelta = 3600,  # noqa: A002 - the word of everybody's
    jitter: bool = True,
) -> Exponential:
    """Return a backoff that doubles: ``@shared_task(max_attempts=8, backoff=exponential(10))``.

    Args:
        first: The wait after the first failure, in seconds or as a timedelta; it is doubled
            after each one that follows.
        max: The longest wait, likewise.
        jitter: Wait for a random part of it, between a half and the whole, so that jobs that
            failed together do not come back together.

    Returns:
        A function of the number of failures, which returns a timedelta.

    Raises:
        TypeError: A wait is neither a number nor a timedelta.
        ValueError: ``first`` is not more than 0, or ``max`` is less than ``first``.
    """
    shortest, longest = _wait("first", first), _wait("max", max)
    if not timedelta() < shortest <= longest:
        msg = f"first is {shortest} and max is {longest}; give 0 < first <= max"
        raise ValueError(msg)
    return Exponential(shortest, longest, jitter)


def _wait(name: str, value: float | timedelta) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        msg = f"{name} is {value!r}; give a number of seconds, or a timedelta"
        raise TypeError(msg)
    return timedelta(seconds=value)
