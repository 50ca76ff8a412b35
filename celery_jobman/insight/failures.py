"""Failures: what went wrong in a batch, told by the few kinds of it and not by every member."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from celery_jobman.models.job import Role
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from django.db.models import QuerySet

    from celery_jobman.models import Batch, Job

#: Failed members that are looked at, the first that were written.
REACH: Final = 1_000
#: Groups that are shown.
SHOWN: Final = 5
#: Members that each group names.
EXAMPLES: Final = 3


class Group(NamedTuple):
    """Failed members that look alike."""

    #: Empty for members of which no error was kept.
    fingerprint: str
    #: How many there are among those that were looked at.
    number: int
    #: The first of them.
    examples: tuple[UUID, ...]


class Failures(NamedTuple):
    """The groups of a batch, the most frequent first."""

    groups: tuple[Group, ...] = ()
    #: More members failed than were looked at.
    is_cut: bool = False

    @property
    def shown(self) -> tuple[Group, ...]:
        """The groups that are told one by one."""
        return self.groups[:SHOWN]

    @property
    def others(self) -> int:
        """How many groups there are besides."""
        return len(self.groups) - len(self.shown)


def of(batch: Batch, jobs: QuerySet[Job]) -> Failures:
    """Return the failed members of a batch, grouped by :attr:`~.Job.fingerprint`.

    One statement, which ends when it has found ``REACH`` members and one, in the order of the
    index on batch and state; none at all when the batch counts no failure.

    Args:
        batch: The batch; batches inside it that failed are not looked into.
        jobs: The jobs that may be told of.

    Returns:
        All groups of which a member is among those; callbacks are no members.
    """
    if not batch.failed:
        return Failures()
    failed = jobs.filter(batch_id=batch.pk, role=Role.MEMBER, state=State.FAILED).order_by("pk")
    found = list(failed.values_list("pk", "fingerprint")[: REACH + 1])
    return Failures(_grouped(found[:REACH]), is_cut=len(found) > REACH)


def _grouped(members: Iterable[tuple[UUID, str]]) -> tuple[Group, ...]:
    # Counted here: a count of a part of the rows is no statement of the ORM, and the least id of
    # a group is none of PostgreSQL before 18.
    alike: dict[str, list[UUID]] = {}
    for pk, fingerprint in members:
        alike.setdefault(fingerprint, []).append(pk)
    ordered = sorted(alike.items(), key=lambda item: len(item[1]), reverse=True)
    return tuple(Group(name, len(ids), tuple(ids[:EXAMPLES])) for name, ids in ordered)
