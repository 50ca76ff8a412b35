from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.urls import reverse

from celery_jobman.admin.page.layout import REGIONS
from celery_jobman.models import Job
from celery_jobman.models.ids import uuid7
from celery_jobman.states import State
from tests.factories import (
    EARLIER,
    NOON,
    attempt,
    checkpoint,
    finished_job,
    job_in,
    log_line,
    queued_job,
    running_job,
    worker,
)

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202ered"
#: The regions that this package draws, and how a page holds them.
OURS = {"header", "progress", "facts", "timeline", "attempts", "related"}
REGION = re.compile(r'data-jobman-region="(\w+)"[^>]*>(.*?)</section>', re.DOTALL)
#: What one page may ask of the database, whatever the job did.
QUERIES = 30


def url_of(job_id: object) -> str:
    return reverse("admin:jobman_job_change", args=[str(job_id)])


def page_of(client: Client, job: Job) -> str:
    answer = client.get(url_of(job.pk))
    assert answer.status_code == 200
    return answer.content.decode()


def reader(*names: str) -> object:
    user = get_user_model().objects.create_user("ann", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return user


def regions_of(page: str) -> list[str]:
    return re.findall(r'data-jobman-region="(\w+)"', page)


@pytest.mark.parametrize("state", State)
def test_a_job_in_any_state_has_a_page(admin_client: Client, state: State) -> None:
    page = page_of(admin_client, job_in(state, label="Import of May"))

    assert "<h1>Import of May</h1>" in page
    assert page.count("<h1") == page.count("<h1>Import of May</h1>") + page.count("<h1 ")
    assert str(state.label) in page


def test_the_regions_stand_in_the_order_of_the_page(admin_client: Client) -> None:
    job = finished_job(progress_current=5, parent_id=uuid7())
    attempt(job)

    shown = regions_of(page_of(admin_client, job))

    names = [region.name for region in REGIONS]
    assert shown == [name for name in names if name in shown]
    assert set(shown) >= OURS


def test_a_region_with_nothing_in_it_is_left_out(admin_client: Client) -> None:
    shown = regions_of(page_of(admin_client, queued_job()))

    assert "progress" not in shown
    assert "timeline" not in shown
    assert "attempts" not in shown


def test_the_page_has_no_inline_script_and_no_inline_style(admin_client: Client) -> None:
    job = running_job(progress_current=5, progress_total=10, progress_at=NOON)
    attempt(job, number=1)

    page = page_of(admin_client, job)

    page = page[page.index('id="content-main"') :]
    assert " style=" not in page
    assert "<style" not in page
    assert not re.search(r"\son\w+=", page)
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)


def test_nothing_can_be_posted(admin_client: Client) -> None:
    job = queued_job()

    assert admin_client.post(url_of(job.pk), {"state": "failed"}).status_code == 403
    assert Job.objects.get(pk=job.pk).state == State.QUEUED


def test_unknown_hidden_and_misspelt_jobs_look_the_same(client: Client) -> None:
    client.force_login(reader("add_job"))  # type: ignore[arg-type]

    for job_id in (queued_job().pk, uuid7(), "nope", "a_00b", "x" * 3000):
        answer = client.get(url_of(job_id))

        assert answer.status_code == 302
        assert answer.headers["Location"] == reverse("admin:index")
        said = {str(message) for message in get_messages(answer.wsgi_request)}
        assert said == {"There is no such job, or you may not see it."}


def test_a_stranger_is_asked_to_log_in(client: Client) -> None:
    assert "/login/" in client.get(url_of(queued_job().pk)).headers["Location"]


def test_hostile_text_is_only_text(admin_client: Client) -> None:
    job = running_job(
        task=HOSTILE,
        label=HOSTILE,
        queue=HOSTILE,
        current_step=HOSTILE,
        declared_steps=[HOSTILE],
        progress_current=-5,
        progress_total=0,
        progress_unit="<b>",
        progress_message=HOSTILE,
        tags=[HOSTILE],
        attribs={HOSTILE: HOSTILE, "token": "hunter2"},
        worker_id=worker(hostname=HOSTILE).pk,
        attempt=2,
    )
    attempt(job, number=1, error_class=HOSTILE, error_message=HOSTILE, traceback=HOSTILE)
    checkpoint(job, HOSTILE + "2", attempt=1)

    page = page_of(admin_client, job)
    regions = dict(REGION.findall(page))

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<b>" not in page
    ours = "".join(regions[name] for name in regions.keys() & OURS)
    assert "\x1b" not in ours
    assert "\u202e" not in ours
    assert "hunter2" not in page


def test_whoever_may_only_view_sees_no_errors(client: Client) -> None:
    client.force_login(reader("view_job"))  # type: ignore[arg-type]
    job = finished_job(error_class="ValueError", error_message="row 12 is bad")
    attempt(job, error_message="row 12 is bad", traceback="Traceback: row 12 is bad")
    log_line(job, "row 12 is bad")

    assert "row 12 is bad" not in page_of(client, job)


def test_the_page_of_a_job_costs_the_same_however_much_it_did(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    small = finished_job(attempt=1, worker_id=worker().pk, fingerprint="f")
    attempt(small)
    checkpoint(small, "one")
    log_line(small)
    big = finished_job(attempt=30, worker_id=worker().pk, fingerprint="f")
    for number in range(1, 31):
        attempt(big, number=number)
        checkpoint(big, f"step {number}", attempt=number)
        log_line(big)
    admin_client.get(url_of(small.pk))

    with django_assert_max_num_queries(QUERIES) as few:
        admin_client.get(url_of(small.pk))
    with django_assert_max_num_queries(QUERIES) as many:
        admin_client.get(url_of(big.pk))

    assert len(many.captured_queries) == len(few.captured_queries)


def test_a_project_adds_to_the_page_by_a_template_of_its_own(
    admin_client: Client, settings: object, tmp_path: object
) -> None:
    folder = tmp_path / "admin" / "jobman" / "job"  # type: ignore[operator]
    folder.mkdir(parents=True)
    (folder / "_custom.html").write_text("<p>of the project: {{ job.task }}</p>")
    (engine,) = settings.TEMPLATES  # type: ignore[attr-defined]
    settings.TEMPLATES = [{**engine, "DIRS": [tmp_path]}]  # type: ignore[attr-defined]

    assert "of the project: demo.add" in page_of(admin_client, queued_job())


def test_the_attempt_that_runs_stands_first(admin_client: Client) -> None:
    job = running_job(attempt=2, started_at=NOON - timedelta(minutes=1))
    attempt(job, number=1, started_at=EARLIER, error_message="first went wrong")

    page = page_of(admin_client, job)

    assert page.index(">#2 ") < page.index(">#1 ")
    assert "first went wrong" in page


def test_an_id_from_celerys_log_leads_to_the_job(admin_client: Client) -> None:
    job = queued_job(task_id="their-own-id")

    for task_id in ("their-own-id", str(queued_job(task_id=str(uuid7())).task_id)):
        target = Job.objects.get(task_id=task_id)
        answer = admin_client.get(url_of(task_id))
        assert (answer.status_code, answer.headers["Location"]) == (302, url_of(target.pk))
    assert admin_client.get(url_of(job.pk)).status_code == 200


def test_an_id_from_celerys_log_leads_nobody_who_may_not_see_the_job(client: Client) -> None:
    client.force_login(reader("add_job"))  # type: ignore[arg-type]
    queued_job(task_id="their-own-id")

    answer = client.get(url_of("their-own-id"))

    assert answer.headers["Location"] == reverse("admin:index")


def test_of_jobs_with_the_same_id_of_celerys_the_newest_is_meant(admin_client: Client) -> None:
    jobs = [queued_job(task_id="twice") for _ in range(2)]

    newest = max(job.pk for job in jobs)
    assert admin_client.get(url_of("twice")).headers["Location"] == url_of(newest)


def test_what_people_did_stands_before_the_log() -> None:
    names = [region.name for region in REGIONS]

    assert names.index("attempts") < names.index("history") < names.index("log")
