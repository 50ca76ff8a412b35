from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman.core.progress import LARGEST, Progress, write
from celery_jobman.models import Job
from celery_jobman.states import State
from tests.factories import NOON, running_job

if TYPE_CHECKING:
    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db

HALF = Progress(50, 100, "loading", "rows")


def test_a_report_is_stored_with_the_step_it_was_made_in() -> None:
    job = running_job()

    assert write(job.id, 1, now=NOON, report=HALF, step="load")

    job.refresh_from_db()
    assert (job.progress_current, job.progress_total, job.progress_at) == (50, 100, NOON)
    assert (job.progress_message, job.progress_unit) == ("loading", "rows")
    assert job.current_step == "load"


@pytest.mark.parametrize(
    ("made_in", "running", "over"),
    [
        ("load", "report", True),
        ("load", "loading", True),
        ("load/images", "load", True),
        ("load", "load", False),
        ("load", "load/images", False),
        ("load", "", False),
        ("", "report", False),
    ],
)
def test_a_report_is_forgotten_once_another_step_begins(
    made_in: str,
    running: str,
    over: bool,  # noqa: FBT001
) -> None:
    job = running_job()
    report = HALF._replace(step=made_in)
    write(job.id, 1, now=NOON, report=report, step=made_in)

    write(job.id, 1, now=NOON, report=report, step=running)

    job.refresh_from_db()
    assert (job.progress_current, job.progress_total) == ((None, None) if over else (50, 100))


def test_the_step_alone_can_be_stored() -> None:
    job = running_job(progress_current=7)

    write(job.id, 1, now=NOON, report=None, step="load")

    job.refresh_from_db()
    assert (job.current_step, job.progress_current, job.progress_at) == ("load", 7, None)


def test_a_report_is_one_statement(budget: Budget) -> None:
    job = running_job()

    with budget(1):
        write(job.id, 1, now=NOON, report=HALF, step="load")


@pytest.mark.parametrize("moved_on", [{"attempt": 2}, {"state": State.QUEUED}])
def test_an_attempt_that_lost_its_job_writes_nothing(moved_on: dict[str, Any]) -> None:
    job = running_job()
    Job.objects.filter(pk=job.id).update(**moved_on)

    assert not write(job.id, 1, now=NOON, report=HALF, step="load")

    job.refresh_from_db()
    assert (job.progress_current, job.current_step) == (None, "")


@pytest.mark.parametrize(
    ("current", "total", "expected"),
    [
        (5, None, (5, None)),
        (5.9, Decimal("10.5"), (5, 10)),
        (True, 1, (1, 1)),
    ],
)
def test_numbers_of_any_kind_are_taken_as_whole_ones(
    current: Any, total: Any, expected: tuple[int, int | None]
) -> None:
    report = Progress.of(current, total, "", "")

    assert (report.current, report.total) == expected


@pytest.mark.parametrize(
    ("current", "total", "message"),
    [
        ("50%", None, "progress: current must be a finite number, not '50%'"),
        (None, None, "progress: current must be a finite number, not None"),
        (1, "many", "progress: total must be a finite number, not 'many'"),
        (float("nan"), None, "progress: current must be a finite number, not nan"),
        (1, float("inf"), "progress: total must be a finite number, not inf"),
    ],
)
def test_what_is_no_number_is_refused_at_once(current: Any, total: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Progress.of(current, total, "", "")


def test_hostile_values_can_be_stored() -> None:
    job = running_job()
    report = Progress.of(2**70, -(2**70), "a\x00b\ud800" + "x" * 300, "u" * 50)

    write(job.id, 1, now=NOON, report=report, step="load")

    job.refresh_from_db()
    assert (job.progress_current, job.progress_total) == (LARGEST, -LARGEST)
    assert job.progress_message.startswith("a\N{REPLACEMENT CHARACTER}b?xxx")
    assert (len(job.progress_message), len(job.progress_unit)) == (200, 32)


def test_no_message_may_be_none() -> None:
    columns = Progress.of(1, None, None, None).columns(NOON)  # type: ignore[arg-type]

    assert (columns["progress_message"], columns["progress_unit"]) == ("", "")
