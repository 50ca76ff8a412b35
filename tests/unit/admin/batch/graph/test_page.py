from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman.admin.batch.graph import reading
from celery_jobman.models import Job
from celery_jobman.states import State
from tests.factories import LATER, begun_batch, linked, member, nested, unsaved_job

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries

    from celery_jobman.models import Batch

pytestmark = pytest.mark.django_db


def graph_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    page = answer.content.decode()
    return page[page.index('data-jobman-region="graph"') :]


def a_thousand(different: int) -> Batch:
    """Return a batch of 1,000 jobs, of so many different tasks."""
    whole = begun_batch(total=1_000)
    rows = (
        unsaved_job(task=f"demo.t{n % different}", batch_id=whole.pk, position=n)
        for n in range(1_000)
    )
    Job.objects.bulk_create(rows)
    return whole


def test_a_chain_is_drawn_with_its_links(admin_client: Client, url: Any) -> None:
    whole = begun_batch(kind="chain", total=2, succeeded=1)
    linked(
        member(whole, State.SUCCEEDED, task="shop.extract"),
        member(whole, State.BLOCKED, task="shop.load"),
    )

    drawn = graph_of(admin_client, url(whole, "graph"))

    assert 'aria-label="Graph of 2 nodes"' in drawn
    assert re.findall(r'<a href="[^"]+" aria-label="(\w+), ', drawn) == ["extract", "load"]
    assert drawn.count("jm-graph-line") == 1


def test_the_table_says_the_same(admin_client: Client, url: Any) -> None:
    whole = begun_batch(kind="chain", total=2, succeeded=1)
    group = nested(whole, kind="group", name="regions", total=1)
    member(group, State.RUNNING, task="shop.load")
    linked(member(whole, State.SUCCEEDED, task="shop.extract"), group)

    told = graph_of(admin_client, url(whole, "graph") + "?form=table")

    rows = re.findall(r'class="jm-depth-(\d)"><a [^>]*>(\w+)</a>', told)
    assert rows == [("0", "extract"), ("0", "regions"), ("1", "load")]
    assert '<svg class="jm-graph' not in told
    assert re.findall(r'data-label="After">([^<]+)<', told) == ["–", "extract", "–"]  # noqa: RUF001


def a_race(**fields: Any) -> Batch:
    """Return a batch of two that ended one after the other."""
    whole = begun_batch(State.SUCCEEDED, total=2, **fields)
    member(whole, State.SUCCEEDED, task="shop.quick")
    member(whole, State.SUCCEEDED, task="shop.slow", position=1, finished_at=LATER)
    return whole


def test_what_took_longest_is_bold_and_explained(admin_client: Client, url: Any) -> None:
    drawn = graph_of(admin_client, url(a_race(), "graph"))

    assert "Bold: what took longest." in drawn
    assert re.findall(r'aria-label="(\w+), [^"]+, on the longest path"', drawn) == ["slow"]
    assert drawn.count("jm-graph-longest") == 1


def test_the_table_names_what_took_longest(admin_client: Client, url: Any) -> None:
    told = graph_of(admin_client, url(a_race(), "graph") + "?form=table")

    rows = re.findall(r">(\w+)</a>.*?</tr>", told, re.DOTALL)
    assert rows == ["quick", "slow"]
    assert told.count("on the longest path") == 1
    assert told.index("slow") < told.index("on the longest path")
    assert "Bold:" not in told


def test_without_a_longest_path_there_is_nothing_to_explain(admin_client: Client, url: Any) -> None:
    whole = begun_batch(total=2, succeeded=1)
    member(whole, State.SUCCEEDED)
    member(whole, State.RUNNING, position=1)

    drawn = graph_of(admin_client, url(whole, "graph"))

    assert "Bold:" not in drawn
    assert "longest" not in drawn


@pytest.mark.parametrize(
    ("query", "chosen", "other"),
    [
        ("", ("?", "Left to right"), ("?flow=down", "Top to bottom")),
        ("?flow=down", ("?flow=down", "Top to bottom"), ("?", "Left to right")),
        ("?draw=1", ("?draw=1", "Left to right"), ("?draw=1&amp;flow=down", "Top to bottom")),
    ],
)
def test_the_way_it_runs_is_chosen_by_links(
    admin_client: Client, url: Any, query: str, chosen: tuple[str, str], other: tuple[str, str]
) -> None:
    page = admin_client.get(url(a_race(), "graph") + query).content.decode()

    assert re.findall(r'href="(\?\S*)" aria-current="page">([^<]+)</a>', page) == [chosen]
    assert f'href="{other[0]}">{other[1]}</a>' in page


def test_the_table_keeps_the_way_that_the_drawing_runs(admin_client: Client, url: Any) -> None:
    address = url(a_race(), "graph")

    drawn = admin_client.get(address + "?flow=down").content.decode()
    told = admin_client.get(address + "?form=table&flow=down").content.decode()

    assert 'href="?form=table&amp;flow=down">Show as table' in drawn
    assert 'href="?flow=down">Show as drawing' in told
    assert "Top to bottom" not in told


def test_a_graph_that_runs_down_does_so_when_it_is_drawn_anew(
    admin_client: Client, url: Any
) -> None:
    whole = begun_batch(kind="chain", total=2)
    linked(member(whole, State.RUNNING), member(whole, State.BLOCKED))
    page = admin_client.get(url(whole, "graph") + "?flow=down").content.decode()

    state_url = html.unescape(re.findall(r'data-state-url="([^"]+)"', page)[0])
    answer = admin_client.get(state_url).json()

    down = "M108 50V88"
    assert down in page
    assert down in answer["regions"]["graph"]["html"]


def test_a_thousand_equal_jobs_are_one_node(admin_client: Client, url: Any) -> None:
    drawn = graph_of(admin_client, url(a_thousand(1), "graph"))

    assert 'aria-label="Graph of 1 node"' in drawn
    assert "t0, 0 of 1,000 succeeded" in drawn


def test_a_thousand_different_jobs_are_listed_unless_somebody_insists(
    admin_client: Client, url: Any
) -> None:
    address = url(a_thousand(1_000), "graph")

    told = graph_of(admin_client, address)
    drawn = graph_of(admin_client, address + "?draw=1")

    assert "1,000 nodes are more than 300" in told
    assert 'href="?draw=1"' in told
    assert 'href="?draw=1&amp;flow=down"' in graph_of(admin_client, address + "?flow=down")
    assert told.count('class="jm-depth-0"') == 1_000
    assert 'aria-label="Graph of 1,000 nodes"' in drawn


def test_what_is_too_much_even_to_list_is_one_node(
    admin_client: Client, url: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_ROWS", 10)

    told = graph_of(admin_client, url(begun_batch(name="nightly", total=3_000), "graph"))

    assert "3,000 members are too many to be drawn one by one" in told
    assert 'aria-label="nightly, Running, 0 of 3,000 succeeded"' in told


def test_an_empty_batch_has_nothing_to_draw(admin_client: Client, url: Any) -> None:
    assert "nothing to draw" in graph_of(admin_client, url(begun_batch(), "graph"))


def test_the_graph_costs_the_same_however_many_jobs_there_are(
    admin_client: Client, url: Any, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    def cost(width: int) -> int:
        whole = begun_batch(total=width)
        for position in range(width):
            member(whole, task=f"demo.{position}", position=position)
        with django_assert_max_num_queries(15) as queries:
            graph_of(admin_client, url(whole, "graph"))
        return len(queries.captured_queries)

    cost(1)

    assert cost(1) == cost(40)


def test_hidden_batches_have_no_graph(client_with: Any, url: Any) -> None:
    answer = client_with("view_job").get(url(begun_batch(total=1), "graph"))

    assert answer.status_code == 302
