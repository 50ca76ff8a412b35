from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.template.loader import render_to_string

from celery_jobman.admin.jobs import JobAdmin
from celery_jobman.admin.log.box import pieces
from celery_jobman.admin.log.lines import Line, Portion
from celery_jobman.admin.log.regions import LOG
from celery_jobman.admin.page.regions import Subject
from celery_jobman.core import logs
from celery_jobman.models import Job
from celery_jobman.states import State
from tests.factories import NOON, finished_job, line, log_line, running_job

if TYPE_CHECKING:
    from django.test import RequestFactory

pytestmark = pytest.mark.django_db


def _page(rf: RequestFactory, job: Job, **query: Any) -> str:
    request = rf.get("/", query)
    subject = Subject(JobAdmin(Job, admin.site), request, job, NOON)
    return render_to_string("admin/jobman/job/_log.html", {**LOG[0].context(subject)}, request)


def test_the_last_lines_stand_in_the_page(rf: RequestFactory) -> None:
    job = running_job()
    logs.write(line(job, f"<b>{number}</b>\x1b[0m") for number in range(250))

    page = _page(rf, job)

    assert "INFO     &lt;b&gt;50&lt;/b&gt;\n" in page
    assert "&lt;b&gt;49&lt;" not in page
    assert "\x1b" not in page
    assert page.count("<pre") == 1
    assert f'data-url="/admin/jobman/job/{job.pk}/log/"' in page
    assert "The last 200 lines are shown." in page


def test_only_warnings_and_errors_are_marked(rf: RequestFactory) -> None:
    job = running_job()
    for level in (20, 10, 30, 40, 50, 20):
        log_line(job, f"level {level}", level=level, step="load")

    page = _page(rf, job)

    assert page.count('<span class="jm-log-warn">') == 1
    assert page.count('<span class="jm-log-error">') == 2
    assert "ERROR    [load] level 40\n</span>" in page


def test_lines_between_two_marked_ones_are_one_piece() -> None:
    levels = ["INFO", "DEBUG", "ERROR", "INFO"]
    lines = [Line(number, "t", level, "", "m") for number, level in enumerate(levels)]

    assert [(piece.text.count("\n"), piece.tone) for piece in pieces(Portion(lines, 0))] == [
        (2, ""),
        (1, "jm-log-error"),
        (1, ""),
    ]


def test_attempt_level_and_text_are_chosen_by_plain_links(rf: RequestFactory) -> None:
    job = finished_job(attempt=2)
    log_line(job, "one", attempt=1)
    log_line(job, "two", attempt=2, level=40)
    for _ in range(3):
        log_line(job, "nearby", attempt=2)
    log_line(job, "other words", attempt=2)

    page = _page(rf, job, attempt=2, level=30, find="TWO")

    assert "ERROR    two" in page
    assert "other words" not in page
    assert '<option value="2" selected>Attempt 2</option>' in page
    assert '<option value="30" selected>Warnings and above</option>' in page
    assert 'value="TWO"' in page
    assert f"/{job.pk}/log/raw/?attempt=2" in page


def test_filters_that_make_no_sense_are_named_and_left_out(rf: RequestFactory) -> None:
    job = running_job()
    log_line(job, "hello")

    page = _page(rf, job, attempt="<script>")

    assert "attempt: a whole number from 1" in page
    assert "hello" in page
    assert "<script>" not in page


def test_a_log_without_lines_says_so(rf: RequestFactory) -> None:
    page = _page(rf, finished_job(State.SUCCEEDED))

    assert "There is no such line." in page
    assert 'data-eof="yes"' in page


def test_nothing_is_inline(rf: RequestFactory) -> None:
    page = _page(rf, running_job())

    assert " style=" not in page
    assert " onclick=" not in page
    assert '<script type="module" src="' in page


def test_what_a_search_found_is_parted_into_groups(rf: RequestFactory) -> None:
    job = finished_job()
    for text in ("needle", "b", "c", "d", "e", "f", "needle"):
        log_line(job, text)

    page = _page(rf, job, find="needle")

    assert page.count('<span class="jm-log-break">--\n</span>') == 1
    assert page.count('<span class="jm-log-near">') == 4
    assert page.index(" b\n") < page.index("--\n") < page.index(" e\n")
    assert " d\n" not in page
