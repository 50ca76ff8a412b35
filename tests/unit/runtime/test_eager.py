"""Jobs that run in the process that made them due."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from celery_jobman.exceptions import UnknownTask
from celery_jobman.models.ids import uuid7
from celery_jobman.runtime import eager
from celery_jobman.states import State
from tests.factories import finished_job, queued_job, scheduled_job
from tests.workflows import deed, did, trace

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    trace.clear()
    yield
    trace.clear()


def test_what_waits_is_run_in_order() -> None:
    jobs = [
        make(task=deed.name, args=f'["{name}"]')
        for make, name in ((queued_job, "a"), (scheduled_job, "b"))
    ]

    eager.run([job.pk for job in jobs])

    assert did() == ["a", "b"]
    for job in jobs:
        job.refresh_from_db()
        assert (job.state, job.eager) == (State.SUCCEEDED, True)


def test_what_does_not_wait_is_left_alone() -> None:
    ended = finished_job(State.CANCELLED, task=deed.name)

    eager.run([ended.pk, uuid7()])

    ended.refresh_from_db()
    assert (ended.state, ended.eager, did()) == (State.CANCELLED, False, [])


def test_a_job_of_an_unknown_task_waits_on(caplog: pytest.LogCaptureFixture) -> None:
    job = queued_job(task="shop.gone")

    eager.run([job.pk])

    job.refresh_from_db()
    assert (job.state, job.eager) == (State.QUEUED, False)
    assert "shop.gone" in caplog.text
    with pytest.raises(UnknownTask):
        eager.attempt(job.pk)


def test_jobs_that_a_job_makes_due_run_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    inner = queued_job()

    def noting(job_id: object) -> None:
        order.append("begin")
        if job_id != inner.pk:
            eager.run([inner.pk])
        order.append("end")

    monkeypatch.setattr(eager, "_run", noting)

    eager.run([queued_job().pk])

    assert order == ["begin", "end", "begin", "end"]


def test_an_error_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    job = queued_job(task=deed.name, args='["a"]')
    monkeypatch.setattr(eager, "attempt", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        eager.run([job.pk])
    monkeypatch.undo()

    eager.run([job.pk])

    assert did() == ["a"]
