"""Troubles: what could not be done for one row is set aside, and the others go on.

Whoever does something for many jobs or batches, one after the other, does it inside
:meth:`Aside.guarding`.  What fails there for a reason of its own (a row that the database does
not take, a value that cannot be read) is noted with that reason, shown on the row's page and by
``jobman doctor``, and tried again after a pause that doubles with each try.  A database that is
away is nobody's own trouble: that is raised, and whoever called waits.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.db.models import Exists, F, OuterRef, Q

from celery_jobman.core.encoding import clean
from celery_jobman.core.faults import named
from celery_jobman.models import Batch, Duty, Job, Trouble
from celery_jobman.models.database import atomic
from celery_jobman.models.database_errors import Answer, answer
from celery_jobman.states import FINAL, WAITING, State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import datetime
    from uuid import UUID

logger = logging.getLogger("celery_jobman")

#: The first pause before another try; each is twice as long as the one before.
SHORTEST = timedelta(seconds=5)
LONGEST = timedelta(hours=1)
#: Longest error that is kept, in characters.
ERROR_LENGTH = 2000


class Aside:
    """The rows for which one duty has failed, as they stand at one moment.

    Args:
        duty: What is to be done.
        now: Aware datetime to judge by.
    """

    def __init__(self, duty: Duty, *, now: datetime) -> None:
        self._duty, self._now = duty, now
        rows = Trouble.objects.filter(duty=duty, again_at__isnull=False)
        self._known = dict(rows.values_list("row_id", "again_at"))

    @property
    def waiting(self) -> list[UUID]:
        """The rows whose next try is not due: to be left out."""
        return [row_id for row_id, again in self._known.items() if again and again > self._now]

    @contextmanager
    def guarding(self, row_id: UUID) -> Iterator[None]:
        """Keep what fails in this block for a reason of the row's own from the rows after it.

        What the block writes must be in transactions of its own; the row is set aside.

        Raises:
            OperationalError, InterfaceError: The database is away.
        """
        with guarding(self._duty, row_id, now=self._now):
            yield
            if self._known.pop(row_id, None):
                overcome(self._duty, row_id)


@contextmanager
def guarding(duty: Duty, row_id: UUID, *, now: datetime) -> Iterator[None]:
    """Guard one row as :meth:`Aside.guarding` does, without having asked what is set aside.

    Raises:
        OperationalError, InterfaceError: The database is away.
    """
    try:
        yield
    except Exception as error:
        if answer(error) is Answer.OUTAGE:
            raise
        note(duty, row_id, error, now=now)


def note(duty: Duty, row_id: UUID, error: BaseException | str, *, now: datetime) -> timedelta:
    """Write down that a duty failed for a row; return after how long it is tried again.

    It is logged the first time with its traceback, later with a line.
    """
    text = _text(error)
    with atomic():
        known = Trouble.objects.filter(duty=duty, row_id=row_id)
        tries = known.values_list("tries", flat=True).first()
        wait: timedelta = pause(tries or 0)
        changes = {"error": text, "tried_at": now, "again_at": now + wait}
        if not known.update(tries=F("tries") + 1, **changes):
            Trouble.objects.bulk_create(
                [Trouble(duty=duty, row_id=row_id, since=now, **changes)], ignore_conflicts=True
            )
    cause = error if isinstance(error, BaseException) and not tries else None
    logger.error("Set aside duty=%s row=%s error=%s", duty, row_id, text, exc_info=cause)
    return wait


def remark(duty: Duty, row_id: UUID, text: str, *, now: datetime) -> None:
    """Write down, inside a transaction, what is missing for good; there is nothing left to try.

    A row may have several such remarks.
    """
    with atomic():
        known = Trouble.objects.filter(duty=duty, row_id=row_id, again_at__isnull=True)
        before = known.values_list("error", flat=True).first()
        note(duty, row_id, f"{before}; {text}" if before else text, now=now)
        Trouble.objects.filter(duty=duty, row_id=row_id).update(again_at=None)


def overcome(duty: Duty, row_id: UUID) -> None:
    """Delete the trouble of a duty that was done after all; what is missing for good stays."""
    Trouble.objects.filter(duty=duty, row_id=row_id, again_at__isnull=False).delete()


def forget(row_ids: Iterable[UUID], *duties: Duty) -> None:
    """Delete the troubles of rows; only those of some duties, if any are given."""
    rows = Trouble.objects.of(row_ids)
    (rows.filter(duty__in=duties) if duties else rows).delete()


#: States of a job in which each duty is still to be done for it.
_WHILE: Final = {
    Duty.BEGIN: frozenset({State.SCHEDULED, State.QUEUED}),
    Duty.DISPATCH: frozenset({State.SCHEDULED}),
    Duty.REDELIVER: frozenset({State.SCHEDULED, State.QUEUED}),
    Duty.RESCUE: frozenset({State.RUNNING}),
    Duty.END: frozenset({State.RUNNING}),
    Duty.CANCEL: WAITING | {State.RUNNING},
    Duty.PRUNE: FINAL,
}


def forget_settled() -> int:
    """Delete the troubles of what was done another way; return how many.

    A job that could not be sent was sent with many others, or by another worker; one that could
    not be stopped has ended by itself.  What is missing for good stays, as long as its row.
    """
    row = {"pk": OuterRef("row_id")}
    there = Q(Exists(Job.objects.filter(**row))) | Q(Exists(Batch.objects.filter(**row)))
    settled = list(Trouble.objects.exclude(there).values_list("pk", flat=True))
    open_ones = list(Trouble.objects.filter(again_at__isnull=False))
    ids = {each.row_id for each in open_ones}
    jobs = dict(Job.objects.filter(pk__in=ids).values_list("pk", "state"))
    going = set(Batch.objects.unfinished().filter(pk__in=ids).values_list("pk", flat=True))
    settled += [each.pk for each in open_ones if not _is_left(each, jobs, going)]
    return Trouble.objects.filter(pk__in=settled).delete()[0] if settled else 0


def _is_left(trouble: Trouble, jobs: Mapping[UUID, str], going: Collection[UUID]) -> bool:
    state = jobs.get(trouble.row_id)
    if state is None:
        return trouble.row_id in going
    return state in _WHILE.get(Duty(trouble.duty), ())


def pause(tries: int) -> timedelta:
    """Return how long to wait after so many failed tries before this one."""
    doubled: timedelta = SHORTEST * 2 ** min(tries, 20)
    return min(doubled, LONGEST)


def _text(error: BaseException | str) -> str:
    text = error if isinstance(error, str) else named(error)
    return clean(text, ERROR_LENGTH)
