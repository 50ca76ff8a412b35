"""The pulse: since when a worker's own signs of life have been written without a gap.

While the database is away, nobody's sign of life is written.  Whoever reaches it first when it
is back sees only workers that have been silent for as long as it was away, and they all live.
So a worker takes silence for death only after its own signs of life were written for
``JOBMAN["WORKER_LOST_AFTER"]`` without a gap: in that time every other worker could give one
too.  The same holds for a worker that just started, which cannot know what was before, and
for one that was frozen.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.utils import timezone

from celery_jobman.conf import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta


class Pulse:
    """The signs of life that one worker gave."""

    def __init__(self) -> None:
        self._since: datetime | None = None
        self._last: datetime | None = None

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Mark the writing of a sign of life; if it fails, that is a gap."""
        try:
            yield
        except BaseException:
            self._since = None
            raise
        # The wall clock: it also shows that the whole machine was asleep.
        now = timezone.now()
        if self._since is None or self._last is None or now - self._last > _gap():
            self._since = now
        self._last = now

    def is_steady(self) -> bool:
        """Whether this worker can tell the silence of others from an outage."""
        if self._since is None:
            return False
        return timezone.now() - self._since >= settings().worker_lost_after


def _gap() -> timedelta:
    """Return the time between two signs of life in which others may have missed theirs."""
    chosen = settings()
    return max(2 * chosen.heartbeat, chosen.worker_lost_after / 2)
