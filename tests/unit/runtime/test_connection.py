from __future__ import annotations

import logging
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest
from django.db import (
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connection,
    connections,
    transaction,
)

from celery_jobman.core import attempts
from celery_jobman.models import Job
from celery_jobman.models.database import using
from celery_jobman.runtime import connection as jobman
from celery_jobman.runtime import identity
from celery_jobman.runtime.connection import ALIAS
from celery_jobman.testing.localnodes import wait_until
from tests.factories import next_run_of, queued_job, unsaved_job

if TYPE_CHECKING:
    from pytest_django import Settings as Project

pytestmark = pytest.mark.django_db

needs_two_writers = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has one writer, which shares its connection"
)


def is_open() -> bool:
    """Return whether this thread has a private connection."""
    return hasattr(connections._connections, ALIAS)  # type: ignore[attr-defined]


def test_outside_workers_the_projects_connection_is_used() -> None:
    with jobman.private():
        assert using() == "default"
    assert not is_open()


@pytest.mark.usefixtures("worker_identity")
@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite shares in workers")
def test_on_sqlite_the_tasks_connection_is_used_in_workers_too() -> None:
    with jobman.private():
        assert using() == "default"
    assert not is_open()


@needs_two_writers
@pytest.mark.usefixtures("worker_identity")
def test_in_a_worker_statements_go_through_a_connection_of_their_own() -> None:
    with jobman.private():
        Job.objects.exists()
        inside = (using(), jobman.current() is connections[ALIAS])

    assert inside == (ALIAS, True)
    assert using() == "default"


@needs_two_writers
@pytest.mark.usefixtures("worker_identity")
def test_the_private_connection_stays_open() -> None:
    with jobman.private():
        Job.objects.exists()
        first = jobman.current().connection
    for wrapper in connections.all(initialized_only=True):
        wrapper.close_if_unusable_or_obsolete()

    with jobman.private():
        Job.objects.exists()
        assert jobman.current().connection is first


@needs_two_writers
@pytest.mark.usefixtures("worker_identity")
def test_it_is_nobodys_configured_connection() -> None:
    with jobman.private():
        Job.objects.exists()

    assert ALIAS not in connections
    assert ALIAS not in [wrapper.alias for wrapper in connections.all(initialized_only=True)]
    assert connections[ALIAS].settings_dict["NAME"] == connection.settings_dict["NAME"]
    assert connections[ALIAS].settings_dict["CONN_MAX_AGE"] is None


@needs_two_writers
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("worker_identity")
def test_what_is_written_there_outlives_the_tasks_own_transaction() -> None:
    with transaction.atomic():
        with jobman.private():
            Job.objects.bulk_create([unsaved_job()])
        transaction.set_rollback(True)

    assert Job.objects.count() == 1


@needs_two_writers
@pytest.mark.usefixtures("worker_identity")
def test_each_thread_has_its_own() -> None:
    seen: list[bool] = []

    def look() -> None:
        seen.append(is_open())

    with jobman.private():
        Job.objects.exists()
    thread = Thread(target=look)
    thread.start()
    thread.join()

    assert seen == [False]


@needs_two_writers
@pytest.mark.usefixtures("worker_identity")
def test_a_forked_child_does_not_use_its_parents() -> None:
    with jobman.private():
        Job.objects.exists()
    inherited = connections[ALIAS]

    jobman.forget_inherited()

    assert not is_open()
    assert inherited.connection is not None
    inherited.close()


@needs_two_writers
@pytest.mark.usefixtures("worker_identity")
def test_the_connections_of_all_threads_are_closed_when_the_worker_has_ended() -> None:
    opened, closed = Event(), Event()
    states: list[bool] = []

    def use() -> None:
        with jobman.private():
            Job.objects.exists()
        states.append(connections[ALIAS].connection is None)
        opened.set()
        closed.wait(20)
        states.append(connections[ALIAS].connection is None)

    thread = Thread(target=use)
    thread.start()
    opened.wait(20)
    jobman.close_private()
    closed.set()
    thread.join(20)

    assert states == [False, True]


@needs_two_writers
@pytest.mark.usefixtures("worker_identity")
def test_one_that_is_in_use_then_is_closed_after_that() -> None:
    with jobman.private():
        Job.objects.exists()
        with jobman.private():
            identity.resign()
            jobman.close_private()
        assert Job.objects.count() == 0
        wrapper = jobman.current()

    assert wrapper.connection is None


def test_there_may_be_nothing_to_forget() -> None:
    jobman.forget_inherited(sender=None)

    assert not is_open()


@needs_two_writers
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("worker_identity")
def test_a_job_enqueued_in_a_transaction_is_part_of_it() -> None:
    with transaction.atomic(), jobman.private(), jobman.enqueueing():
        assert using() == "default"
    with jobman.enqueueing():
        assert using() == ALIAS


class Away:
    """A database that is away for some calls."""

    def __init__(self, times: int, error: type[Exception] = OperationalError) -> None:
        self.times = times
        self.error = error
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error("server closed the connection")
        return "answer"


class Clock:
    """A clock that goes on only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(jobman, "time", clock)
    monkeypatch.setattr(jobman, "connections_busy", lambda: False)
    monkeypatch.setattr(jobman, "drop", lambda: None)
    return clock


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_comes_back_is_waited_for(clock: Clock, error: type[Exception]) -> None:
    away = Away(3, error)

    assert jobman.patiently(away, "claim") == "answer"
    assert away.calls == 4
    assert clock.slept == [0.1, 0.2, 0.4]


def test_a_database_that_stays_away_is_waited_for_as_long_as_the_project_says(
    clock: Clock, settings: Project
) -> None:
    settings.JOBMAN = {"OUTAGE_PATIENCE": 20}

    with pytest.raises(OperationalError):
        jobman.patiently(Away(1000), "claim")
    assert 15 <= clock.now <= 20
    assert max(clock.slept) == jobman.LONGEST_PAUSE


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL reports 40001")
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("worker_identity")
def test_a_claim_that_cannot_be_serialised_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    job = queued_job()
    claimed: list[bool] = []

    def claim() -> None:
        with jobman.private():
            with jobman.current().cursor() as cursor:
                cursor.execute("SET default_transaction_isolation = 'repeatable read'")
            mine = next_run_of(job)
            claimed.append(jobman.patiently(lambda: attempts.claim(mine, job.delivery), "claim"))
            jobman.drop()

    claiming = Thread(target=claim)
    with transaction.atomic():
        Job.objects.update(label="relabelled")
        claiming.start()
        assert wait_until(somebody_waits_for_us, timeout=20)
    claiming.join(20)

    assert claimed == [True]
    assert "could not serialize access" in caplog.text


def somebody_waits_for_us() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks"
            " WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        )
        return bool(cursor.fetchone()[0])


def test_each_try_is_logged(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        jobman.patiently(Away(2), "claim")

    assert caplog.text.count("Database is away, trying again what=claim") == 2
    assert clock.now > 0


def test_a_wrong_statement_is_not_tried_again(clock: Clock) -> None:
    away = Away(1, ProgrammingError)

    with pytest.raises(ProgrammingError):
        jobman.patiently(away, "claim")
    assert (away.calls, clock.slept) == (1, [])


def test_inside_a_transaction_trying_again_cannot_help() -> None:
    away = Away(1)

    with pytest.raises(OperationalError), transaction.atomic():
        jobman.patiently(away, "claim")
    assert away.calls == 1


def test_a_dropped_connection_is_opened_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []

    class Wrapper:
        connection: Any = "broken"

        def close(self) -> None:
            closed.append(True)

    monkeypatch.setattr(jobman, "current", Wrapper)

    jobman.drop()

    assert closed == [True]


def test_a_connection_too_broken_to_close_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrapper:
        connection: Any = "broken"

        def close(self) -> None:
            raise InterfaceError("connection already closed")

    wrapper = Wrapper()
    monkeypatch.setattr(jobman, "current", lambda: wrapper)

    jobman.drop()

    assert wrapper.connection is None


@pytest.mark.parametrize("busy", [True, False])
def test_a_connection_that_breaks_is_renewed_unless_a_transaction_is_open_on_it(
    monkeypatch: pytest.MonkeyPatch,
    busy: bool,  # noqa: FBT001
) -> None:
    dropped: list[bool] = []
    monkeypatch.setattr(jobman, "connections_busy", lambda: busy)
    monkeypatch.setattr(jobman, "drop", lambda: dropped.append(True))

    with pytest.raises(OperationalError), jobman.renewed():
        raise OperationalError("server closed the connection")

    assert dropped == ([] if busy else [True])
