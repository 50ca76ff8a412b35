"""Compares two runs of the same tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.conformance.deviations import DEVIATIONS, RACES
from tests.conformance.outcomes import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MISSING: Final = Result(outcome=Outcome.MISSING)
#: A message is cut here in the table; the JUnit files hold all of it.
WIDTH: Final = 110
NOTES: Final = {
    "defect": "passes with plain Celery, not with the other base class",
    "deviation": "the same, and intended",
    "unsteady": "not the same in every run",
    "slower": "passes, but takes much longer",
    "better": "passes only with the other base class",
}
#: A test is much slower when it takes this many times as long, and this many seconds longer.
SLOWER: Final = (1.5, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A test that did not end alike on both sides."""

    test: str
    vanilla: Result
    subject: Result
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All tests of two runs, and the ones that differ."""

    compared: int
    alike: int
    differences: tuple[Difference, ...]

    @property
    def defects(self) -> tuple[Difference, ...]:
        return tuple(found for found in self.differences if found.kind == "defect")


def compare(
    vanilla: Mapping[str, Result],
    subject: Mapping[str, Result],
    *,
    tests: Sequence[str],
    partial: bool,
) -> Comparison:
    """Set the results of two runs against each other.

    Args:
        vanilla: Results with plain Celery.
        subject: Results with the other base class.
        tests: The files (or ids) that were asked for; other results are left out.
        partial: Only some tests of the files were asked for, so that one which is absent from
            ``subject`` was not wanted.  Otherwise an absent test counts as not passed.
    """
    wanted = set(subject) if partial else set(vanilla) | set(subject)
    compared = sorted(test for test in wanted if test.startswith(tuple(tests)))
    pairs = [(test, vanilla.get(test, MISSING), subject.get(test, MISSING)) for test in compared]
    differences = tuple(
        Difference(test=test, vanilla=before, subject=after, kind=kind)
        for test, before, after in pairs
        if (kind := _kind(test, before, after))
    )
    return Comparison(
        compared=len(pairs), alike=len(pairs) - len(differences), differences=differences
    )


def table(comparison: Comparison) -> str:
    """Return the differences as lines to print, worst first, a total last."""
    order = {kind: place for place, kind in enumerate(NOTES)}
    lines = [
        line
        for difference in sorted(comparison.differences, key=lambda each: order[each.kind])
        for line in _lines(difference)
    ]
    total = f"{comparison.compared} tests compared, {comparison.alike} alike"
    counts = [
        f"{sum(difference.kind == kind for difference in comparison.differences)} {kind} ({note})"
        for kind, note in NOTES.items()
    ]
    return "\n".join(["", *lines, "; ".join([total, *counts])])


def _kind(test: str, vanilla: Result, subject: Result) -> str:
    """Return in which way the results differ; empty if they do not."""
    if vanilla.outcome == subject.outcome:
        return "slower" if _is_slower(vanilla, subject) else ""
    if vanilla.outcome is not Outcome.PASSED:
        return "better" if subject.outcome is Outcome.PASSED else "unsteady"
    if subject.outcome is Outcome.XFAILED:
        return "unsteady"  # its authors marked it as a test that may fail: it passed by chance
    if test in RACES:
        return "unsteady"
    return "deviation" if test in DEVIATIONS else "defect"


def _is_slower(vanilla: Result, subject: Result) -> bool:
    factor, seconds = SLOWER
    longest = max(vanilla.seconds * factor, vanilla.seconds + seconds)
    return subject.outcome is Outcome.PASSED and subject.seconds > longest


def _lines(difference: Difference) -> list[str]:
    first = f"{difference.kind:9} {_sides(difference):18} {difference.test}"
    known = DEVIATIONS | RACES
    messages = (difference.subject.message, difference.vanilla.message)
    reason = known.get(difference.test) or next(filter(None, messages), "")
    return [first, f"{'':9} {reason[:WIDTH]}"] if reason else [first]


def _sides(difference: Difference) -> str:
    if difference.kind == "slower":
        return f"{difference.vanilla.seconds:.0f} s -> {difference.subject.seconds:.0f} s"
    return f"{difference.vanilla.outcome.name} -> {difference.subject.outcome.name}".lower()
