"""The books of a soak: what was accepted, and what came of it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from tests.acceptance import rules
from tests.acceptance.soak.detection import moment
from tests.acceptance.soak.lines import Lines, struck

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.soak.plan import Plan
    from tests.acceptance.soak.requests import Request
    from tests.acceptance.soak.stage import Blow

#: Effects that are in the database, from an atomic step.
ONCE: Final = frozenset({"ship"})
#: States of a link that was not sent: its turn has not come, or will not.
UNSENT: Final = frozenset({"blocked", "skipped"})
POISONED: Final = "celery_jobman.exceptions.JobPoisoned"


@dataclass(kw_only=True)
class Books:
    """All that is left of a soak."""

    plan: Plan
    rows: list[dict[str, Any]]
    deeds: list[dict[str, Any]]
    blows: list[Blow]
    accepted: set[str]
    orphans: dict[str, int]
    #: Jobs that were given up because their workers died too often.
    poisoned: int = 0

    @cached_property
    def lines(self) -> Lines:
        """The log lines, written and kept."""
        return Lines(rows=self.rows, deeds=self.deeds, blows=self.blows)

    @cached_property
    def by_tag(self) -> dict[str, dict[str, Any]]:
        return {row["tag"]: row for row in self.rows}

    @property
    def mistaken(self) -> int:
        """Attempts that were lost though nothing had struck their process."""
        lost = (a for row in self.rows for a in row["attempts"] if a["outcome"] == "lost")
        return sum(struck(attempt, self.blows) is None for attempt in lost)

    def complaints(self) -> Iterator[str]:
        """Yield what does not balance, a sentence each; call it once."""
        yield from (f"{count} {what}" for what, count in self.orphans.items() if count)
        yield from self._strangers()
        for request in self.plan.requests:
            yield from self._request(request)
        yield from self.lines.complaints()

    def _strangers(self) -> Iterator[str]:
        planned = {job.tag for request in self.plan.requests for job in request.jobs}
        for tag, count in Counter(row["tag"] for row in self.rows).items():
            if tag not in planned:
                yield f"{tag} was never asked for"
            if count > 1:
                yield f"{tag} is there {count} times"

    def _request(self, request: Request) -> Iterator[str]:
        first = request.jobs[0]
        if request.tag in self.accepted and first.tag not in self.by_tag:
            yield f"{first.tag} was accepted, and is not there"
        for job in request.jobs:
            if row := self.by_tag.get(job.tag):
                yield from (f"{job.tag} {what}" for what in self._job(job, row))
        for before, after in pairwise(request.links):
            yield from self._link(before, after)

    def _job(self, job: Request, row: dict[str, Any]) -> Iterator[str]:
        mine = [*self._done[row["id"]], *row["effects"]]
        yield from rules.broken(row, mine, once=ONCE, retried=job.mended)
        yield from self._end(job, row)
        names = {deed["name"] for deed in mine}
        if row["state"] == "succeeded":
            missing = _expected(job) - names
            if missing:
                yield f"succeeded and did not do {sorted(missing)}"
            if job.task == "travel" and _progress(row) != _arrived(job):
                yield f"says {_progress(row)} at its end"
        begun = [moment(attempt["started_at"]) for attempt in row["attempts"]]
        if begun and begun[0] < moment(row["created_at"]) + job.countdown - 0.01:
            yield f"began before its time ({job.countdown:g} s)"

    def _end(self, job: Request, row: dict[str, Any]) -> Iterator[str]:
        if row["state"] == "failed" and row["error_class"] == POISONED:
            self.poisoned += 1
        elif row["finished_at"] and row["state"] not in {*job.ends, "skipped"}:
            yield f"{row['state']}, and was to be {' or '.join(sorted(job.ends))}"

    @cached_property
    def _done(self) -> dict[str, list[dict[str, Any]]]:
        done: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for deed in self.deeds:
            if "name" in deed:
                done[deed["job"]].append(deed)
        return done

    def _link(self, before: Request, after: Request) -> Iterator[str]:
        row, following = self.by_tag.get(before.tag), self.by_tag.get(after.tag)
        has_succeeded = row is not None and row["state"] == "succeeded"
        if following is None or following["state"] in UNSENT:
            if has_succeeded:
                yield f"{after.tag} was never sent, and the link before it has succeeded"
        elif row is None or not has_succeeded:
            yield f"{after.tag} was sent though the link before it had not succeeded"
        elif _begun(following) < moment(row["attempts"][-1]["started_at"]):
            yield f"{after.tag} began before the link before it had begun"


def _begun(row: dict[str, Any]) -> float:
    return moment(row["attempts"][0]["started_at"]) if row["attempts"] else math.inf


def _expected(job: Request) -> set[str]:
    """Return what a job does that succeeds."""
    if job.task == "travel":
        return {"pack", "ship", "close", *(f"stop {stop}" for stop in range(job.words[0]))}
    return {"errand"} if job.task == "errand" else {"try"}


def _progress(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["progress_current"], row["progress_total"], row["progress_message"]


def _arrived(job: Request) -> tuple[Any, ...]:
    return job.words[0], job.words[0], f"{job.tag} is there"
