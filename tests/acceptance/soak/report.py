"""The last lines of a soak's output."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.acceptance.soak import detection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.soak.soak import Soak
    from tests.acceptance.soak.stage import Stage


def lines(soak: Soak) -> Iterator[str]:
    """Yield the last lines of the output."""
    plan = soak.plan
    minutes = f"{plan.seconds / 60:g} minutes and {soak.seconds - plan.seconds:.0f} s"
    yield f"seed {plan.seed}, ground {soak.ground}, {minutes}"
    yield ""
    yield from _jobs(soak)
    yield f"faults        {_counts(Counter(blow.fault for blow in soak.stage.blows))}"
    yield from detection.lines(soak.deaths)
    yield from soak.watch.lines()
    yield f"log lines     {soak.books.lines.summary()}"
    yield f"workers       {_workers(soak.stage)}"
    yield from (f"  {count} of them: {words}" for words, count in soak.stage.fallen.items())
    yield ""
    yield from soak.complaints
    yield "books balance" if not soak.complaints else f"{len(soak.complaints)} complaints"


def _jobs(soak: Soak) -> Iterator[str]:
    kinds = {job.tag: request.kind for request in soak.plan.requests for job in request.jobs}
    rows = soak.books.rows
    table: dict[str, Counter[str]] = {}
    for row in rows:
        table.setdefault(kinds.get(row["tag"], "unknown"), Counter())[row["state"]] += 1
    for kind, states in sorted(table.items()):
        yield f"  {kind:<20} {_counts(states)}"
    yield f"jobs          {_counts(Counter(row['state'] for row in rows))}"
    outcomes = (attempt["outcome"] for row in rows for attempt in row["attempts"])
    yield f"attempts      {_counts(Counter(outcomes))}"
    refused, poisoned = len(soak.people.refused), soak.books.poisoned
    yield f"refused       {refused} calls while the database was away"
    yield f"given up      {poisoned} jobs whose workers died too often"
    yield f"taken for dead by mistake  {soak.books.mistaken} attempts"


def _workers(stage: Stage) -> str:
    left = stage.left
    slowest = f", the slowest in {max(left):.1f} s" if left else ""
    started = len(stage.project.workers)
    return (
        f"{started} started, {len(left)} stopped when asked{slowest}, "
        f"{stage.fallen.total()} ended by themselves"
    )


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counted.items())) or "0"
