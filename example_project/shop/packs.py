"""Packs: the rows that are saved together, between two saves of the cursor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from example_project.shop.airports import Row

#: Rows of a pack.
SIZE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """The good ones among some rows that follow each other in the file."""

    number: int
    #: Numbers of the first and last row, counted from 1 like the pack's own.
    first: int
    last: int
    rows: Sequence[Row]


def cut(rows: Sequence[Row], bad: Collection[int]) -> list[Pack]:
    """Cut a file into packs, and leave out the rows whose indexes are ``bad``.

    The cuts do not depend on what is bad.  So the cursor, which counts packs, still stands for
    the same place in the file when an operator has replayed some bad rows in between.
    """
    return [
        Pack(
            number=start // SIZE + 1,
            first=start + 1,
            last=min(start + SIZE, len(rows)),
            rows=[row for i, row in enumerate(rows[start : start + SIZE], start) if i not in bad],
        )
        for start in range(0, len(rows), SIZE)
    ]
