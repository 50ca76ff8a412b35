from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman.admin.batch import live, screen
from celery_jobman.admin.batch.graph import page as graph_page
from celery_jobman.models import Batch
from celery_jobman.states import State
from tests.factories import NOON, begun_batch, member

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db

PAGES = {"change": "state", "graph": "graph_state"}


@pytest.fixture(autouse=True)
def _at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ages would differ from one answer to the next."""

    class Noon:
        @staticmethod
        def now() -> Any:
            return NOON

    for module in (live, screen, graph_page):
        monkeypatch.setattr(module, "timezone", Noon)


def versions_of(answer: Any) -> dict[str, str]:
    return {name: part["version"] for name, part in answer.json()["regions"].items()}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("query", ["", "?show=all", "?form=table", "?flow=down"])
def test_the_page_and_the_live_answer_agree(
    admin_client: Client, url: Any, page: str, query: str
) -> None:
    whole = begun_batch(total=2, failed=1)
    member(whole, State.FAILED)
    member(whole, State.RUNNING, position=1)
    drawn = admin_client.get(url(whole, page) + query).content.decode()

    answer = admin_client.get(url(whole, PAGES[page]) + query)

    assert f'data-state-url="{url(whole, PAGES[page])}{query}"' in drawn
    for name, part in answer.json()["regions"].items():
        version = f'data-jobman-region="{name}" data-jobman-version="{part["version"]}"'
        assert (version in drawn) is bool(part["version"]), name


@pytest.mark.parametrize("name", PAGES.values())
def test_only_what_changed_comes_again(admin_client: Client, url: Any, name: str) -> None:
    whole = begun_batch(total=1)
    job = member(whole, State.QUEUED)
    held = versions_of(admin_client.get(url(whole, name)))

    assert admin_client.get(url(whole, name), held).json()["regions"] == {}

    type(job).objects.filter(pk=job.pk).update(state=State.FAILED, finished_at=NOON)
    Batch.objects.filter(pk=whole.pk).update(pending=0, failed=1)
    changed = admin_client.get(url(whole, name), held).json()["regions"]
    assert "header" in changed
    assert "facts" not in changed
    assert {"members", "graph"} & changed.keys()


def test_it_says_whether_the_batch_has_ended(admin_client: Client, url: Any) -> None:
    for whole in (begun_batch(), begun_batch(State.CANCELLED)):
        answer = admin_client.get(url(whole, "state"))

        assert answer.json()["final"] is whole.is_final
        assert "no-store" in answer.headers["Cache-Control"]


def test_hidden_batches_are_not_told_of(client_with: Any, url: Any) -> None:
    client = client_with("view_job")

    for name in PAGES.values():
        assert client.get(url(begun_batch(), name)).status_code == 404
