from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock
from uuid import UUID

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from celery_jobman.admin.access import Deed
from celery_jobman.admin.listing import ids, tabs
from celery_jobman.models import Job
from celery_jobman.models.ids import uuid7
from celery_jobman.states import State
from tests.factories import (
    finished_job,
    job_in,
    queued_job,
    running_job,
    scheduled_job,
    spoil,
    worker,
)
from tests.unit.conftest import BOUNDS

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db

LIST, COUNTS, STATES = (f"admin:jobman_job_{name}" for name in ("changelist", "counts", "states"))


@pytest.fixture
def viewer(client: Client) -> Client:
    """Someone who may see jobs, and nothing of what is in them."""
    user = get_user_model().objects.create_user("viewer", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_job"))
    client.force_login(user)
    return client


def page(client: Client, **query: Any) -> Any:
    response = client.get(reverse(LIST), query)
    assert response.status_code == 200
    return response


def shown(response: Any) -> list[Job]:
    return list(response.context["cl"].result_list)


def said(response: Any) -> str:
    return " ".join(str(message) for message in response.context["messages"])


def polled(client: Client, name: str, **query: Any) -> Any:
    response = client.get(reverse(name), query)
    assert response.status_code == 200
    return json.loads(response.content)


@pytest.fixture
def small_pages() -> Any:
    with mock.patch.object(admin.site._registry[Job], "list_per_page", 2):
        yield


@pytest.mark.usefixtures("small_pages")
def test_a_row_that_cannot_be_read_takes_no_page_down(admin_client: Client) -> None:
    jobs = [queued_job() for _ in range(5)][::-1]
    spoil(jobs[1])

    first = page(admin_client)
    second = admin_client.get(reverse(LIST) + first.context["cl"].links["older"])

    assert [shown(first), shown(second)] == [[jobs[0], jobs[2]], [jobs[3], jobs[4]]]
    assert "older" not in second.context["cl"].links


@pytest.mark.usefixtures("small_pages")
def test_pages_are_turned_in_both_directions(admin_client: Client) -> None:
    jobs = [queued_job() for _ in range(5)][::-1]

    first = page(admin_client)
    links = first.context["cl"].links
    second = admin_client.get(reverse(LIST) + links["older"])
    third = admin_client.get(reverse(LIST) + second.context["cl"].links["older"])
    back = admin_client.get(reverse(LIST) + third.context["cl"].links["newer"])
    start = admin_client.get(reverse(LIST) + back.context["cl"].links["newer"])

    assert shown(first) == jobs[:2]
    assert set(links) == {"older"}
    assert shown(second) == jobs[2:4]
    assert shown(third) == jobs[4:]
    assert "older" not in third.context["cl"].links
    assert shown(back) == jobs[2:4]
    assert set(back.context["cl"].links) == {"newest", "newer", "older"}
    assert shown(start) == jobs[:2]
    assert "newer" not in start.context["cl"].links


@pytest.mark.usefixtures("small_pages")
def test_links_of_filters_begin_at_the_first_page_again(admin_client: Client) -> None:
    jobs = [queued_job() for _ in range(4)]

    response = page(admin_client, _after=str(jobs[3].pk), queue="celery")

    assert all("_after" not in tab.href for tab in response.context["tabs"])
    assert "queue=celery" in response.context["cl"].links["newest"]
    assert "_after" not in response.context["cl"].links["newest"]


@pytest.mark.parametrize(
    "query", [{"_after": "nope"}, {"_before": ""}, {"_after": str(uuid7()), "_before": "1"}]
)
def test_a_page_from_nowhere_is_the_first_one_and_said(
    admin_client: Client, query: dict[str, str]
) -> None:
    job = queued_job()

    response = page(admin_client, **query)

    assert shown(response) == [job]
    assert "no such page" in said(response)


def test_no_rows_are_counted_and_the_queries_stay_the_same(admin_client: Client) -> None:
    for number in range(5):
        running_job(worker_id=worker(hostname=f"w{number}@host").id)
        queued_job(retry_of=uuid7())

    with CaptureQueriesContext(connection) as asked:
        page(admin_client)

    around = (*BOUNDS, "SET ", "SELECT @@", "\nSELECT before.", "SELECT set_config")
    statements = [q["sql"] for q in asked.captured_queries if not q["sql"].startswith(around)]
    # session, user, jobs, workers, forks; for the filters tasks, queues, owners, workers
    assert len(statements) == 9, "\n".join(statements)
    assert sum("jobman_job" in one and "LIMIT 51" in one for one in statements) == 1
    assert not any("COUNT(" in statement for statement in statements)
    assert not any("OFFSET" in statement for statement in statements)


@pytest.mark.parametrize("state", list(State))
def test_every_state_is_shown_with_its_badge(admin_client: Client, state: State) -> None:
    job_in(state)

    body = page(admin_client, state__exact=state.value).content.decode()

    assert 'data-cell="state"' in body
    assert str(state.label) in body


def test_the_box_of_a_row_is_the_one_that_django_draws(admin_client: Client) -> None:
    queued_job(task="<b>")
    model_admin = admin.site._registry[Job]

    (job,) = shown(page(admin_client))

    assert model_admin.action_checkbox(job) == admin.ModelAdmin.action_checkbox(model_admin, job)


def test_nothing_is_hidden_by_default(admin_client: Client) -> None:
    old = queued_job(id=ids.first_at(datetime(2001, 1, 1, tzinfo=UTC)))

    assert shown(page(admin_client)) == [old]


@pytest.mark.parametrize(("when", "number"), [("1h", 1), ("24h", 2), ("7d", 3), ("", 4)])
def test_jobs_are_filtered_by_when_they_were_made(
    admin_client: Client, when: str, number: int
) -> None:
    for hours in (0.5, 23, 24 * 6, 24 * 8):
        queued_job(id=ids.first_at(timezone.now() - timedelta(hours=hours)))

    assert len(shown(page(admin_client, when=when))) == number


def test_filters_and_suggestions_offer_tasks_and_queues(admin_client: Client) -> None:
    job = queued_job(task="shop.<b>", queue="mails")
    queued_job()

    response = page(admin_client, task="shop.<b>", queue="mails")
    body = response.content.decode()

    assert shown(response) == [job]
    assert '<option value="task:shop.&lt;b&gt;">' in body
    assert '<option value="queue:mails">' in body
    assert '<option value="state:failed">' in body
    assert "?queue=celery&amp;task=shop" in body


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"q": "taks:a"}, "taks:"),
        ({"q": "state:done"}, "state:"),
        ({"state__exact": "done"}, "no such state"),
        ({"when": "2h"}, "no such span"),
        ({"q": "a\0b"}, "control characters"),
    ],
)
def test_what_is_not_understood_is_said_and_finds_nothing(
    admin_client: Client, query: dict[str, str], words: str
) -> None:
    queued_job()

    response = page(admin_client, **query)

    assert shown(response) == []
    assert words in said(response)


@pytest.mark.parametrize("client_name", ["admin_client", "viewer"])
@pytest.mark.parametrize(
    "query",
    [
        {"kwargs__contains": "secret"},
        {"result__startswith": "a"},
        {"error_message__contains": "a"},
        {"task__regex": "["},
        {"owner__password__startswith": "a"},
        {"task": "a\0b"},
    ],
)
def test_hidden_columns_cannot_be_guessed_at(
    request: pytest.FixtureRequest, client_name: str, query: dict[str, str]
) -> None:
    client: Client = request.getfixturevalue(client_name)
    queued_job()

    assert client.get(reverse(LIST), query).status_code == 400
    assert client.get(reverse(COUNTS), query).status_code == 400


def test_a_bad_value_of_a_column_shows_the_list_again(admin_client: Client) -> None:
    assert admin_client.get(reverse(LIST), {"attempt": "x"}).status_code == 302
    assert admin_client.get(reverse(STATES), {"attempt": "x"}).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        {"created_at__gte": "0001-01-01T00:00:00+23:59"},
        {"created_at__lt": "9999-12-31T23:59:59-12:00"},
        {"finished_at__in": "2026-01-31,0001-01-01"},
    ],
)
def test_a_moment_at_the_end_of_the_calendar_is_refused(
    admin_client: Client, query: dict[str, str]
) -> None:
    assert admin_client.get(reverse(LIST), query).status_code == 400
    assert admin_client.get(reverse(COUNTS), query).status_code == 400


def test_a_running_job_shows_its_progress(admin_client: Client) -> None:
    running_job(progress_current=1500, progress_total=6000, progress_unit="rows")

    body = page(admin_client).content.decode()

    assert '<progress max="6000" value="1500"' in body
    assert "1,500 of 6,000 rows (25%)" in body


def test_an_error_is_one_line_for_those_who_may_read_the_log(
    admin_client: Client, viewer: Client
) -> None:
    finished_job(
        error_class="shop.Bad", error_message="<b>first</b> " + "x" * 200 + "\nanother line"
    )

    body = page(admin_client).content.decode()

    assert "Bad: &lt;b&gt;first&lt;/b&gt; xxx" in body
    assert "another line" not in body
    assert "x" * 120 not in body
    assert "Bad:" not in page(viewer).content.decode()


def test_only_readers_of_the_log_may_search_for_errors(viewer: Client) -> None:
    finished_job(error_class="ValueError")

    response = page(viewer, q="error:ValueError")

    assert shown(response) == []
    assert "may not search for errors" in said(response)


def test_a_retry_names_its_origin(admin_client: Client) -> None:
    origin = finished_job()
    queued_job(retry_of=origin.pk)

    body = page(admin_client).content.decode()

    assert f"retry of …{str(origin.pk)[-8:]}" in body


def test_jobs_that_the_rule_denies_are_left_out(admin_client: Client) -> None:
    denied, seen = queued_job(task="secret"), queued_job()

    def rule(user: Any, deed: str, job: Job) -> bool:  # noqa: ARG001
        return deed != Deed.VIEW or job.task != "secret"

    with mock.patch("celery_jobman.admin.access._rule", return_value=rule):
        assert shown(page(admin_client)) == [seen]
        answer = polled(admin_client, STATES, ids=f"{denied.pk},{seen.pk}")

    assert list(answer["rows"]) == [str(seen.pk)]


def test_a_list_of_some_jobs_offers_only_their_names(admin_client: Client) -> None:
    queued_job(task="mine")
    queued_job(task="theirs", queue="theirs")
    model_admin = admin.site._registry[Job]
    theirs = Job.objects.exclude(task="theirs")

    with mock.patch.object(type(model_admin), "get_queryset", return_value=theirs):
        body = page(admin_client).content.decode()

    assert "task:mine" in body
    assert "theirs" not in body


def test_states_are_counted_for_the_same_filter(admin_client: Client) -> None:
    for _ in range(3):
        finished_job(queue="mails")
    finished_job()
    queued_job(queue="mails")

    answer = polled(admin_client, COUNTS, queue="mails", state__exact="queued", _after=uuid7())

    assert answer["counts"]["failed"] == "3"
    assert answer["counts"]["queued"] == "1"
    assert answer["counts"]["running"] == "0"


def test_counting_stops_at_a_cap() -> None:
    for _ in range(4):
        queued_job()

    assert tabs.capped(Job.objects.all(), 2) == 3
    assert tabs.worded(3, 2) == "2+"
    assert tabs.worded(10_001, 10_000) == "10k+"
    assert tabs.worded(10_000, 10_000) == "10,000"


def test_polling_renews_the_rows_and_tells_of_new_jobs(admin_client: Client) -> None:
    job = running_job(progress_current=1, progress_total=2, queue="a")
    scheduled_job(queue="a")
    scheduled_job(queue="b")

    answer = polled(admin_client, STATES, ids=f"{job.pk},nope,{uuid7()}", newest=job.pk, queue="a")

    assert list(answer["rows"]) == [str(job.pk)]
    assert "Running" in answer["rows"][str(job.pk)]["state"]
    assert "<progress" in answer["rows"][str(job.pk)]["name"]
    assert answer["new"] == "Show 1 new job"
    assert answer["at"]


@pytest.mark.parametrize("query", [{}, {"ids": ",,\0", "newest": "nope"}, {"q": "taks:a"}])
def test_polling_with_nothing_to_tell_is_quiet(admin_client: Client, query: dict[str, str]) -> None:
    queued_job()

    answer = polled(admin_client, STATES, **query)

    assert (answer["rows"], answer["new"]) == ({}, "")
    assert "taks" not in said(page(admin_client))


@pytest.mark.parametrize("name", [LIST, COUNTS, STATES])
def test_the_list_is_only_for_those_who_may_see_jobs(client: Client, name: str) -> None:
    user = get_user_model().objects.create_user("stranger", is_staff=True)

    assert client.get(reverse(name)).status_code == 302
    client.force_login(user)
    assert client.get(reverse(name)).status_code == 403


def test_no_inline_style_or_script_is_written(admin_client: Client) -> None:
    queued_job()

    body = page(admin_client).content.decode()

    assert " style=" not in body
    assert "<style" not in body
    assert "data:image" not in body


def test_ids_begin_with_their_time() -> None:
    assert ids.first_at(datetime(1960, 1, 1, tzinfo=UTC)) == UUID(int=0)
    assert ids.beginning_with("1234567") is None


def test_arguments_are_for_those_who_may_see_them(viewer: Client, admin_client: Client) -> None:
    queued_job(preview='"airports", limit=300')
    shortened = "(&quot;airports&quot;, limit=300)"

    assert shortened in page(admin_client).content.decode()
    assert "airports" not in page(viewer).content.decode()


def test_arguments_of_a_page_cost_no_statement(admin_client: Client) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            page(admin_client)
        return len(captured)

    queued_job(preview="1")
    few = statements()
    for _ in range(5):
        queued_job(preview="2")

    assert statements() == few


def test_a_job_on_a_dead_worker_only_seems_to_run(admin_client: Client) -> None:
    gone = worker(seen=timezone.now() - timedelta(minutes=5))
    running_job(worker_id=gone.pk)
    running_job(worker_id=worker(seen=timezone.now(), hostname="w2@host").pk)

    text = page(admin_client).content.decode()

    assert text.count("Running, worker silent") == 1


def test_a_label_stands_before_its_task(admin_client: Client) -> None:
    queued_job(label="Nightly", task="shop.load")

    text = page(admin_client).content.decode()

    assert re.search('<a class="jm-task" href="[^"]*">Nightly</a>', text)
    assert '<div class="jm-second jm-mono">shop.<wbr>load</div>' in text
