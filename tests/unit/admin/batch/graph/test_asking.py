from __future__ import annotations

import pytest
from django.http import QueryDict

from celery_jobman.admin.batch.graph.asking import Asked


def asked(query: str) -> Asked:
    return Asked.of(QueryDict(query))


@pytest.mark.parametrize(
    "query", ["", "form=table", "draw=1", "flow=down", "form=table&draw=1&flow=down"]
)
def test_an_address_says_what_was_asked(query: str) -> None:
    assert str(asked(query)) == f"?{query}"


@pytest.mark.parametrize("query", ["flow=up", "form=cake", "draw=", "page=3&since=12"])
def test_what_is_unknown_asks_for_nothing(query: str) -> None:
    assert asked(query) == Asked()


def test_another_direction_keeps_the_rest() -> None:
    assert asked("form=table&draw=1").downwards == "?form=table&draw=1&flow=down"
    assert asked("draw=1&flow=down").rightwards == "?draw=1"


def test_another_form_keeps_the_direction() -> None:
    assert asked("flow=down").as_table == "?form=table&flow=down"
    assert asked("form=table&flow=down").as_drawing == "?flow=down"
    assert asked("form=table&flow=down").all_drawn == "?draw=1&flow=down"
