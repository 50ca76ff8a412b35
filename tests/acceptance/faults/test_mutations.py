"""The guards that the mutation check switches off are where it looks for them."""

from __future__ import annotations

import pytest

from tests.acceptance.faults.mutations import MUTATIONS, ROOT, Mutation
from tests.acceptance.faults.test_faults import CELLS, _words


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_guard_is_where_it_is_looked_for(mutation: Mutation) -> None:
    source = (ROOT / mutation.file).read_text(encoding="utf-8")

    assert source.count(mutation.guard) == 1


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_cells_that_must_fail_are_cells_of_the_matrix(mutation: Mutation) -> None:
    known = {_words(fault.name, moment, ground) for fault, ground, moment in CELLS}

    assert set(mutation.cells) <= known
