from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman.admin.batch import members
from celery_jobman.admin.batch.bar import KEPT
from celery_jobman.states import State
from tests.factories import begun_batch, member, nested

if TYPE_CHECKING:
    from django.test import Client

    from celery_jobman.models import Batch

pytestmark = pytest.mark.django_db


def a_bit_of_all() -> Batch:
    whole = begun_batch(total=10, succeeded=1, failed=2, cancelled=1, skipped=1)
    states = [State.FAILED, *State, State.RUNNING]
    for position, state in enumerate(states):
        member(whole, state, position=position)
    return whole


def shown(subject: Any) -> list[str]:
    return [str(one.badge.word) for one in members.members(subject)["members"]]


def test_the_tabs_tell_what_the_batch_counts(seen_by: Any) -> None:
    tabs = members.members(seen_by(a_bit_of_all()))["tabs"]

    assert [(tab.word, tab.number) for tab in tabs] == [
        ("All", "10"),
        ("Succeeded", "1"),
        ("Failed", "2"),
        ("Cancelled", "1"),
        ("Skipped", "1"),
        ("Pending", "5"),
    ]


@pytest.mark.parametrize("name", KEPT)
def test_a_tab_shows_as_many_members_as_it_tells(seen_by: Any, name: str) -> None:
    whole = a_bit_of_all()
    subject = seen_by(whole, f"show={name}")

    found = members.members(subject)

    (tab,) = [tab for tab in found["tabs"] if tab.chosen]
    assert len(found["members"]) == getattr(whole, name) == int(tab.number)


def test_without_a_choice_what_matters_most_is_shown(seen_by: Any) -> None:
    assert shown(seen_by(a_bit_of_all())) == ["Failed", "Failed"]

    going = begun_batch(total=1)
    member(going, State.RUNNING)
    assert shown(seen_by(going)) == ["Running"]

    done = begun_batch(State.SUCCEEDED, total=1)
    member(done, State.SUCCEEDED)
    assert shown(seen_by(done)) == ["Succeeded"]


def test_members_stand_in_the_order_in_which_they_were_written(seen_by: Any) -> None:
    whole = begun_batch(kind="chain", total=3, succeeded=1)
    names = [member(whole, State.SUCCEEDED, task="demo.one").task]
    names += [nested(whole, name="two", total=4, failed=1).name]
    names += [member(whole, State.BLOCKED, task="demo.three").task]

    found = members.members(seen_by(whole, "show=all"))["members"]

    assert [one.name for one in found] == names
    assert found[1].note == "1 of 4 (25%)"


def test_a_page_leads_to_the_next_one(seen_by: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "PER_PAGE", 4)
    whole = begun_batch(total=10)
    states = [State.QUEUED, State.RUNNING, State.BLOCKED]
    ids = [str(member(whole, states[n % 3], position=n).pk) for n in range(10)]

    found, query, pages = [], "show=pending", 0
    while query:
        page = members.members(seen_by(whole, query))
        found += [re.search(r"[0-9a-f-]{36}", one.href)[0] for one in page["members"]]  # type: ignore[index]
        query, pages = page["more"].removeprefix("?").removesuffix("#jm-members"), pages + 1
        assert bool(page["first"]) is (pages > 1)

    assert (found, pages) == (ids, 3)


@pytest.mark.parametrize("query", ["show=nonsense", "after=nonsense", "show=failed&after=%00"])
def test_nonsense_is_answered_with_the_first_page(
    admin_client: Client, url: Any, query: str
) -> None:
    whole = a_bit_of_all()

    answer = admin_client.get(f"{url(whole)}?{query}")

    assert answer.status_code == 200
    assert answer.content.decode().count('data-label="Job or batch"') == 2


def test_an_element_is_counted_from_one_and_errors_are_told(seen_by: Any) -> None:
    whole = begun_batch(total=1, failed=1)
    member(whole, State.FAILED, position=6, error_class="ValueError", error_message="bad row")

    (one,) = members.members(seen_by(whole))["members"]

    assert (one.element, one.note, one.took) == ("7", "ValueError: bad row", "5m")
