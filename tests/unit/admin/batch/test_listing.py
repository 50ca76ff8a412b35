from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from celery_jobman.admin.batch.listing import BatchList
from celery_jobman.models.batch import Kind
from celery_jobman.models.ids import uuid7
from celery_jobman.states import FINAL, State
from tests.factories import begun_batch, nested

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db

#: What the list may ask of the database: session, user, batches, owners; and for a limit of time.
QUERIES = 8


def listed(client: Client, **query: str) -> list[str]:
    answer = client.get(reverse("admin:jobman_batch_changelist"), query)
    assert answer.status_code == 200, query
    return [row.name for row in answer.context["cl"].result_list]


def test_whole_workflows_are_listed_the_newest_first(admin_client: Client) -> None:
    first = begun_batch(name="first")
    nested(first, name="inside")
    begun_batch(name="second", kind=Kind.CHAIN)

    assert listed(admin_client) == ["second", "first"]
    assert listed(admin_client, which="all") == ["second", "inside", "first"]
    assert listed(admin_client, batch_id=str(first.pk)) == ["inside"]
    assert listed(admin_client, root_id__exact=str(first.pk)) == ["inside", "first"]


def test_the_list_is_filtered_by_kind_and_state(admin_client: Client) -> None:
    begun_batch(name="a", kind=Kind.CHAIN)
    begun_batch(State.FAILED, name="b", kind=Kind.CHAIN, total=1, failed=1)
    begun_batch(State.FAILED, name="c", kind=Kind.GROUP)

    assert listed(admin_client, kind="chain") == ["b", "a"]
    assert listed(admin_client, state="failed") == ["c", "b"]
    assert listed(admin_client, state="failed", kind="group") == ["c"]
    assert listed(admin_client, state="nonsense") == []


def test_a_search_finds_names_and_ids_also_inside_of_workflows(admin_client: Client) -> None:
    root = begun_batch(name="nightly import")
    inner = nested(root, name="import of regions")
    begun_batch(name="mails")

    assert listed(admin_client, q="IMPORT") == ["import of regions", "nightly import"]
    assert listed(admin_client, q=str(inner.pk)) == ["import of regions"]
    assert listed(admin_client, q=str(uuid7())) == []
    assert listed(admin_client, q="a\0b") == []


def test_the_list_turns_pages_by_id(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BatchList, "list_per_page", 2)
    rows = [begun_batch(name=str(number)) for number in range(5)]

    assert listed(admin_client) == ["4", "3"]
    assert listed(admin_client, _after=str(rows[3].pk)) == ["2", "1"]
    assert listed(admin_client, _before=str(rows[0].pk)) == ["2", "1"]


@pytest.mark.parametrize(
    "query",
    [
        {"callbacks__contains": "secret"},
        {"error_message__startswith": "a"},
        {"owner__password__startswith": "a"},
        {"name": "x"},
        {"batch_id": "\0"},
    ],
)
def test_other_columns_cannot_be_guessed_at(admin_client: Client, query: dict[str, str]) -> None:
    answer = admin_client.get(reverse("admin:jobman_batch_changelist"), query)

    assert answer.status_code == 400


def test_the_list_costs_the_same_at_any_size(
    admin_client: Client,
    admin_user: User,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    def cost(count: int) -> int:
        for _ in range(count):
            nested(begun_batch(total=1, owner=admin_user))
        with django_assert_max_num_queries(QUERIES) as queries:
            listed(admin_client)
        return len(queries.captured_queries)

    cost(1)

    assert cost(1) == cost(20)


@pytest.mark.parametrize("state", [State.RUNNING, State.BLOCKED, *sorted(FINAL)])
def test_a_row_says_how_a_batch_stands(
    admin_client: Client, admin_user: User, state: State
) -> None:
    begun_batch(state, name="nightly", total=4, failed=1, owner=admin_user, kind=Kind.CHORD)

    page = admin_client.get(reverse("admin:jobman_batch_changelist")).content.decode()

    assert str(state.label) in page
    assert "Chord" in page
    assert "1 failed" in page
    assert admin_user.get_username() in page


def test_an_empty_list_says_why(admin_client: Client) -> None:
    def said(**query: str) -> str:
        answer: Any = admin_client.get(reverse("admin:jobman_batch_changelist"), query)
        return str(answer.context["emptiness"])

    assert said() == "No batch has been recorded yet."
    assert said(state="failed") == "No batches match."


def test_the_list_is_for_those_who_may_see_batches(client_with: Any) -> None:
    client = client_with("view_job")

    assert client.get(reverse("admin:jobman_batch_changelist")).status_code == 403
