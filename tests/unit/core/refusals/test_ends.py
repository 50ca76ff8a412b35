"""An end is written whatever the database refuses of it, and nobody else waits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.db import DataError, IntegrityError

from celery_jobman.core import (
    attempts,
    callbacks,
    cancellation,
    fallbacks,
    joins,
    links,
    statements,
)
from celery_jobman.core.endings import Ending
from celery_jobman.core.faults import Fault
from celery_jobman.core.hooks import hooks
from celery_jobman.models import Attempt, Batch, Duty, Job, LogLine, Outcome, Role, Trouble
from celery_jobman.states import State
from tests.factories import (
    LATER,
    NOON,
    begun_batch,
    line,
    linked,
    member,
    nested,
    run_of,
    running_job,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import Model

    from celery_jobman.core.statements import Columns

pytestmark = pytest.mark.django_db

SUCCESS = Ending(outcome=Outcome.SUCCEEDED, to=State.SUCCEEDED, changes={"result": "3"})
FAILURE = Ending(
    outcome=Outcome.FAILED,
    to=State.FAILED,
    fault=Fault(error_class="ValueError", error_message="no"),
)


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the database refuse the rows of which something is true."""

    def plan(is_refused: Callable[[type[Model], Columns], bool]) -> None:
        insert, update = statements.insert, statements.update

        def refusing_insert(alias: str, model: type[Model], columns: Columns) -> None:
            if is_refused(model, columns):
                raise DataError("value out of range")
            insert(alias, model, columns)

        def refusing_update(
            model: type[Model], where: Columns, changes: Columns, *rest: Any
        ) -> int:
            along = rest[0] if rest else None
            if is_refused(model, changes) or (along and is_refused(along.model, along.columns)):
                raise DataError("value out of range")
            return update(model, where, changes, *rest)

        monkeypatch.setattr(statements, "insert", refusing_insert)
        monkeypatch.setattr(statements, "update", refusing_update)

    return plan


def end(job: Job, ending: Ending = SUCCESS, **more: Any) -> Ending:
    row = joins.member(job)
    return attempts.finish(run_of(job, member=row), ending, now=NOON, **more)


def text(job_id: Any) -> str:
    return Trouble.objects.get(row_id=job_id, duty=Duty.END).error


def test_a_result_that_is_refused_is_left_out_and_the_job_says_so(refuse: Any) -> None:
    job = running_job()
    refuse(lambda _, columns: columns.get("result") is not None)

    end(job)

    job.refresh_from_db()
    assert (job.state, job.result) == (State.SUCCEEDED, None)
    assert text(job.id) == (
        "its end was written without its result, which the database refused"
        " (DataError: value out of range)"
    )


def test_a_refused_line_takes_no_other_line_along(monkeypatch: pytest.MonkeyPatch) -> None:
    job = running_job()
    bulk_create = LogLine.objects.bulk_create

    def refuse(rows: list[LogLine], **how: Any) -> Any:
        if any(row.message == "bad" for row in rows):
            raise IntegrityError("a character that it does not know")
        return bulk_create(rows, **how)

    monkeypatch.setattr(LogLine.objects, "bulk_create", refuse)

    end(job, lines=[line(job, message) for message in ("one", "bad", "two")])

    assert list(LogLine.objects.values_list("message", flat=True)) == ["one", "two"]
    assert Attempt.objects.get().lines_dropped == 1
    assert "1 of its log lines" in text(job.id)


def test_an_attempt_row_that_is_refused_does_not_keep_the_job_running(refuse: Any) -> None:
    job = running_job()
    refuse(lambda model, _: model is Attempt)

    end(job, FAILURE)

    job.refresh_from_db()
    assert (job.state, Attempt.objects.count()) == (State.FAILED, 0)
    assert "all that its last attempt had to say" in text(job.id)


def test_a_result_that_the_next_link_waits_for_fails_its_job_where_it_is_refused(
    refuse: Any,
) -> None:
    batch = begun_batch(total=2)
    first = member(batch, State.RUNNING, attempt=1)
    second = member(batch, State.BLOCKED, takes_result=True)
    linked(first, second)
    first.refresh_from_db()
    refuse(lambda _, columns: columns.get("result") is not None)

    end(first)

    states = dict(Job.objects.values_list("id", "state"))
    batch.refresh_from_db()
    assert states == {first.id: State.FAILED, second.id: State.SKIPPED}
    assert (batch.state, batch.pending) == (State.FAILED, 0)


def test_a_link_that_cannot_be_released_is_a_failed_job_and_the_batch_finishes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch = begun_batch(total=3)
    first, second = member(batch, State.RUNNING, attempt=1), member(batch, State.BLOCKED)
    third = member(batch, State.BLOCKED)
    linked(first, second, third)
    first.refresh_from_db()

    def overflow(*_: Any, **__: Any) -> None:
        raise OverflowError("date value out of range")

    monkeypatch.setattr(links, "release_job", overflow)

    end(first)

    first.refresh_from_db()
    second.refresh_from_db()
    third.refresh_from_db()
    batch.refresh_from_db()
    assert [job.state for job in (first, second, third)] == [
        State.SUCCEEDED, State.FAILED, State.SKIPPED,
    ]  # fmt: skip
    assert second.error_message == "it could not be enqueued: date value out of range"
    assert (batch.state, batch.pending, batch.error_job_id) == (State.FAILED, 0, second.id)


def with_callback(batch: Batch, role: Role, **columns: Any) -> None:
    template = {"task": "demo.add", "queue": "celery", "args": "[]", "takes_result": False}
    Batch.objects.filter(pk=batch.pk).update(
        callbacks=json.dumps({role: [{**template, **columns}]})
    )


def test_a_callback_whose_owner_was_deleted_runs_for_nobody() -> None:
    user = get_user_model().objects.create(username="ana")
    batch = begun_batch(total=1, owner_id=user.pk)
    with_callback(batch, Role.FINALLY, owner_id=user.pk)
    job = member(batch, State.RUNNING, attempt=1, owner_id=user.pk)
    user.delete()

    end(job)

    batch.refresh_from_db()
    callback = Job.objects.get(role=Role.FINALLY)
    assert (batch.state, callback.state, callback.owner_id) == (
        State.SUCCEEDED, State.SCHEDULED, None,
    )  # fmt: skip


def test_the_hook_of_a_job_whose_owner_was_deleted_runs_for_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hooks, "wanted", lambda _: True)
    user = get_user_model().objects.create(username="ana")
    job = running_job(owner_id=user.pk)
    get_user_model().objects.filter(pk=user.pk).delete()

    end(job, FAILURE)

    assert Job.objects.get(parent_id=job.id).owner_id is None


@pytest.mark.parametrize("columns", [{"priority": "high"}, {"colour": "red"}, {"args": "no JSON"}])
def test_a_callback_that_cannot_be_enqueued_is_a_failed_job(columns: dict[str, Any]) -> None:
    batch = begun_batch(total=1)
    with_callback(batch, Role.FINALLY, **columns)
    job = member(batch, State.RUNNING, attempt=1)

    end(job)

    batch.refresh_from_db()
    callback = Job.objects.get(role=Role.FINALLY)
    assert (batch.state, callback.state, callback.batch_id) == (
        State.SUCCEEDED, State.FAILED, batch.pk,
    )  # fmt: skip
    assert callback.error_message.startswith("it could not be enqueued: ")


def test_callbacks_that_cannot_be_read_are_a_trouble_of_their_batch() -> None:
    batch = begun_batch(total=1)
    Batch.objects.update(callbacks="no JSON")

    end(member(batch, State.RUNNING, attempt=1))

    batch.refresh_from_db()
    assert batch.state == State.SUCCEEDED
    assert "its callbacks then could not be written" in text(batch.pk)


def test_a_batch_whose_verdict_cannot_be_told_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = begun_batch(total=1)
    job = member(batch, State.RUNNING, attempt=1)

    def refuse(_: Batch) -> None:
        raise ValueError("invalid literal for int(): '²'")

    monkeypatch.setattr(joins, "_verdict", refuse)

    end(job)

    batch.refresh_from_db()
    assert (batch.state, "how it ended could not be told" in batch.error_message) == (
        State.FAILED, True,
    )  # fmt: skip


def test_counts_that_do_not_add_up_are_taken_anew() -> None:
    outer = begun_batch(total=1)
    inner = nested(outer, total=1)
    job = member(inner, State.RUNNING, attempt=1)
    Batch.objects.filter(pk=inner.pk).update(total=0, pending=0)

    end(job)

    for batch in (inner, outer):
        batch.refresh_from_db()
        assert (batch.state, batch.total, batch.succeeded) == (State.SUCCEEDED, 1, 1)


def test_a_waiting_job_is_cancelled_though_its_batch_cannot_tell_anyone() -> None:
    batch = begun_batch(total=1)
    with_callback(batch, Role.FINALLY, colour="red")
    job = member(batch, State.SCHEDULED, available_at=LATER)

    cancellation.cancel(job.id, now=NOON)

    job.refresh_from_db()
    batch.refresh_from_db()
    assert (job.state, batch.state) == (State.CANCELLED, State.CANCELLED)
    assert Job.objects.get(role=Role.FINALLY).state == State.FAILED


def test_what_is_refused_of_a_callback_is_left_out_of_its_failed_row(
    refuse: Any,
) -> None:
    batch = begun_batch()
    with_callback(batch, Role.THEN, args='["x"]', label="mail")
    batch.refresh_from_db()
    refuse(lambda _, columns: columns.get("args") == '["x"]')

    with fallbacks.carefully():
        callbacks.fire(batch, Role.THEN, now=NOON)

    job = Job.objects.get()
    assert (job.state, job.args, job.task, job.role) == (State.FAILED, "[]", "demo.add", "then")


def test_an_end_whose_every_part_is_refused_is_still_an_end(
    refuse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "wanted", lambda _: True)
    batch = begun_batch(total=1)
    with_callback(batch, Role.CATCH, colour="red")
    job = member(batch, State.RUNNING, attempt=1)
    big = Ending(
        outcome=Outcome.FAILED, to=State.FAILED, changes={"progress_current": 2**70},
        fault=Fault(error_class="E", error_message="m", traceback="t"),
    )  # fmt: skip
    refuse(
        lambda model, columns: (
            (model is Attempt and bool(columns["traceback"]))
            or "progress_current" in columns
            or columns.get("error_class") == "E"
            or columns.get("task") == "jobman.failed"
        )
    )

    end(job, big, lines=[line(job)])

    job.refresh_from_db()
    batch.refresh_from_db()
    assert (job.state, batch.state) == (State.FAILED, State.FAILED)
