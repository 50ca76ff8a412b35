from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman import actions
from celery_jobman.admin.batch import choices
from celery_jobman.states import State
from tests.factories import begun_batch, member, nested

if TYPE_CHECKING:
    from django.test import Client

    from celery_jobman.models import Batch

pytestmark = pytest.mark.django_db


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> Batch:
    """Return a failed batch with two members, one of them a batch of two; that is too many."""
    monkeypatch.setattr(choices, "PLANNED", 3)
    whole = begun_batch(State.FAILED, total=2, succeeded=1, failed=1)
    member(whole, State.SUCCEEDED)
    inner = nested(whole, State.FAILED, total=2, succeeded=1, failed=1)
    member(inner, State.FAILED)
    member(inner, State.SUCCEEDED, position=1)
    return whole


def possible(batch: Batch) -> dict[str, bool]:
    return {choice.value: choice.possible for choice in choices.choices(batch)}


def test_what_is_large_is_not_read_for_a_page(
    large: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(actions, "plan_batch_retry")

    assert possible(large) == {"failed": True, "following": True, "all": True}
    assert {choice.plan for choice in choices.choices(large)} == {None}
    rest = "A workflow this large is counted when it is retried."
    assert [choice.why for choice in choices.choices(large)] == [
        f"1 member failed. {rest}",
        f"1 member failed. {rest}",
        f"2 members. {rest}",
    ]


def test_what_is_just_large_enough_is_read(large: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices, "PLANNED", 4)

    assert [each.plan and each.plan.again_count for each in choices.choices(large)] == [1, 1, 3]


@pytest.mark.parametrize(
    ("state", "failed", "expected"),
    [
        (State.SUCCEEDED, 0, {"failed": False, "following": False, "all": True}),
        (State.RUNNING, 1, {"failed": True, "following": True, "all": False}),
    ],
)
def test_a_large_one_allows_what_its_row_allows(
    state: State, failed: int, expected: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choices, "PLANNED", 0)

    assert possible(begun_batch(state, total=2, failed=failed)) == expected


def test_a_large_one_is_retried_from_its_page(admin_client: Client, url: Any, large: Batch) -> None:
    page = admin_client.get(url(large, "retry"))
    data = {"standing": page.context["form"]["standing"].value(), "scope": "failed"}
    answer = admin_client.post(url(large, "retry"), data, follow=True)

    shown = page.content.decode()
    assert shown.count("counted when it is retried") == 3
    assert 'value="failed" checked aria-describedby="id_scope_0_why"' in shown
    assert "1 job runs again." in answer.content.decode()
