from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from celery_jobman.states import State
from tests.factories import queued_job

if TYPE_CHECKING:
    from django.test import Client

    from celery_jobman.admin.listing.emptiness import Emptiness

pytestmark = pytest.mark.django_db

LIST = "admin:jobman_job_changelist"


def said(client: Client, **query: Any) -> Emptiness:
    answer = client.get(reverse(LIST), query)
    assert answer.status_code == 200
    emptiness: Emptiness = answer.context["emptiness"]
    assert str(emptiness.text) in answer.content.decode()
    return emptiness


def test_a_list_with_rows_says_nothing(admin_client: Client) -> None:
    queued_job()

    assert admin_client.get(reverse(LIST)).context["emptiness"] is None


def test_an_empty_table_offers_no_way_out(admin_client: Client) -> None:
    assert said(admin_client) == ("No job has been recorded yet.", ())


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("name", ["state", "state__exact"])
def test_an_empty_state_is_named(admin_client: Client, state: State, name: str) -> None:
    text = said(admin_client, **{name: state.value}).text

    assert text == f"No {state.value} jobs match."


def test_the_ways_out_are_links(admin_client: Client) -> None:
    queued_job()

    found = said(admin_client, state="failed", when="1h", q="queue:mails")

    assert found.text == "No failed jobs match."
    assert dict(found.ways) == {
        "Search all time": "?q=queue%3Amails&state=failed",
        "Clear the search": "?state=failed&when=1h",
        "Show all jobs": "?",
    }


def test_a_page_whose_jobs_are_gone_leads_back(admin_client: Client) -> None:
    job = queued_job()

    found = said(admin_client, _after=str(job.pk), queue="celery")

    assert found.text == "There are no jobs on this page any more."
    assert found.ways[0] == ("Newest", "?queue=celery")
