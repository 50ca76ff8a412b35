"""What goes wrong while somebody looks: a clear message, no 500, and nothing done."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from celery_jobman.admin.page import live, screen
from celery_jobman.exceptions import JobNotFound
from celery_jobman.models import Job, JobAction
from celery_jobman.states import State
from tests.factories import attempt, checkpoint, finished_job, job_in, log_line, running_job

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202ered"
#: A state in which the page of each verb is open.
VERBS = {
    "cancel": State.QUEUED,
    "retry": State.FAILED,
    "retry_from": State.FAILED,
    "edit_retry": State.FAILED,
    "priority": State.QUEUED,
    "reschedule": State.SCHEDULED,
}
#: What a page that is open asks for again.
POLLS = ("state", "log", "log_raw")


def _url(job: Job, name: str, *more: str) -> str:
    return reverse(f"admin:jobman_job_{name}", args=[job.pk, *more])


def _prune(job: Job) -> None:
    Job.objects.filter(pk=job.pk).delete()


@pytest.mark.parametrize("route", VERBS)
def test_a_job_that_was_pruned_cannot_be_steered_and_the_page_says_so(
    admin_client: Client, route: str
) -> None:
    job = job_in(VERBS[route], declared_steps=["load"])
    standing = {"state": str(job.state), "attempt": job.attempt, "step": "load"}
    _prune(job)

    for answer in (
        admin_client.get(_url(job, route)),
        admin_client.post(_url(job, route), standing),
    ):
        page = answer.content.decode()
        assert answer.status_code == 404
        assert "There is no such job, or you may not do this to it. Nothing was done." in page
        assert reverse("admin:jobman_job_changelist") in page
    assert not JobAction.objects.exists()


@pytest.mark.parametrize("name", POLLS)
def test_a_job_that_was_pruned_answers_that_it_is_gone(admin_client: Client, name: str) -> None:
    job = running_job()
    _prune(job)

    assert admin_client.get(_url(job, name)).status_code == 404


def test_the_page_of_a_job_that_was_pruned_leads_away_with_a_message(admin_client: Client) -> None:
    job = running_job()
    _prune(job)

    answer = admin_client.get(_url(job, "change"))

    assert answer.status_code == 302
    assert "There is no such job" in " ".join(map(str, get_messages(answer.wsgi_request)))


def test_a_job_that_is_pruned_in_the_midst_of_it_is_no_error(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> Any:
        raise Job.DoesNotExist

    def without(*_: object) -> Any:
        raise JobNotFound("x")

    job = finished_job()
    monkeypatch.setattr(screen, "draw", gone)
    monkeypatch.setattr(live, "draw", gone)
    monkeypatch.setattr("celery_jobman.actions.plan_retry", without)

    assert admin_client.get(_url(job, "change")).status_code == 302
    assert admin_client.get(_url(job, "state")).status_code == 404
    assert admin_client.get(_url(job, "retry")).status_code == 404


# The same form of edited arguments makes one job; the tests of editing show it.
@pytest.mark.parametrize("route", [route for route in VERBS if route != "edit_retry"])
def test_a_form_that_was_sent_already_does_nothing_the_second_time(
    admin_client: Client, route: str
) -> None:
    job = job_in(VERBS[route], declared_steps=["load"])
    form = {"state": str(job.state), "attempt": job.attempt, "step": "load", "when": "now"}

    admin_client.post(_url(job, route), form)
    done = JobAction.objects.filter(job_id=job.pk).count()
    Job.objects.filter(pk=job.pk).update(attempt=7)
    answer = admin_client.post(_url(job, route), form)

    assert done == 1
    assert JobAction.objects.filter(job_id=job.pk).count() == 1
    assert "changed since" in " ".join(map(str, get_messages(answer.wsgi_request)))


@pytest.mark.parametrize("attempt", ["x", "-1", "", "9" * 30, "\x00", "1.0"])
def test_a_standing_that_makes_no_sense_does_nothing(admin_client: Client, attempt: str) -> None:
    job = finished_job()

    admin_client.post(_url(job, "retry"), {"state": "failed", "attempt": attempt})

    assert not JobAction.objects.exists()


def test_ten_megabytes_of_arguments_make_no_large_page(admin_client: Client) -> None:
    many = [{"sku": number, "token": "hush"} for number in range(300_000)]
    job = finished_job(args=json.dumps(many))
    job.result = job.args  # by itself: MariaDB takes 16 MB in one statement
    job.save(update_fields=["result"])
    assert len(job.args) > 10_000_000

    page = admin_client.get(_url(job, "change")).content
    whole = admin_client.get(_url(job, "data", "args")).content
    edit = admin_client.get(_url(job, "edit_retry")).content

    assert len(page) < 400_000
    assert b"Only the beginning is shown." in page
    assert len(json.loads(whole)) == 300_000
    assert b"hush" not in page + whole
    assert len(edit) < 50_000


def test_the_state_of_a_job_is_asked_without_its_arguments(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    job = running_job(args=json.dumps(["x" * 1000]))

    with django_assert_max_num_queries(30) as asked:
        admin_client.get(_url(job, "state"))

    column = re.compile(r'"jobman_job"\."(args|kwargs|result|message)"|`jobman_job`\.`args`')
    assert not [query["sql"] for query in asked.captured_queries if column.search(query["sql"])]


def test_a_line_of_a_megabyte_makes_no_large_page(admin_client: Client) -> None:
    job = finished_job()
    log_line(job, "x" * 1_000_000)
    attempt(job, error_message="y" * 1_000_000, traceback="z" * 1_000_000)
    Job.objects.filter(pk=job.pk).update(error_class="E", error_message="y" * 1_000_000)

    page = admin_client.get(_url(job, "change")).content.decode()

    assert "cut, see raw" in page
    assert len(page) < 400_000


@pytest.mark.parametrize("route", VERBS)
def test_markup_and_control_characters_are_text_on_the_pages_of_verbs(
    admin_client: Client, route: str
) -> None:
    names = {"task": HOSTILE, "label": HOSTILE, "queue": HOSTILE, "declared_steps": [HOSTILE]}
    job = job_in(VERBS[route], args=json.dumps([HOSTILE]), **names)
    checkpoint(job, HOSTILE)

    page = admin_client.get(_url(job, route)).content.decode()
    page = re.sub(r' value="[^"]*"', "", page)  # a choice goes back as it is

    assert "<script>alert" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
