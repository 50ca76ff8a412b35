from __future__ import annotations

import logging
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from celery.utils.log import get_task_logger

from celery_jobman.models import Job, LogLine
from celery_jobman.states import State

if TYPE_CHECKING:
    from pytest_django import Settings as Project

    from tests.integration.conftest import Make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager")]

logger = logging.getLogger("shop.import")
task_logger = get_task_logger("shop.tasks")


def lines() -> list[tuple[str, str, int]]:
    rows = LogLine.objects.order_by("id")
    return list(rows.values_list("message", "step", "attempt"))


def test_what_the_body_logs_becomes_the_jobs_log(make: Make) -> None:
    def body(self: Any) -> None:
        logger.warning("begin")
        self.step("load", lambda: logger.error("loading %s", "a.csv"))
        logger.warning("end")

    make(body).delay()

    assert lines() == [("begin", "", 1), ("loading a.csv", "load", 1), ("end", "", 1)]
    assert {row.job_id for row in LogLine.objects.all()} == {Job.objects.get().id}


def test_a_task_logger_is_kept_once(make: Make) -> None:
    make(lambda_free).delay()

    assert lines() == [("hello", "", 1)]


def lambda_free(_self: Any) -> None:
    task_logger.warning("hello")


def test_levels_are_the_projects(make: Make) -> None:
    def body(_self: Any) -> None:
        logger.debug("too fine")
        logger.warning("kept")

    make(body).delay()

    assert lines() == [("kept", "", 1)]


def test_each_attempt_has_its_own_lines(make: Make) -> None:
    def body(self: Any) -> None:
        logger.warning("attempt %s", self.attempts)
        if self.attempts == 1:
            raise ValueError

    make(body, max_attempts=2).delay()

    assert [(text, number) for text, _, number in lines() if text.startswith("attempt")] == [
        ("attempt 1", 1),
        ("attempt 2", 2),
    ]


def test_nothing_is_kept_before_and_after(make: Make) -> None:
    logger.warning("before")
    make(lambda_free).delay()
    logger.warning("after")

    assert [text for text, *_ in lines()] == ["hello"]


def test_a_job_inside_a_job_has_a_log_of_its_own(make: Make) -> None:
    inner = make(lambda_free, "demo.inner")

    def outer(_self: Any) -> None:
        logger.warning("before")
        inner.delay()
        logger.warning("after")

    make(outer, "demo.outer").delay()

    of = {job.task: job.id for job in Job.objects.all()}
    outers = LogLine.objects.filter(job_id=of["demo.outer"]).values_list("message", flat=True)
    inners = LogLine.objects.filter(job_id=of["demo.inner"]).values_list("message", flat=True)
    assert (list(outers), list(inners)) == (["before", "after"], ["hello"])


def test_other_peoples_threads_do_not_write_into_an_eager_job(make: Make) -> None:
    def body(_self: Any) -> None:
        thread = Thread(target=logger.warning, args=["of another request"])
        thread.start()
        thread.join(30)

    make(body).delay()

    assert lines() == []


def test_lines_that_are_too_many_are_counted(make: Make, settings: Project) -> None:
    settings.JOBMAN = {"LOG_LINES": 2}

    def body(_self: Any) -> None:
        for number in range(5):
            logger.warning("line %s", number)

    make(body).delay()

    attempt = Job.objects.get().attempts.get()
    assert (len(lines()), attempt.lines_dropped) == (2, 3)


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b", "%s", "🎈", "x" * 20_000])
def test_hostile_lines_never_fail_the_task(make: Make, text: str) -> None:
    def body(_self: Any) -> None:
        logger.warning(text, extra={"text": text, "deep": {text[:50]: [text]}})

    make(body).delay()

    assert Job.objects.get().state == State.SUCCEEDED
    assert LogLine.objects.count() == 1
