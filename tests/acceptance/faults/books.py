"""The books of a scene: what was accepted, begun and ended, and what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tests.acceptance import deeds, executions, rules

if TYPE_CHECKING:
    from tests.acceptance.faults.cells import Cell
    from tests.acceptance.faults.scenes import Scene
    from tests.acceptance.gates import NeverReached

#: What the task of most moments does, each at least once, and what it does exactly once.
ALL = {"pack", "ship", "close", *(f"stop {stop}" for stop in "abcdef")}
EXACTLY_ONCE = {"ship"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """All that is left of a scene, read once."""

    rows: dict[str, dict[str, Any]]
    tags: dict[str, str]
    deeds: list[dict[str, Any]]
    executions: list[dict[str, Any]]
    orphans: dict[str, int]
    missed: dict[str, NeverReached]
    followers: dict[str, str]
    report: str

    @classmethod
    def of(cls, scene: Scene) -> Books:
        rows = scene.rows()
        return cls(
            rows=rows,
            tags=dict(scene.tags),
            deeds=[*deeds.noted(scene.project.folder), *_effects(rows)],
            executions=executions.noted(scene.project.folder),
            orphans=scene.project.driver.call("orphans"),
            missed=dict(scene.missed),
            followers=dict(scene.followers),
            report=scene.project.report(),
        )

    def check(self) -> None:
        """Check what must hold whatever happened."""
        unended = {tag: row["state"] for tag, row in self.rows.items() if not row["finished_at"]}
        assert unended == {}, self.report
        assert set(self.orphans.values()) == {0}, self.orphans
        for row in self.rows.values():
            assert list(rules.broken(row, self._deeds(row), once=EXACTLY_ONCE)) == [], row
            self._check_places(row)
            self._check_deeds(row)
            self._check_executions(row)

    def check_cell(self, moment: str, cell: Cell) -> None:
        """Check what became of the job that was held at one moment."""
        if moment in self.missed:
            raise self.missed[moment]
        row = self.rows.get(self.tags[moment])
        assert bool(row) == cell.accepted, "accepted" if row else "not accepted"
        if not row:
            return
        outcomes = tuple(attempt["outcome"] for attempt in row["attempts"])
        assert outcomes in {cell.outcomes, cell.either}, f"{outcomes}\n{row}\n{self.report}"
        assert row["state"] == (cell.ends or outcomes[-1])
        self._check_executions(row)
        self._check_messages(row, cell)
        self._check_follower(moment)
        repeated = self._repeated(row)
        assert cell.repeats <= repeated, f"not repeated: {cell.repeats - repeated}"
        excess = repeated - cell.repeats - cell.may_repeat
        assert excess == set(), f"repeated: {excess}"

    def _check_follower(self, moment: str) -> None:
        """The next link of a job that has succeeded ran, once, as its child."""
        if moment not in self.followers:
            return
        row, follower = self.rows[self.tags[moment]], self.rows.get(self.followers[moment])
        assert follower, f"the chain ended with its first link\n{self.report}"
        assert [attempt["outcome"] for attempt in follower["attempts"]] == ["succeeded"]
        assert follower["parent"] == row["id"]

    def _check_places(self, row: dict[str, Any]) -> None:
        """What was lost in one process went on in another."""
        for before, after in pairwise(row["attempts"]):
            same = (after["worker_id"], after["pid"]) == (before["worker_id"], before["pid"])
            assert not (same and before["outcome"] == "lost"), row

    def _check_deeds(self, row: dict[str, Any]) -> None:
        names = self._counts(row, "name")
        if row["task"].endswith(".passage") and row["state"] == "succeeded":
            assert {name for (name,) in names} == ALL
        if row["task"].endswith(".knock"):
            assert names == ({("knock",): 1} if row["state"] == "succeeded" else {})

    def _check_executions(self, row: dict[str, Any]) -> None:
        """The newest message ran it to its end, and Celery heard of no failure that is none."""
        mine = self._executions(row)
        told = {execution["state"] for execution in mine}
        assert "FAILURE" not in told or row["state"] == "failed", f"{mine}\n{self.report}"
        ran = {execution["delivery"] for execution in mine if execution["state"] == "SUCCESS"}
        assert ran <= {row["delivery"]}, f"run by an older message: {mine}"

    def _check_messages(self, row: dict[str, Any], cell: Cell) -> None:
        if cell.drops:
            states = [execution["state"] for execution in self._executions(row)]
            assert executions.DROPPED in states, f"no message of it was dropped: {states}"
        if cell.waits:
            assert row["started_at"] >= row["available_at"], "it began before its time"

    def _executions(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        return [execution for execution in self.executions if execution["job"] == row["id"]]

    def _repeated(self, row: dict[str, Any]) -> set[str]:
        if row["task"].endswith(".failing"):
            return set()  # repeats itself
        return {name for (name,), count in self._counts(row, "name").items() if count > 1}

    def _counts(self, row: dict[str, Any], *columns: str) -> Counter[tuple[Any, ...]]:
        return Counter(tuple(deed[column] for column in columns) for deed in self._deeds(row))

    def _deeds(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        return [deed for deed in self.deeds if deed["job"] == row["id"]]


def _effects(rows: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [effect for row in rows.values() for effect in row["effects"]]
