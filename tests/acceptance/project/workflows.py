"""What a test may ask of the project about workflows."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from django.db import connection
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from celery_jobman import batch, chain, chord, find_batch, group
from celery_jobman.models import Attempt, Batch, Job, Role, Stopping
from celery_jobman.runtime import messages
from celery_jobman.states import FINAL, State
from tests.acceptance.project.celery import app
from tests.acceptance.project.parts import part, told

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from celery_jobman.runtime.workflows.flows import Flow

#: Ask whether a session waits for a lock; see :mod:`tests.acceptance.test_deadlocks`.
WAITING = {
    "postgresql": """
        SELECT 1 FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'
    """,
    "mysql": """
        SELECT 1 FROM information_schema.global_status
        WHERE variable_name = 'Innodb_row_lock_current_waits' AND variable_value > 0
    """,
}
#: Parts that are put off for longer wait to be told to go on.
A_WHILE = timedelta(minutes=5)
ROLES = ("then", "catch", "finally")
_BATCH = (
    "id", "name", "state", "stopping", "opening", "total", "pending", "succeeded", "failed",
    "cancelled", "skipped", "finishes", "batch_id",
)  # fmt: skip


class Weaver:
    """Makes a flow of a plan; see :mod:`tests.acceptance.workflows.cases`."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan

    def flow(self, shape: list[Any], path: str = "") -> Flow:
        """Return the flow of a shape, with a name and callbacks."""
        kind, *parts = shape
        inner = [self.link(each, f"{path}{number}") for number, each in enumerate(parts)]
        name = f"{self.plan['key']}:{path}"
        if kind == "batch":
            allowed = self.plan["allowances"].get(path, False)
            return self._told(batch(inner, name=name, allow_failures=allowed), name)
        if kind == "group":
            return self._told(group(inner, name=name), name)
        if kind == "chord":
            return self._told(self._chord(inner, path, name=name), name)
        return self._told(chain(*inner, name=name), name)

    def link(self, shape: Any, path: str) -> Any:
        """Return a part, or a flow; chains and chords are links of what they are in."""
        if isinstance(shape, str):
            return self.part(shape)
        kind, *parts = shape
        if kind not in {"chain", "chord"}:
            return self.flow(shape, path)
        inner = [self.link(each, f"{path}{number}") for number, each in enumerate(parts)]
        return chain(*inner) if kind == "chain" else self._chord(inner, path)

    def part(self, name: str) -> Any:
        queue = self.plan["late_queue" if name in self.plan["late"] else "queue"]
        acts = self.plan["acts"].get(name, ())
        signature = part.s(tag=f"{self.plan['key']}.{name}", acts=acts)
        return signature.set(queue=queue, allow_failure=name in self.plan["excused"])

    def _chord(self, inner: list[Any], path: str, **about: Any) -> Flow:
        name = f"{self.plan['key']}:{path}h"
        header = self._told(group(inner[:-1], name=name), name)
        return cast("Flow", chord(header, inner[-1], **about))

    def _told(self, flow: Flow, name: str) -> Flow:
        flow = flow.set(queue=self.plan["queue"])
        then, catch, ever = (told.s(tag=name, role=role) for role in ROLES)
        if self.plan.get("watched"):
            flow = flow.on_progress(told.s(tag=name, role="progress"))
        return flow.then(then).catch(catch).finally_(ever)


def weave(plan: dict[str, Any]) -> str:
    """Dispatch a workflow and return its id."""
    return str(Weaver(plan).flow(plan["shape"]).dispatch().id)


def weave_all(plans: list[dict[str, Any]]) -> list[str]:
    """Dispatch many workflows and return their ids."""
    return [weave(plan) for plan in plans]


def busy(roots: list[str], late: str = "", marching: Iterable[str] = ()) -> list[str]:
    """Return the workflows in which something goes on, by one look at the database.

    Nothing does in parts that are put off, that wait in the queue ``late``, or that run until
    they are told to stop.
    """
    waits = Q(state=State.BLOCKED) | Q(queue=late)
    waits |= Q(state=State.SCHEDULED, available_at__gt=timezone.now() + A_WHILE)
    waits |= Q(state=State.RUNNING, pk__in=marching)
    jobs = Job.objects.filter(batch_id=OuterRef("id")).exclude(state__in=FINAL).exclude(waits)
    marked = Q(finished_at=None) & (Q(opening=True) | ~Q(stopping=Stopping.NOT))
    found = Batch.objects.filter(Exists(jobs) | marked, root_id__in=roots)
    return sorted({str(root_id) for root_id in found.values_list("root_id", flat=True)})


def members(root: str) -> dict[str, str]:
    """Return the ids of a workflow's parts by their names, and of its batches by their paths."""
    book = books([root])[root]
    return {name: row["id"] for kind in book.values() for name, row in kind.items()}


def books(roots: list[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the ``parts`` of workflows by name, and their ``batches`` by path."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for root in roots:
        found[root] = {"parts": {}, "batches": {}}
    homes: dict[UUID, str] = {}
    for row in Batch.objects.filter(root_id__in=roots).values(*_BATCH, "root_id"):
        homes[row["id"]] = str(row["root_id"])
        found[str(row["root_id"])]["batches"][row["name"].rpartition(":")[2]] = row
    jobs = Job.objects.filter(batch_id__in=list(homes), role=Role.MEMBER)
    outcomes = defaultdict(list)
    for number in Attempt.objects.filter(job__in=jobs).order_by("number"):
        outcomes[number.job_id].append(number.outcome)
    for job in jobs:
        assert job.batch_id is not None
        entry = {name: getattr(job, name) for name in ("id", "state", "attempt", "batch_id")}
        entry["outcomes"] = outcomes[job.id]
        tag = messages.decode(job.kwargs)["tag"]
        found[homes[job.batch_id]]["parts"][tag.rpartition(".")[2]] = entry
    return found


def batch_row(name: str) -> dict[str, Any]:
    """Return the row of a batch by its name."""
    row: dict[str, Any] = Batch.objects.values(*_BATCH).get(name=name)
    return row


def retry_failed(root: str) -> None:
    """Retry what failed in a workflow, as its owner does."""
    find_batch(root).retry_failed()


def consume(queue: str) -> None:
    """Let the workers consume another queue, too."""
    app.control.add_consumer(queue)


def put_up(batch_id: str, tags: list[str], queue: str) -> int:
    """Add parts to a batch from outside, and return how many there are more."""
    return find_batch(batch_id).add([part.s(tag=tag).set(queue=queue) for tag in tags])


def somebody_waits() -> bool:
    """Whether a session waits for a row that another one has locked."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING[connection.vendor])
        return bool(cursor.fetchall())
