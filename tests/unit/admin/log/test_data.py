from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.template.loader import render_to_string
from django.urls import reverse

from celery_jobman.admin.jobs import JobAdmin
from celery_jobman.admin.log.regions import DATA
from celery_jobman.admin.page.regions import Subject
from celery_jobman.models import Job
from celery_jobman.states import State
from tests.factories import NOON, checkpoint, finished_job

if TYPE_CHECKING:
    from django.test import Client, RequestFactory
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db

HIDDEN = "&quot;••• (hidden)&quot;"


def _context(rf: RequestFactory, job: Job, user: Any = None) -> dict[str, Any]:
    request = rf.get("/")
    request.user = user or get_user_model().objects.create_superuser("root")
    subject = Subject(JobAdmin(Job, admin.site), request, job, NOON)
    return {**DATA[0].context(subject)}


def _page(rf: RequestFactory, job: Job, user: Any = None) -> str:
    return render_to_string("admin/jobman/job/_data.html", _context(rf, job, user), rf.get("/"))


def _download(client: Client, job: Job, name: str) -> Any:
    return client.get(reverse("admin:jobman_job_data", args=[job.pk, name]))


def test_values_are_pretty_exact_and_masked(rf: RequestFactory) -> None:
    job = finished_job(
        State.SUCCEEDED,
        args=json.dumps([12345678901234567890123, "é", {"deep": [{"api_key": "k"}]}]),
        kwargs='{"password": {"all": 1}, "limit": 3}',
        result='{"token": "t", "rows": 4}',
        tags=["nightly"],
        attribs={"secret": "s", "note": "<b>"},
    )
    checkpoint(job, "fetch", {"cookie": "c", "rows": 5})

    page = _page(rf, job)

    assert "  12345678901234567890123,\n  &quot;é&quot;" in page
    assert page.count(HIDDEN) == 5
    assert "5 values are hidden." in page
    assert "&quot;limit&quot;: 3" in page
    assert "&quot;note&quot;: &quot;&lt;b&gt;&quot;" in page
    assert "nightly" not in page  # it is among the facts
    assert "Reveal" in page
    assert f'action="/admin/jobman/job/{job.pk}/reveal/"' in page


def test_nothing_is_revealed_where_nothing_is_hidden(rf: RequestFactory) -> None:
    page = _page(rf, finished_job(args='["plain"]', tags=["nightly"]))

    assert "plain" in page
    assert "Reveal" not in page


def test_what_is_cut_may_hide_more(rf: RequestFactory) -> None:
    assert "Reveal" in _page(rf, finished_job(args=json.dumps(["a" * 70_000])))


def test_everything_has_a_permission_of_its_own(rf: RequestFactory) -> None:
    job = finished_job(
        State.SUCCEEDED, args='["given"]', result='"returned"', attribs={"a": "noted"}
    )
    checkpoint(job, "fetch", "checked")
    user = get_user_model().objects.create_user("ann", is_staff=True)
    seen: dict[str, list[str]] = {}

    for name in ("view_job", "view_job_args", "view_job_result"):
        user.user_permissions.add(Permission.objects.get(codename=name))
        page = _page(rf, job, get_user_model().objects.get(pk=user.pk))
        seen[name] = [w for w in ("given", "returned", "checked", "noted") if w in page]
        assert "Reveal" not in page

    assert seen == {
        "view_job": ["noted"],
        "view_job_args": ["given", "noted"],
        "view_job_result": ["given", "returned", "checked", "noted"],
    }


@pytest.mark.parametrize(("count", "hidden"), [(900, 900), (10_000, 64)])
def test_only_the_beginning_of_much_is_shown_and_all_of_it_downloaded(
    rf: RequestFactory, admin_client: Client, count: int, hidden: int
) -> None:
    many = [{"password": "p", "row": "x" * 1_000}] * count
    job = finished_job(args=json.dumps(many), kwargs='{"a": 1}')

    context = _context(rf, job)
    block = context["blocks"][0].shown
    answer = _download(admin_client, job, "args")

    assert (len(block.text), block.is_cut, block.hidden) == (64 * 1024, True, hidden)
    assert block.text.startswith('[\n  {\n    "password": "••• (hidden)"')
    assert len(json.loads(answer.content)) == count
    assert b'"p"' not in answer.content
    assert answer["Content-Disposition"] == f'attachment; filename="{job.pk}-args.json"'
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "text",
    [
        "not JSON, password=1",
        "",
        "{",
        "[" * 100_000,
        "[" * 5_000 + "]" * 5_000,
        "[" * 400 + "]" * 400,
        "[" + "9" * 5_000 + "]",
        '"\\ud800"',
        '"\\u0000<script>\\u001b"',
        "NaN",
        "[1e999]",
    ],
)
def test_text_that_is_no_json_breaks_nothing(
    rf: RequestFactory, admin_client: Client, text: str
) -> None:
    job = finished_job(State.SUCCEEDED, args=text, kwargs=text, result=text)
    reveal = reverse("admin:jobman_job_reveal", args=[job.pk])

    page = _page(rf, job)

    assert "password=1" not in page
    assert "<script>" not in page.partition("<h2")[2]
    assert page.encode()
    assert _download(admin_client, job, "args").status_code == 200
    assert admin_client.post(reveal).status_code == 200


def test_a_long_list_of_checkpoints_is_cut(rf: RequestFactory, admin_client: Client) -> None:
    job = finished_job()
    checkpoint(job, "huge", "x" * 100_000)
    for number in range(120):
        checkpoint(job, f"step {number}", number)

    block = next(b.shown for b in _context(rf, job)["blocks"] if b.shown.name == "steps")
    whole = json.loads(_download(admin_client, job, "steps").content)

    assert len(json.loads(block.text)) == 100
    assert block.is_cut
    assert "too large" in block.text
    assert len(whole) == 121
    assert len(whole["huge"]) == 100_000


def test_downloads_need_what_the_page_needs(client: Client) -> None:
    job = finished_job(args='["given"]')
    user = get_user_model().objects.create_user("ann", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_job"))
    client.force_login(user)

    assert _download(client, job, "args").status_code == 404
    assert _download(client, job, "steps").status_code == 404
    assert _download(client, job, "message").status_code == 404
    assert _download(client, job, "tags").status_code == 200


def test_the_data_costs_two_queries_however_much_there_is(
    rf: RequestFactory, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    job = finished_job(State.SUCCEEDED, result="1", tags=["a"])
    for number in range(20):
        checkpoint(job, f"step {number}", number)
    user = get_user_model().objects.create_superuser("root")

    with django_assert_num_queries(2):
        _context(rf, job, user)
