from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.http.response import StreamingHttpResponse
from django.urls import reverse

from celery_jobman.core import logs
from celery_jobman.models import LogLine
from tests.factories import finished_job, line, log_line

if TYPE_CHECKING:
    from django.test import Client

    from celery_jobman.models import Job

pytestmark = pytest.mark.django_db


def _raw(client: Client, job: Job, **query: Any) -> Any:
    return client.get(reverse("admin:jobman_job_log_raw", args=[job.pk]), query)


def _text(answer: Any) -> str:
    assert isinstance(answer, StreamingHttpResponse)
    return b"".join(answer).decode()


def test_the_whole_log_is_downloaded_in_slices(admin_client: Client) -> None:
    job = finished_job()
    logs.write(line(job, f"line {number}") for number in range(450))
    log_line(finished_job(), "of another job")

    answer = _raw(admin_client, job)

    rows = _text(answer).splitlines()
    assert rows[0] == "2030-01-01 12:00:00.000+00:00 INFO demo - line 0"
    assert [row.rpartition(" ")[2] for row in rows] == [str(number) for number in range(450)]
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["Content-Disposition"] == f'attachment; filename="{job.pk}.log"'
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_one_attempt_is_downloaded(admin_client: Client) -> None:
    job = finished_job(attempt=2)
    log_line(job, "first", attempt=1, step="load")
    log_line(job, "second", attempt=2)

    answer = _raw(admin_client, job, attempt=1)

    assert _text(answer).endswith("INFO demo load first\n")
    assert f"{job.pk}-1.log" in answer["Content-Disposition"]


def test_a_line_is_whole_and_without_control_characters(admin_client: Client) -> None:
    job = finished_job()
    log_line(job, "\x1b[31m" + "x" * 1_000_000)

    text = _text(_raw(admin_client, job))

    assert text.count("x") == 1_000_000
    assert "\x1b" not in text


def test_a_job_without_lines_gives_an_empty_file(admin_client: Client) -> None:
    assert _text(_raw(admin_client, finished_job())) == ""
    assert LogLine.objects.count() == 0


@pytest.mark.parametrize("attempt", ["x", "0", "-1", "9" * 30])
def test_an_attempt_that_is_none_is_refused(admin_client: Client, attempt: str) -> None:
    answer = _raw(admin_client, finished_job(), attempt=attempt)

    assert answer.status_code == 400
    assert answer.json()["parameter"] == "attempt"
