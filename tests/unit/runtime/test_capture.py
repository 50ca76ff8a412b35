from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman.core import logs
from celery_jobman.models import LogLine
from celery_jobman.runtime import capture, supervisor
from celery_jobman.runtime.capture import JobHandler
from celery_jobman.runtime.running import running as run
from tests.factories import running_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import Settings as Project

    from celery_jobman.core.logs import Line
    from celery_jobman.runtime.running import RunningJob
    from tests.unit.runtime.conftest import Running

pytestmark = pytest.mark.django_db

MASK = "•••"


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """Return a logger that only the handler under test hears."""
    logger = logging.Logger("shop.import")  # noqa: LOG001 - it must hang below no other
    handler = JobHandler()
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)


@pytest.fixture
def job(running: Running) -> Iterator[RunningJob]:
    with run(running(running_job())) as job:
        yield job


def last(job: RunningJob) -> Line:
    return job.lines[-1]


def test_a_record_becomes_a_line_of_the_job_that_runs(log: logging.Logger, job: RunningJob) -> None:
    log.warning("loaded %s rows", 7)

    line = last(job)
    assert (line.job_id, line.attempt, line.step) == (job.id, 1, "")
    assert (line.message, line.level, line.logger) == ("loaded 7 rows", 30, "shop.import")
    assert (line.extra, line.at.tzname()) == (None, "UTC")


def test_a_line_names_the_step_it_was_made_in(log: logging.Logger, job: RunningJob) -> None:
    job.step("load", lambda: log.info("hello"))

    assert last(job).step == "load"


def test_outside_a_job_nothing_is_kept(log: logging.Logger) -> None:
    log.info("hello")

    assert not LogLine.objects.exists()


def test_an_exception_brings_its_traceback(log: logging.Logger, job: RunningJob) -> None:
    try:
        raise ValueError("no stock")  # noqa: TRY301 - a traceback is wanted
    except ValueError:
        log.exception("could not load")

    message = last(job).message
    assert message.startswith("could not load\nTraceback")
    assert message.endswith("ValueError: no stock")


def test_a_long_message_is_cut(log: logging.Logger, job: RunningJob, settings: Project) -> None:
    settings.JOBMAN = {"LOG_LINE_LENGTH": 10}

    log.info("x" * 100)

    assert last(job).message == "x" * 9 + "…"


HOSTILE = "a\x00b\ud800"


def test_hostile_text_can_be_written_wherever_it_stands(
    log: logging.Logger, job: RunningJob
) -> None:
    log.name = HOSTILE
    log.info(HOSTILE, extra={"text": HOSTILE, HOSTILE: 1, "inner": {HOSTILE: HOSTILE}})

    logs.write(job.lines)

    row = LogLine.objects.get()
    cleaned = "a\N{REPLACEMENT CHARACTER}b?"
    assert (row.message, row.logger) == (cleaned, cleaned)
    assert row.extra == {"text": cleaned, cleaned: 1, "inner": {cleaned: cleaned}}


@pytest.mark.parametrize("level", [0, 1, 100, 10**6])
def test_a_level_of_any_size_can_be_written(
    log: logging.Logger, job: RunningJob, level: int
) -> None:
    log.handle(log.makeRecord("shop", level, "f.py", 1, "hello", (), None))

    logs.write(job.lines)

    assert LogLine.objects.count() == 1


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (7, 7),
        (None, None),
        (True, True),
        (1.5, "1.5"),
        (float("nan"), "nan"),
        ([1, (2, object)], [1, [2, str(object)]]),
        ({"rows": 7, "inner": {"n": object}}, {"rows": 7, "inner": {"n": str(object)}}),
        ({1: 2}, {"1": 2}),
        ("x" * 2000, "x" * 999 + "…"),
    ],
)
def test_extra_values_are_kept_in_a_plain_form(
    log: logging.Logger, job: RunningJob, value: Any, kept: Any
) -> None:
    log.info("hello", extra={"value": value})

    assert last(job).extra == {"value": kept}


@pytest.mark.parametrize(
    ("extra", "kept"),
    [
        ({"password": "hunter2"}, {"password": MASK}),
        ({"request": {"token": "hunter2", "path": "/"}}, {"request": {"token": MASK, "path": "/"}}),
    ],
)
def test_secrets_in_extra_are_masked(
    log: logging.Logger, job: RunningJob, extra: dict[str, Any], kept: dict[str, Any]
) -> None:
    log.info("hello", extra=extra)

    assert last(job).extra == kept


def test_secrets_in_lists_of_extra_are_masked(log: logging.Logger, job: RunningJob) -> None:
    log.info("hello", extra={"calls": [{"token": "hunter2"}]})

    assert "hunter2" not in str(last(job).extra)


def test_what_celery_adds_to_its_records_is_no_extra(log: logging.Logger, job: RunningJob) -> None:
    log.info("hello", extra={"task_id": "1", "task_name": "demo.add", "data": {}})

    assert last(job).extra is None


@pytest.mark.parametrize("name", sorted(capture.IGNORED))
def test_records_about_writing_lines_make_no_lines(
    log: logging.Logger, job: RunningJob, name: str
) -> None:
    log.name = name

    log.info("INSERT INTO …")

    assert not job.lines


class Chatty:
    """Logs while it is being logged."""

    def __init__(self, log: logging.Logger) -> None:
        self.log = log

    def __str__(self) -> str:
        self.log.info("I am being logged")
        return "chatty"


def test_a_record_made_while_one_is_kept_makes_no_line(
    log: logging.Logger, job: RunningJob
) -> None:
    log.info("hello %s", Chatty(log))
    log.info("afterwards")

    assert [line.message for line in job.lines] == ["hello chatty", "afterwards"]


class Broken:
    def __str__(self) -> str:
        raise ValueError("not today")


def test_a_record_that_cannot_be_read_does_not_break_the_task(
    log: logging.Logger, job: RunningJob, capsys: pytest.CaptureFixture[str]
) -> None:
    log.info("hello %s", Broken())
    log.info("afterwards")

    assert [line.message for line in job.lines] == ["afterwards"]
    assert "Logging error" in capsys.readouterr().err


def test_more_lines_than_the_buffer_holds_are_counted(
    log: logging.Logger, job: RunningJob, settings: Project
) -> None:
    settings.JOBMAN = {"LOG_BUFFER": 3}

    for number in range(5):
        log.info("line %s", number)

    assert [line.message for line in job.lines] == ["line 0", "line 1", "line 2"]
    assert job.lines_dropped == 2


def test_more_lines_than_an_attempt_may_have_are_counted(
    log: logging.Logger, job: RunningJob, settings: Project
) -> None:
    settings.JOBMAN = {"LOG_LINES": 3}

    for _ in range(5):
        log.info("hello")
        job.lines.clear()

    assert (job.lines_seen, job.lines_dropped) == (5, 2)


def test_many_lines_are_written_at_once(
    log: logging.Logger, job: RunningJob, settings: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.JOBMAN = {"FLUSH_LINES": 3}
    hurries: list[int] = []
    monkeypatch.setattr(supervisor, "hurry", lambda: hurries.append(len(job.lines)))

    for _ in range(4):
        log.info("hello")

    assert hurries == [3, 4]


def test_attaching_twice_keeps_every_record_once(
    job: RunningJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = JobHandler()
    monkeypatch.setattr(capture, "_handler", handler)
    loggers = [logging.getLogger(), logging.getLogger("celery.task")]
    for logger in loggers:
        others = [one for one in logger.handlers if not isinstance(one, JobHandler)]
        monkeypatch.setattr(logger, "handlers", others)

    capture.attach()
    capture.attach()

    logging.getLogger("shop").warning("hello")
    logging.getLogger("celery.task").warning("from the task")
    for logger in loggers:
        assert logger.handlers.count(handler) == 1
    assert [line.message for line in job.lines] == ["hello", "from the task"]
