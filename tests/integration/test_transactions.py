"""What a project's own tests and transactions see of jobs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction
from django.test import TestCase

import tests.celery_app
from celery_jobman.models import Job, JobAction, LogLine
from celery_jobman.states import State
from tests.factories import NOON

if TYPE_CHECKING:
    from pytest_django import DjangoCaptureOnCommitCallbacks as Commit

    from tests.integration.conftest import Drain, Make

logger = logging.getLogger("shop")


def add(_self: Any, x: int, y: int = 1) -> int:
    return x + y


class AProjectsTestCase(TestCase):
    """Django's own TestCase, as a project would use it."""

    def setUp(self) -> None:
        app = tests.celery_app.app
        self.task = app.task(name="demo.task", bind=True, shared=False)(add)
        self.addCleanup(app.tasks.pop, "demo.task")

    def test_a_job_is_seen_and_its_message_never_leaves(self) -> None:
        self.task.delay(1)

        job = Job.objects.get()
        assert (job.state, job.delivery) == (State.QUEUED, 1)

    def test_nothing_of_another_test_is_seen(self) -> None:
        assert not Job.objects.exists()

        self.task.delay(2)

    def test_what_happens_on_commit_can_be_captured(self) -> None:
        with self.captureOnCommitCallbacks() as callbacks:
            self.task.delay(1)

        assert len(callbacks) == 1


@pytest.mark.django_db
def test_in_a_test_no_message_is_sent(make: Make, drain: Drain) -> None:
    make(add).delay(1)

    assert drain() == []


@pytest.mark.django_db
def test_the_message_leaves_with_the_commit(
    make: Make, drain: Drain, django_capture_on_commit_callbacks: Commit
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        result = make(add).delay(1, y=2)
        before = drain()

    (message,) = drain()
    assert before == []
    assert (message.headers["id"], message.payload[:2]) == (result.id, [[1], {"y": 2}])


@pytest.mark.django_db
def test_a_rollback_leaves_neither_job_nor_message(
    make: Make, drain: Drain, django_capture_on_commit_callbacks: Commit
) -> None:
    task = make(add)

    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        task.delay(1)
        transaction.set_rollback(True)

    assert (Job.objects.count(), drain()) == (0, [])


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_the_message_leaves_at_once(make: Make, drain: Drain) -> None:
    make(add).delay(1)

    assert len(drain()) == 1
    assert not connection.in_atomic_block


@pytest.mark.django_db
def test_a_call_may_ask_to_leave_at_once(make: Make, drain: Drain) -> None:
    make(add).apply_async((1,), after_commit=False)

    assert len(drain()) == 1


@pytest.mark.django_db
def test_delay_on_commit_is_celerys(
    make: Make, drain: Drain, django_capture_on_commit_callbacks: Commit
) -> None:
    task = make(add)

    with django_capture_on_commit_callbacks(execute=True):
        task.delay_on_commit(1)
        before = Job.objects.exists()

    assert (before, Job.objects.count(), len(drain())) == (False, 1, 1)


@pytest.mark.usefixtures("eager")
@pytest.mark.django_db(transaction=True)
def test_a_rollback_of_the_tasks_own_work_keeps_its_log_and_progress(make: Make) -> None:
    def body(self: Any) -> None:
        with transaction.atomic():
            JobAction.objects.create(at=NOON, verb="worked", actor="task")
            logger.warning("about to fail")
            self.progress(7, 10)
            raise ValueError("no stock")

    make(body).delay()

    job = Job.objects.get()
    assert (job.state, job.progress_current) == (State.FAILED, 7)
    assert LogLine.objects.filter(job_id=job.id, message="about to fail").exists()
    assert not JobAction.objects.exists()


@pytest.mark.usefixtures("eager")
@pytest.mark.django_db(transaction=True)
def test_a_database_error_in_the_task_is_recorded(make: Make) -> None:
    def body(_self: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT no_such_column FROM jobman_job")

    make(body).delay()

    job = Job.objects.get()
    assert job.state == State.FAILED
    assert job.error_class.startswith("django.db.utils.")


@pytest.mark.usefixtures("eager")
@pytest.mark.django_db
def test_a_broken_transaction_of_the_tasks_own_is_its_own_matter(make: Make) -> None:
    def body(_self: Any) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT no_such_column FROM jobman_job")

    make(body).delay()

    assert Job.objects.get().state == State.FAILED
