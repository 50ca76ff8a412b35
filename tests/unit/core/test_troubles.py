from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import DataError, OperationalError

from celery_jobman.core import troubles
from celery_jobman.core.troubles import LONGEST, SHORTEST, Aside
from celery_jobman.models import Duty, Trouble
from celery_jobman.models.ids import uuid7
from celery_jobman.states import State
from tests.factories import LATER, NOON, begun_batch, job_in, queued_job

if TYPE_CHECKING:
    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db


def test_what_fails_for_one_row_is_noted_and_the_next_one_is_done() -> None:
    aside, bad, done = Aside(Duty.RESCUE, now=NOON), uuid7(), []

    for row_id in (bad, uuid7()):
        with aside.guarding(row_id):
            if row_id == bad:
                raise DataError("out of range")
            done.append(row_id)

    noted = Trouble.objects.get()
    assert len(done) == 1
    assert (noted.row_id, noted.duty, noted.tries) == (bad, Duty.RESCUE, 1)
    assert (noted.error, noted.since, noted.again_at) == (
        "DataError: out of range", NOON, NOON + SHORTEST,
    )  # fmt: skip


def test_a_database_that_is_away_is_no_rows_own_trouble() -> None:
    with pytest.raises(OperationalError), Aside(Duty.RESCUE, now=NOON).guarding(uuid7()):
        raise OperationalError("the server closed the connection")

    assert not Trouble.objects.exists()


def test_a_row_is_left_out_until_its_pause_is_over() -> None:
    row_id = uuid7()
    troubles.note(Duty.RESCUE, row_id, "no", now=NOON)

    assert Aside(Duty.RESCUE, now=NOON).waiting == [row_id]
    assert Aside(Duty.RESCUE, now=NOON + SHORTEST).waiting == []
    assert Aside(Duty.DISPATCH, now=NOON).waiting == []


def test_each_further_try_waits_twice_as_long() -> None:
    row_id = uuid7()

    pauses = [troubles.note(Duty.RESCUE, row_id, "no", now=NOON) for _ in range(20)]

    assert pauses[:3] == [SHORTEST, 2 * SHORTEST, 4 * SHORTEST]
    assert pauses[-1] == LONGEST == timedelta(hours=1)
    assert Trouble.objects.get().tries == 20


def test_a_later_try_keeps_when_it_began() -> None:
    row_id = uuid7()

    troubles.note(Duty.RESCUE, row_id, "no", now=NOON)
    troubles.note(Duty.RESCUE, row_id, "still no", now=LATER)

    noted = Trouble.objects.get()
    assert (noted.since, noted.tried_at, noted.error) == (NOON, LATER, "still no")


def test_a_duty_that_is_done_at_last_leaves_no_trouble() -> None:
    row_id = uuid7()
    troubles.note(Duty.RESCUE, row_id, "no", now=NOON)

    with Aside(Duty.RESCUE, now=LATER).guarding(row_id):
        pass

    assert not Trouble.objects.exists()


def test_remarks_on_one_row_are_kept_together_and_never_tried_again() -> None:
    row_id = uuid7()

    troubles.remark(Duty.END, row_id, "its result is missing", now=NOON)
    troubles.remark(Duty.END, row_id, "two lines are missing", now=NOON)
    troubles.overcome(Duty.END, row_id)

    noted = Trouble.objects.get()
    assert noted.error == "its result is missing; two lines are missing"
    assert noted.again_at is None


def test_the_first_failure_is_logged_with_its_traceback_and_the_others_in_a_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    row_id = uuid7()

    for _ in range(2):
        troubles.note(Duty.RESCUE, row_id, DataError("out of range"), now=NOON)

    assert [bool(record.exc_info) for record in caplog.records] == [True, False]


def test_the_troubles_of_rows_that_are_gone_have_passed() -> None:
    batch, job = begun_batch(total=1), queued_job()
    for row_id in (batch.pk, job.pk, uuid7()):
        troubles.remark(Duty.END, row_id, "its callbacks are missing", now=NOON)

    assert troubles.forget_settled() == 1
    assert set(Trouble.objects.values_list("row_id", flat=True)) == {batch.pk, job.pk}


def test_the_troubles_of_rows_can_be_forgotten() -> None:
    row_id, other = uuid7(), uuid7()
    for each in (row_id, other):
        troubles.note(Duty.RESCUE, each, "no", now=NOON)

    troubles.forget([row_id])

    assert Trouble.objects.get().row_id == other


@pytest.mark.parametrize(
    ("duty", "state", "is_left"),
    [
        (Duty.BEGIN, State.QUEUED, True),
        (Duty.BEGIN, State.RUNNING, False),
        (Duty.DISPATCH, State.SCHEDULED, True),
        (Duty.DISPATCH, State.QUEUED, False),
        (Duty.REDELIVER, State.QUEUED, True),
        (Duty.REDELIVER, State.RUNNING, False),
        (Duty.RESCUE, State.RUNNING, True),
        (Duty.RESCUE, State.SCHEDULED, False),
        (Duty.END, State.RUNNING, True),
        (Duty.END, State.SUCCEEDED, False),
        (Duty.CANCEL, State.BLOCKED, True),
        (Duty.CANCEL, State.CANCELLED, False),
        (Duty.PRUNE, State.FAILED, True),
        (Duty.PRUNE, State.SCHEDULED, False),
    ],
)
def test_a_trouble_is_told_while_there_is_something_left_to_do(
    duty: Duty,
    state: State,
    is_left: bool,  # noqa: FBT001 - a column of the table
) -> None:
    troubles.note(duty, job_in(state).id, "no", now=NOON)

    troubles.forget_settled()

    assert Trouble.objects.exists() is is_left


def test_the_trouble_of_a_batch_is_told_until_it_has_finished() -> None:
    going, over = begun_batch(total=1), begun_batch(State.SUCCEEDED, total=1)
    for batch in (going, over):
        troubles.note(Duty.MEMBERS, batch.pk, "no", now=NOON)

    troubles.forget_settled()

    assert Trouble.objects.get().row_id == going.pk


def test_what_is_missing_for_good_stays() -> None:
    troubles.remark(Duty.END, job_in(State.SUCCEEDED).id, "its result", now=NOON)

    troubles.forget_settled()

    assert Trouble.objects.exists()


def test_looking_for_troubles_where_there_are_none_is_two_statements(budget: Budget) -> None:
    with budget(2):
        assert troubles.forget_settled() == 0
