"""Runs the files with differences again, to tell a defect from a test that is not steady."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tests.conformance.outcomes import Outcome, read

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conformance.comparison import Comparison
    from tests.conformance.suite import Suite

ROUNDS: Final = 2


def confirm(comparison: Comparison, suite: Suite, base: str | None, folder: Path) -> Comparison:
    """Return ``comparison`` with the defects that did not show again marked as unsteady.

    A defect stands when its test fails in another run with ``base``, and passes in another run
    with plain Celery.  Whole files run again, because a test may fail over what an earlier one
    left behind.  A test that did not run at all stands without being tried again.
    """
    doubtful = {
        defect.test for defect in comparison.defects if defect.subject.outcome is Outcome.FAILED
    }
    failed_again = _fail_again(doubtful, suite, base, folder, rounds=ROUNDS)
    standing = failed_again - _fail_again(failed_again, suite, None, folder, rounds=1)
    unsteady = doubtful - standing
    differences = tuple(
        replace(found, kind="unsteady") if found.test in unsteady else found
        for found in comparison.differences
    )
    return replace(comparison, differences=differences)


def _fail_again(
    tests: set[str], suite: Suite, base: str | None, folder: Path, *, rounds: int
) -> set[str]:
    """Return which of ``tests`` failed in at least one of some further runs."""
    failed: set[str] = set()
    for number in range(rounds):
        undecided = tests - failed
        if undecided:
            results = folder / f"again-{'vanilla' if base is None else 'subject'}-{number}.xml"
            suite.narrowed(undecided).run(base, results)
            failed |= undecided - _passed(results)
    return failed


def _passed(results: Path) -> set[str]:
    return {test for test, result in read(results).items() if result.outcome is Outcome.PASSED}
