"""What tests of workflows share: tasks that leave a trace, and a count of the rows."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from celery_jobman.models import Batch, Job, Role
from celery_jobman.states import FINAL
from tests.celery_app import app

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

#: What ran, in order: the name of the deed and what it was given.
trace: list[tuple[str, list[Any]]] = []
#: Deeds that fail.
broken: set[str] = set()


@app.task(name="workflows.deed")
def deed(*args: Any) -> str:
    """Do the deed that the last argument names; return its name."""
    *given, name = args
    trace.append((name, given))
    if name in broken:
        raise ValueError(f"{name} is broken")
    return str(name)


@app.task(name="workflows.note")
def note(*args: Any) -> None:
    """Note a callback: the last argument is its kind."""
    *given, name = args
    trace.append((name, given))


def did() -> list[str]:
    """Return the names of the deeds that ran, in order."""
    return [name for name, _ in trace]


def given_to(name: str) -> list[Any]:
    """Return what a deed was given when it ran last."""
    return [given for each, given in trace if each == name][-1]


def states(root_id: UUID) -> dict[str, str]:
    """Return the state of each member by its deed."""
    batches = Batch.objects.filter(root_id=root_id).values("id")
    jobs = Job.objects.filter(batch_id__in=batches, role=Role.MEMBER)
    return {job.arguments[0][-1]: str(job.state) for job in jobs}


def audit(root_id: UUID) -> None:
    """Count the rows of a workflow, and compare with what its batches say."""
    for batch in Batch.objects.filter(root_id=root_id):
        jobs = Job.objects.members_of(batch.id)
        ends: Counter[str] = Counter(jobs.values_list("state", flat=True))
        inner = Batch.objects.filter(batch_id=batch.id)
        ends.update(inner.values_list("state", flat=True))
        said = {"succeeded", "failed", "cancelled", "skipped"}
        assert {name: getattr(batch, name) for name in said} == {n: ends[n] for n in said}
        assert batch.total == ends.total()
        assert batch.pending == sum(number for state, number in ends.items() if state not in FINAL)
        if batch.state == "running":
            assert batch.pending or batch.opening


def names(members: Iterable[tuple[UUID, str]]) -> list[str]:
    """Return the deeds that a plan's entries stand for."""
    return [Job.objects.get(pk=member).arguments[0][-1] for member, _ in members]
