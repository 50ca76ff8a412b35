"""Plans: how PostgreSQL answers the statements that a block of code sends."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.db import connection
from django.test.utils import CaptureQueriesContext

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The tables that grow with the number of jobs.
BIG: Final = frozenset(
    f"jobman_{name}" for name in ("job", "logline", "attempt", "step", "jobaction")
)


class Plan(NamedTuple):
    """A statement, and what PostgreSQL did, or would do, to answer it."""

    sql: str
    root: dict[str, Any]

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """All steps of the plan."""
        return list(_nodes(self.root))

    @property
    def tables(self) -> set[str]:
        """Names of the tables that are read."""
        return {node["Relation Name"] for node in self.nodes if "Relation Name" in node}

    @property
    def scanned(self) -> set[str]:
        """Names of the big tables that are read from one end to the other."""
        scans = [node for node in self.nodes if node["Node Type"] == "Seq Scan"]
        return {node["Relation Name"] for node in scans} & BIG

    @property
    def read(self) -> int:
        """How many rows or entries of an index of the big tables were looked at."""
        return sum(_read(node) for node in self.nodes if node.get("Relation Name") in BIG)

    @property
    def expected(self) -> int:
        """How many rows the planner believes that the statement returns."""
        return int(self.root["Plan Rows"])

    def __str__(self) -> str:
        return f"{self.sql}\n{json.dumps(self.root, indent=1)}"


@contextmanager
def plans(*, run: bool = False) -> Iterator[list[Plan]]:
    """Yield a list that holds the plan of each SELECT when the block has ended.

    Args:
        run: Answer each once more, to know how many rows were really read.
    """
    found: list[Plan] = []
    with CaptureQueriesContext(connection) as captured:
        yield found
    sent = [query["sql"] for query in captured.captured_queries]
    found += [_explained(sql, run=run) for sql in sent if _reads(sql)]


def _reads(sql: str) -> bool:
    return sql.lstrip("( \n").startswith(("SELECT", "WITH"))


def _explained(sql: str, *, run: bool) -> Plan:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE {run}, FORMAT JSON) {sql}")
        (answer,) = cursor.fetchone()
    (root,) = json.loads(answer) if isinstance(answer, str) else answer
    return Plan(sql, root["Plan"])


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _read(node: dict[str, Any]) -> int:
    missed = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    each = sum(float(node.get(name, 0)) for name in ("Actual Rows", *missed))
    return round(each * float(node["Actual Loops"]))
