from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from celery_jobman.core import logs
from celery_jobman.models import LogLine
from tests.factories import NOON, line, running_job

if TYPE_CHECKING:
    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db


def test_a_line_is_written_as_it_was_made() -> None:
    job = running_job()
    made = line(job, "loaded", step="load", level=30, logger="shop", extra={"rows": 7})

    logs.write([made])

    row = LogLine.objects.get()
    assert {name: getattr(row, name) for name in made._fields} == made._asdict()
    assert row.at == NOON


def test_lines_keep_their_order() -> None:
    job = running_job()

    logs.write(line(job, str(number)) for number in range(1200))

    messages = LogLine.objects.order_by("id").values_list("message", flat=True)
    assert list(messages) == [str(number) for number in range(1200)]


def test_the_number_of_lines_is_returned() -> None:
    job = running_job()

    assert logs.write([line(job), line(job)]) == 2


def test_a_hundred_lines_are_one_statement(budget: Budget) -> None:
    lines = [line(running_job())] * 100

    with budget(1):
        logs.write(lines)


def test_no_lines_cost_nothing(budget: Budget) -> None:
    with budget(0):
        assert logs.write([]) == 0


def test_a_line_is_there_once_it_was_written() -> None:
    job = running_job()
    logs.write([line(job, "one")])

    assert logs.is_there(line(job, "one"))
    assert not logs.is_there(line(job, "two"))
