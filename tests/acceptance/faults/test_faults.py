"""The fault matrix, a test for each cell and one for the books of each scene."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.faults.cells import Cell
from tests.acceptance.faults.moments import MOMENTS
from tests.acceptance.faults.table import FAULTS, Fault, Ground

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.faults.books import Books

SCENES = [(fault, ground) for fault in FAULTS for ground in fault.grounds]
CELLS = [(fault, ground, moment) for fault, ground in SCENES for moment in fault.tried(ground)]


def _words(*parts: object) -> str:
    return "-".join(str(part).replace(" ", "_") for part in parts)


@pytest.mark.parametrize(
    ("fault", "ground", "moment"),
    CELLS,
    ids=[_words(fault.name, moment, ground) for fault, ground, moment in CELLS],
)
def test_a_job_outlives(
    books: Callable[[Fault, Ground], Books],
    record_property: Callable[[str, object], None],
    fault: Fault,
    ground: Ground,
    moment: str,
) -> None:
    record_property("cell", (fault.name, str(ground), moment))
    cell = fault.cells[moment]
    assert isinstance(cell, Cell)

    books(fault, ground).check_cell(moment, cell)


@pytest.mark.parametrize(
    ("fault", "ground"), SCENES, ids=[_words(fault.name, ground) for fault, ground in SCENES]
)
def test_the_books_balance(
    books: Callable[[Fault, Ground], Books], fault: Fault, ground: Ground
) -> None:
    books(fault, ground).check()


def test_no_cell_is_empty_and_every_one_that_applies_is_tried() -> None:
    tried = {(fault.name, moment) for fault, _, moment in CELLS}
    applying = {
        (fault.name, moment)
        for fault in FAULTS
        for moment in MOMENTS
        if isinstance(fault.cells[moment], Cell)
    }

    assert tried == applying


def test_every_pool_broker_and_database_has_its_part() -> None:
    grounds = [ground for _, ground in SCENES]

    assert {ground.pool for ground in grounds} == {"prefork", "threads", "solo"}
    assert {ground.broker for ground in grounds} == {"redis", "rabbitmq"}
    assert {ground.database for ground in grounds} == {"postgresql", "mariadb", "sqlite"}
