"""What a run prints: the matrix, filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.acceptance.faults.cells import Cell
from tests.acceptance.faults.moments import MOMENTS
from tests.acceptance.faults.page import whys
from tests.acceptance.faults.table import FAULTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.acceptance.faults.table import Fault, Ground

MARKS: Final = {
    "passed": "ok",
    "failed": "NO",
    "error": "NO",
    "skipped": "??",
    "xfailed": "xf",
}
#: By fault, ground and moment: pytest's word.
Results = dict[tuple[str, str, str], str]


def lines(results: Mapping[tuple[str, str, str], str]) -> Iterator[str]:
    """Yield the lines of the matrix: a row for each scene, a column for each moment."""
    yield f"{'':<56}" + "".join(f"{number:>4}" for number in range(1, len(MOMENTS) + 1))
    for fault in FAULTS:
        for ground in fault.grounds:
            marks = "".join(f"{_mark(results, fault, ground, moment):>4}" for moment in MOMENTS)
            yield f"{fault.name:<30}{ground!s:<26}{marks}"
    yield ""
    yield from (f"{number:>3}  {name}" for number, name in enumerate(MOMENTS, 1))
    yield ""
    yield "ok passed, NO failed, ?? skipped, xf known to fail, .. not run here; does not apply:"
    yield from (f"{letter:>3}  {sentence}" for sentence, letter in whys().items())


def _mark(
    results: Mapping[tuple[str, str, str], str], fault: Fault, ground: Ground, moment: str
) -> str:
    cell = fault.cells[moment]
    if not isinstance(cell, Cell):
        return whys()[cell]
    return MARKS.get(results.get((fault.name, str(ground), moment), ""), "..")
