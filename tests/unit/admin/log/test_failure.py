from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib import admin
from django.template.loader import render_to_string

from celery_jobman.admin.jobs import JobAdmin
from celery_jobman.admin.log.regions import ERROR
from celery_jobman.admin.page.regions import Subject
from celery_jobman.models import Job
from celery_jobman.states import State
from tests.factories import NOON, attempt, finished_job, running_job

if TYPE_CHECKING:
    from django.test import RequestFactory

pytestmark = pytest.mark.django_db

TRACE = """Traceback (most recent call last):
  File "/venv/lib/python3.13/site-packages/celery/app/trace.py", line 4, in trace_task
    fun()
  File "/srv/shop/tasks.py", line 12, in load
    raise ValueError("<b>")
ValueError: <b>
"""


def _page(rf: RequestFactory, job: Job) -> str:
    request = rf.get("/")
    context = ERROR[0].context(Subject(JobAdmin(Job, admin.site), request, job, NOON))
    if not context:
        return ""
    return render_to_string("admin/jobman/job/_error.html", {**context}, request)


def test_the_projects_own_calls_come_first(rf: RequestFactory) -> None:
    job = finished_job(error_class="ValueError", error_message="<b>", fingerprint="f00d")
    attempt(job, number=1, traceback=TRACE)
    attempt(job, number=2, traceback="of a success", outcome="succeeded")

    page = _page(rf, job)

    own, folded, whole = page.split("<details>")
    assert "/srv/shop/tasks.py:12 <strong>load</strong>" in own
    assert "trace_task" not in own
    assert "One call of a library" in folded
    assert "Whole traceback of attempt 1" in whole
    assert "<b>" not in page
    assert 'href="/admin/jobman/job/?q=fingerprint%3Af00d"' in page


def test_a_traceback_that_looks_different_is_shown_whole(rf: RequestFactory) -> None:
    job = finished_job(error_message="odd\x07")
    attempt(job, traceback="\x1b[31mRemote Traceback\x1b[0m: {}")

    page = _page(rf, job)

    assert "<details open>" in page
    assert ">Remote Traceback: {}</pre>" in page
    assert "\x07" not in page


def test_a_job_whose_attempts_are_gone_still_shows_its_error(rf: RequestFactory) -> None:
    page = _page(rf, finished_job(error_class="a.Boom", error_message="x" * 10_000))

    assert "a.Boom" in page
    assert "<details" not in page
    assert "fingerprint" not in page


def test_without_an_error_there_is_no_region(rf: RequestFactory) -> None:
    assert _page(rf, finished_job(State.SUCCEEDED)) == ""


def test_the_error_of_an_earlier_attempt_is_called_so_and_folded(rf: RequestFactory) -> None:
    job = running_job(attempt=2, error_class="ValueError", error_message="bad row")
    attempt(job, number=1, error_class="ValueError", traceback=TRACE)

    page = _page(rf, job)

    assert '<h2 id="jm-error-h">Error of attempt 1</h2>' in page
    assert "bad row" in page.partition("<summary>ValueError</summary>")[2]
