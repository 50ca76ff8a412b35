"""Selection: from what was typed to the jobs that are meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from django.db.models import Q

from celery_jobman import actions
from celery_jobman.core.workflow import Workflow
from celery_jobman.exceptions import BatchNotFound, JobNotFound
from celery_jobman.models import Batch, Job
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.contrib.auth.base_user import AbstractBaseUser
    from django.db.models import QuerySet

    from celery_jobman.models.job import JobQuerySet

Row = TypeVar("Row", Job, Batch)

#: Hexadecimal digits of an id, and the fewest that may stand for it.
DIGITS, FEWEST = 32, 8
#: Filters that name something.
NAMES = ("task", "queue")
#: Jobs read by one statement of a walk.
SLICE = 500


def job(reference: str) -> Job:
    """Return the job with this id, this beginning of an id, or this Celery task id.

    Raises:
        JobNotFound: There is none.
        CommandError: Several ids begin so.
    """
    try:
        return actions.find(reference)
    except JobNotFound:
        found = _the_one(Job.objects.all(), reference, "jobs")
    if found is None:
        raise JobNotFound(reference)
    return found


def batch(reference: str) -> Batch:
    """Return the batch with this id, or this beginning of an id.

    Raises:
        BatchNotFound: There is none.
        CommandError: Several ids begin so.
    """
    try:
        return actions.find_batch_row(reference)
    except BatchNotFound:
        found = _the_one(Batch.objects.all(), reference, "batches")
    if found is None:
        raise BatchNotFound(reference)
    return found


def member(reference: str) -> tuple[UUID, UUID | None]:
    """Return the ids of a job or a batch, and of the batch that it is a member of.

    Raises:
        JobNotFound: There is neither.
        CommandError: Several ids begin so.
    """
    try:
        found: Job | Batch = job(reference)
    except JobNotFound as error:
        try:
            found = batch(reference)
        except BatchNotFound:
            raise error from None
    return found.id, found.batch_id


def jobs_in(batch: Batch) -> JobQuerySet:
    """Return the jobs of a batch and of those inside it, its callbacks among them."""
    if batch.is_root:
        everything = Batch.objects.filter(root_id=batch.id).values("id")
        return Job.objects.filter(batch_id__in=everything)
    inside = Workflow.around(batch.id).inside(batch.id)
    return Job.objects.filter(batch_id__in=inside)


def user(name: str) -> AbstractBaseUser:
    """Return the user with this name.

    Raises:
        CommandError: There is none.
    """
    users = get_user_model()
    found = users.objects.filter(**{users.USERNAME_FIELD: name}).first()
    if found is None:
        raise CommandError(f"there is no user {name!r}")
    return found


def jobs(references: Iterable[str]) -> list[Job]:
    """Return the jobs with these references, each once; see :func:`job` for the errors."""
    return list({found.id: found for found in map(job, references)}.values())


def _the_one(rows: QuerySet[Row], reference: str, what: str) -> Row | None:
    """Return the row whose id begins so; None when there is none.

    Raises:
        CommandError: There are several.
    """
    digits = reference.replace("-", "").lower()
    if not re.fullmatch(rf"[0-9a-f]{{{FEWEST},{DIGITS}}}", digits):
        return None
    first, last = (UUID(digits.ljust(DIGITS, filler)) for filler in "0f")
    found = list(rows.filter(pk__gte=first, pk__lte=last).order_by("pk")[:10])
    if len(found) > 1:
        ids = "\n  ".join(str(each.pk) for each in found)
        raise CommandError(f"several {what} begin with {reference}; give more digits:\n  {ids}")
    return found[0] if found else None


def filtered(options: dict[str, Any]) -> JobQuerySet:
    """Return the jobs that pass ``--task``, ``--queue`` and, where there is one, ``--batch``.

    A name that is empty, as of a variable that is not set, is that of no job.
    """
    found = Job.objects.all()
    if options.get("batch") is not None:
        found = jobs_in(batch(options["batch"]))
    found = found.without_payloads()
    if options["task"] is not None:
        found = found.filter(_task(options["task"]))
    return found if options["queue"] is None else found.filter(queue=options["queue"])


def failed(options: dict[str, Any]) -> JobQuerySet:
    """Return the failed jobs that pass the filters.

    Raises:
        CommandError: A filter names a task or queue that no job has, failed or not.
    """
    passing = filtered(options)
    found = passing.filter(state=State.FAILED)
    if not found.exists():
        complain(passing, options)
    return found


def complain(passing: JobQuerySet, options: dict[str, Any]) -> None:
    """Tell a filter that finds nothing from one that is misspelt.

    Raises:
        CommandError: No job at all passes the filters.
    """
    filters = [f"the {name} {options[name]!r}" for name in NAMES if options[name] is not None]
    if filters and not passing.exists():
        raise CommandError(
            f"no job has {' and '.join(filters)}; `jobman list` shows the names there are"
        )


def _task(name: str) -> Q:
    exactly = Q(task=name)
    return exactly if "." in name else exactly | Q(task__endswith=f".{name}")


def walk(found: JobQuerySet) -> Iterator[Job]:
    """Yield jobs in the order of their ids, read a slice at a time.

    A job that comes (back) to the selection while the walk is under way is not met twice.
    """
    last = None
    while True:
        rows = found.filter(pk__gt=last) if last else found
        chunk = list(rows.order_by("pk")[:SLICE])
        if not chunk:
            return
        yield from chunk
        last = chunk[-1].pk
