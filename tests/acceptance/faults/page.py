"""The matrix in the documentation: ``python -m tests.acceptance.faults.page``.

Writes the page of the matrix, and what is counted from it on the page about the promises.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.acceptance.faults import proofs
from tests.acceptance.faults.cells import Cell
from tests.acceptance.faults.moments import MOMENTS
from tests.acceptance.faults.table import FAULTS, Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAGE: Final = Path(__file__).parents[3] / "docs" / "reference" / "fault-matrix.md"

#: Columns of one table; more do not fit a page.
WIDTH: Final = 5

_HEAD: Final = """\
# The fault matrix

Each fault strikes while a job stands at each of the moments below. Real workers, brokers and
databases are started for it, and killed, stopped, frozen or cut; a gate holds the job at its
moment, never a guess at the time. This page is written from the table that the tests run
(`tests/acceptance/faults/table.py`), and a test compares the two.

A cell says how the attempts of the job ended, in order. *refused*: `delay()` raised, or never
returned; nothing was accepted, and no row is left. In italics: the job ended so while it waited for
an attempt. A letter says why a fault has no meaning at a moment.

After each scene the books are checked: every accepted job has ended, once, with its attempts
numbered without a gap; the effect of an atomic step is there exactly once, every other at least
once, and at most once for each attempt; no row belongs to nothing; nothing waits for a message
that does not exist; the newest message ran it, and Celery heard of no failure that is none. Where
messages come too often or too late, each job's must have come, and have been dropped. [What is
promised](../explanation/promises.md) says it in words.
"""


def text() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *_faults(), "", *_moments(), "", *_matrix()]) + "\n"


def whys() -> dict[str, str]:
    """Return a letter for each sentence that says why a cell does not apply."""
    sentences = dict.fromkeys(
        cell for fault in FAULTS for cell in fault.cells.values() if isinstance(cell, str)
    )
    return {sentence: chr(ord("a") + number) for number, sentence in enumerate(sentences)}


def _faults() -> Iterator[str]:
    yield "## The faults\n"
    yield from _row("fault", "what is done", "tried on")
    yield from _row("---", "---", "---")
    for fault in FAULTS:
        yield from _row(fault.name, fault.says, "; ".join(_grounds(fault)))
        for name, says in fault.also:
            yield from _row(name, says, f"as *{fault.name}*")


def _grounds(fault: Fault) -> Iterator[str]:
    for ground in fault.grounds:
        tried = fault.tried(ground)
        some = f" ({', '.join(tried)})" if len(tried) < len(_applying(fault)) else ""
        yield f"{ground.broker}, {ground.database}, {ground.pool}{some}"


def _applying(fault: Fault) -> list[str]:
    return [name for name, cell in fault.cells.items() if isinstance(cell, Cell)]


def _moments() -> Iterator[str]:
    yield "## The moments\n"
    yield from _row("moment", "where the job is")
    yield from _row("---", "---")
    for name, moment in MOMENTS.items():
        yield from _row(name, moment.says)


def _matrix() -> Iterator[str]:
    yield "## The cells"
    for first in range(0, len(FAULTS), WIDTH):
        yield ""
        yield from _part(FAULTS[first : first + WIDTH])
    yield ""
    yield from (f"- ({letter}) {sentence}" for sentence, letter in whys().items())


def _part(faults: tuple[Fault, ...]) -> Iterator[str]:
    yield from _row("moment", *(fault.name for fault in faults))
    yield from _row("---", *("---" for _ in faults))
    for moment in MOMENTS:
        yield from _row(moment, *_cells(faults, moment))


def _cells(faults: Iterable[Fault], moment: str) -> Iterator[str]:
    letters = whys()
    for fault in faults:
        cell = fault.cells[moment]
        yield str(cell) if isinstance(cell, Cell) else f"({letters[cell]})"


def _row(*columns: str) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
    proofs.PAGE.write_text(proofs.text(proofs.PAGE.read_text("utf-8")), encoding="utf-8")
