from __future__ import annotations

import pytest

from celery_jobman.admin.batch.graph.axis import DOWN, RIGHT, Axis


def test_what_runs_to_the_right_lies_as_it_is_measured() -> None:
    assert RIGHT.turned(3, 5) == (3, 5)


def test_what_runs_down_is_turned_and_turned_back() -> None:
    assert DOWN.turned(3, 5) == (5, 3)
    assert DOWN.turned(*DOWN.turned(3, 5)) == (3, 5)


@pytest.mark.parametrize(
    ("count", "ranks"), [(1, (1, 1)), (8, (1, 8)), (9, (2, 5)), (17, (3, 6)), (24, (3, 8))]
)
def test_single_nodes_are_spread_evenly(count: int, ranks: tuple[int, int]) -> None:
    assert Axis(is_down=False, abreast=8).stacked(count) == ranks
