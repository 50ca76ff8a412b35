"""What must hold of every job, whatever happened to it: rules that the books are checked by."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

#: How the last attempt of a job may have ended that is in a final state.
LAST: Final = {
    "succeeded": {"succeeded"},
    "failed": {"failed", "timed out", "lost"},
    "cancelled": {"cancelled"},
}
#: Outcomes that end a job, and can stand only at the end of its attempts.
ENDS: Final = {"succeeded", "cancelled"}


def broken(
    row: dict[str, Any],
    deeds: Iterable[dict[str, Any]],
    *,
    once: Collection[str],
    retried: bool = False,
) -> Iterator[str]:
    """Yield what is wrong with a job, a sentence each.

    Args:
        row: Its columns, and its ``attempts`` in order.
        deeds: What its task did: ``name`` and ``attempt``.
        once: Names of deeds that may be done only once, however many attempts there are.
        retried: A person retried it.
    """
    if not row["finished_at"]:
        yield f"is {row['state']}"
        return
    yield from _numbers(row)
    for before, after in pairwise(row["attempts"]):
        yield from _succession(before, after, retried=retried)
    yield from _end(row)
    yield from _repeated(deeds, once)


def _numbers(row: dict[str, Any]) -> Iterator[str]:
    numbers = [attempt["number"] for attempt in row["attempts"]]
    if numbers != [*range(1, row["attempt"] + 1)]:
        yield f"has the attempts {numbers}, and says that there are {row['attempt']}"


def _succession(before: dict[str, Any], after: dict[str, Any], *, retried: bool) -> Iterator[str]:
    lost = before["outcome"] == "lost"
    allowed = {"rescue" if lost else "automatic"} | ({"operator"} if retried else set())
    if after["trigger"] not in allowed:
        yield f"attempt {after['number']} is {after['trigger']} after {before['outcome']}"
    if before["outcome"] in ENDS and after["trigger"] != "operator":
        yield f"attempt {after['number']} ran after one that {before['outcome']}"


def _end(row: dict[str, Any]) -> Iterator[str]:
    outcomes = [attempt["outcome"] for attempt in row["attempts"]]
    waiting = row["state"] in {"cancelled", "skipped"} and row["state"] not in outcomes
    if outcomes.count("succeeded") > 1:
        yield f"succeeded {outcomes.count('succeeded')} times"
    if waiting:  # it was stopped between two attempts, or before the first
        return
    if not outcomes or outcomes[-1] not in LAST[row["state"]]:
        yield f"is {row['state']}, and its attempts ended {outcomes}"


def _repeated(deeds: Iterable[dict[str, Any]], once: Collection[str]) -> Iterator[str]:
    done = [(deed["name"], deed["attempt"]) for deed in deeds]
    for (name, attempt), count in Counter(done).items():
        if count > 1:
            yield f"did {name!r} {count} times in attempt {attempt}"
    for name, count in Counter(name for name, _ in done).items():
        if name in once and count > 1:
            yield f"did {name!r} {count} times"
