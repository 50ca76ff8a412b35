from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps
from django.core.checks import Warning as CheckWarning
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import (
    InterfaceError,
    OperationalError,
    connection,
    connections,
    models,
    transaction,
)
from django.db.models.functions import Now

from celery_jobman.models import Job, Step, Worker
from celery_jobman.models.database import (
    DatabaseClock,
    JobmanModel,
    atomic,
    home,
    reconnect,
    route,
    using,
)
from tests import databases, routers
from tests.factories import EARLIER, checkpoint, queued_job, worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import Settings as Project

pytestmark = pytest.mark.django_db


class ToArchive:
    """A project's router that keeps jobman's tables in a database of their own."""

    def db_for_write(self, model: type[models.Model], **_: Any) -> str | None:
        return "archive" if model is Job else None


def test_the_tables_are_at_home_where_the_project_puts_them(settings: Project) -> None:
    assert home() == using() == "default"

    settings.DATABASE_ROUTERS = [f"{__name__}.ToArchive"]

    assert home() == using() == "archive"


TABLES: list[Any] = list(apps.get_app_config("jobman").get_models())
READS: dict[str, Callable[[Job], object]] = {
    "a manager": lambda _job: Job.objects.count(),
    "all managers": lambda _job: [table.objects.count() for table in TABLES],
    "an aggregate": lambda _job: Job.objects.aggregate(models.Max("delivery")),
    "many by key": lambda job: Job.objects.in_bulk([job.pk]),
    "related rows": lambda job: list(job.steps.all()),
    "a row related to": lambda job: Step.objects.get(job=job).job.queue,
    "related rows before": lambda _job: list(Job.objects.prefetch_related("steps")),
    "rows related to before": lambda _job: list(Step.objects.prefetch_related("job")),
    "the row anew": lambda job: job.refresh_from_db(),
    "a column later": lambda _job: Job.objects.defer("args").get().args,
    "a subquery": lambda _job: list(Step.objects.filter(job__in=Job.objects.all())),
    "a row to be made": lambda job: Job.objects.get_or_create(pk=job.pk),
}


@pytest.mark.parametrize("what", READS)
def test_what_is_read_is_read_where_it_is_written(settings: Project, what: str) -> None:
    job = queued_job()
    checkpoint(job, "load")
    settings.DATABASE_ROUTERS = [f"{routers.__name__}.ToReplica"]

    READS[what](job)  # the replica raises


def test_a_replica_that_was_named_is_read() -> None:
    with pytest.raises(ImproperlyConfigured):
        Job.objects.using("replica").count()
    with pytest.raises(ImproperlyConfigured):
        Job.objects.db_manager("replica").count()


def test_a_manager_tells_where_it_reads(side_door: str) -> None:
    with route(side_door):
        inside = Job.objects.db

    assert (inside, Job.objects.db, Job.objects.db_manager("else").db) == (
        side_door,
        "default",
        "else",
    )


def test_statements_follow_the_route(side_door: str) -> None:
    with route(side_door):
        inside = (using(), Job.objects.all().db, Job.objects.filter(queue="slow").db)
    outside = (using(), Job.objects.all().db)

    assert inside == (side_door,) * 3
    assert outside == ("default",) * 2


def test_related_rows_follow_the_route(side_door: str) -> None:
    job = queued_job()

    with route(side_door):
        assert job.steps.all().db == side_door


def test_a_connection_that_was_named_is_used(side_door: str) -> None:
    with route(side_door):
        assert Job.objects.using("default").db == "default"


def test_routes_nest_and_can_lead_home(side_door: str) -> None:
    with route(side_door):
        with route(None):
            assert using() == "default"
        assert using() == side_door


def test_a_route_ends_when_its_block_raises(side_door: str) -> None:
    with pytest.raises(ValueError, match="broken"), route(side_door):
        raise ValueError("broken")

    assert using() == "default"


def test_a_transaction_is_opened_on_the_route(side_door: str) -> None:
    with route(side_door), atomic():
        assert connections[side_door].in_atomic_block
    assert not connections[side_door].in_atomic_block


def test_a_transaction_can_be_rolled_back() -> None:
    with atomic():
        queued_job()
        transaction.set_rollback(True)

    assert not Job.objects.exists()


only_sqlite = pytest.mark.skipif(
    databases.chosen() != "sqlite", reason="only SQLite locks the whole file"
)


@only_sqlite
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("mode", [None, "DEFERRED", "IMMEDIATE"])
def test_on_sqlite_nobody_writes_between_what_we_read_and_what_we_write(
    side_door: str, mode: str | None
) -> None:
    job = queued_job()
    connections[side_door].settings_dict["OPTIONS"] = {"transaction_mode": mode}
    theirs = sqlite3.connect(connection.settings_dict["NAME"], timeout=0)

    with route(side_door), atomic(), closing(theirs):
        Job.objects.get(pk=job.pk)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            theirs.execute("UPDATE jobman_job SET queue = 'theirs'")
        Job.objects.update(queue="ours")

    assert Job.objects.get(pk=job.pk).queue == "ours"


@only_sqlite
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("mode", [None, "DEFERRED", "EXCLUSIVE"])
def test_on_sqlite_the_projects_own_transactions_begin_as_it_says(
    side_door: str, mode: str | None
) -> None:
    connections[side_door].settings_dict["OPTIONS"] = {"transaction_mode": mode}

    with route(side_door), atomic():
        Job.objects.count()

    assert vars(connections[side_door])["transaction_mode"] == mode


def test_the_databases_clock_agrees_with_its_columns() -> None:
    worker(seen=EARLIER)

    Worker.objects.update(seen_at=DatabaseClock())

    assert Worker.objects.filter(seen_at__lte=DatabaseClock()).exists()


def test_outside_mysql_the_clock_is_djangos() -> None:
    assert issubclass(DatabaseClock, Now)


def test_plain_indexes_may_stand_in_for_conditional_ones() -> None:
    found = run_checks(list(apps.get_app_configs()), databases=["default"])

    assert [message for message in found if message.id == "models.W037"] == []


def test_every_other_warning_is_still_given(monkeypatch: pytest.MonkeyPatch) -> None:
    given = [CheckWarning("conditional", id="models.W037"), CheckWarning("other", id="models.W042")]
    monkeypatch.setattr(models.Model, "check", classmethod(lambda _cls, **_: given))

    assert [message.id for message in JobmanModel.check()] == ["models.W042"]


def test_a_connection_that_is_closed_is_opened(side_door: str) -> None:
    reconnect(side_door)

    assert connections[side_door].connection is not None


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_connection_that_broke_unnoticed_is_closed_and_opened_by_the_next_call(
    side_door: str, error: type[Exception]
) -> None:
    def break_once(*_: Any) -> None:
        connections[side_door].execute_wrappers.remove(break_once)
        raise error

    reconnect(side_door)
    connections[side_door].execute_wrappers.append(break_once)

    with pytest.raises(error):
        reconnect(side_door)
    broken = connections[side_door].connection
    reconnect(side_door)

    assert broken is None
    assert connections[side_door].is_usable()
