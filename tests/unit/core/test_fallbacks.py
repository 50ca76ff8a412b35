from __future__ import annotations

from unittest.mock import Mock

import pytest
from django.db import DataError, IntegrityError, OperationalError

from celery_jobman.core import fallbacks
from celery_jobman.core.fallbacks import NotWritten
from celery_jobman.exceptions import JobNotFound, ResultTooLarge
from celery_jobman.models import Job
from celery_jobman.models.ids import uuid7
from tests.factories import queued_job

pytestmark = pytest.mark.django_db


def test_what_is_taken_is_written_once_and_as_a_whole() -> None:
    careful = Mock(side_effect=fallbacks.is_careful)

    assert fallbacks.somehow(careful) is False
    careful.assert_called_once()


def test_what_is_refused_is_written_once_more_part_by_part() -> None:
    careful: list[bool] = []

    def write() -> str:
        careful.append(fallbacks.is_careful())
        if len(careful) == 1:
            raise DataError("out of range")
        return "written"

    assert fallbacks.somehow(write) == "written"
    assert careful == [False, True]
    assert not fallbacks.is_careful()


@pytest.mark.parametrize(
    "error", [OperationalError("away"), JobNotFound("x"), NotWritten("left to Celery")]
)
def test_an_outage_and_an_answer_of_ours_are_no_refusals(error: Exception) -> None:
    write = Mock(side_effect=error)

    with pytest.raises(type(error)):
        fallbacks.somehow(write)
    write.assert_called_once()


def test_a_result_that_is_too_large_to_be_passed_on_is_a_refusal() -> None:
    assert fallbacks.may_be_less(ResultTooLarge(uuid7(), 11, 10))


def test_what_is_refused_twice_is_raised() -> None:
    write = Mock(side_effect=IntegrityError("a constraint"))

    with pytest.raises(IntegrityError):
        fallbacks.somehow(write)
    assert write.call_count == 2


def test_a_part_that_is_refused_is_taken_back_and_something_else_written_instead() -> None:
    def write() -> str:
        queued_job(task="half")
        raise DataError("out of range")

    with fallbacks.carefully():
        written = fallbacks.part(write, lambda error: f"instead of {error}")

    assert written == "instead of out of range"
    assert not Job.objects.exists()


def test_outside_a_careful_block_a_part_is_no_part() -> None:
    with pytest.raises(DataError):
        fallbacks.part(Mock(side_effect=DataError()), Mock())


def test_an_outage_is_no_reason_to_write_less() -> None:
    instead = Mock()

    with pytest.raises(OperationalError), fallbacks.carefully():
        fallbacks.part(Mock(side_effect=OperationalError("away")), instead)
    instead.assert_not_called()
