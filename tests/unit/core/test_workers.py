from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from celery_jobman.core.workers import arrive, beat, consume, forget_gone, leave
from celery_jobman.models import Queue, Worker
from celery_jobman.models.ids import uuid7
from tests.factories import EARLIER, LATER, NOON, worker

if TYPE_CHECKING:
    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db

MOMENT = timedelta(seconds=10)


def newcomer() -> Worker:
    return Worker(id=uuid7(), hostname="w1@host", pid=4711, pool="prefork")


def test_a_worker_that_arrives_is_known_and_alive() -> None:
    arrive(newcomer(), now=NOON)

    row = Worker.objects.get()
    assert (row.started_at, row.seen_at, row.stopped_at) == (NOON, NOON, None)


def test_a_sign_of_life_is_noted_with_what_the_worker_holds(budget: Budget) -> None:
    row = worker(seen=EARLIER)

    with budget(1):
        assert beat(row.id, now=NOON, reserved=3)

    row.refresh_from_db()
    assert (row.seen_at, row.reserved) == (NOON, 3)


def test_a_worker_whose_row_is_gone_learns_so() -> None:
    assert not beat(uuid4(), now=NOON)


def test_only_the_worker_itself_is_seen() -> None:
    other = worker(seen=EARLIER)

    beat(worker(seen=EARLIER).id, now=NOON)

    other.refresh_from_db()
    assert other.seen_at == EARLIER


def test_a_goodbye_is_noted() -> None:
    row = worker()

    leave(row.id, now=NOON)

    row.refresh_from_db()
    assert row.stopped_at == NOON


def test_by_default_the_databases_clock_holds() -> None:
    row = worker(seen=EARLIER)

    beat(row.id)
    leave(row.id)

    row.refresh_from_db()
    assert row.stopped_at is not None
    assert abs(timezone.now() - row.seen_at) < MOMENT
    assert abs(timezone.now() - row.stopped_at) < MOMENT


@pytest.mark.skipif(connection.vendor != "mysql", reason="needs MariaDB")
@pytest.mark.parametrize("zone", ["-08:00", "+09:00"])
def test_a_database_server_elsewhere_keeps_time_too(zone: str) -> None:
    row = worker(seen=EARLIER)
    with connection.cursor() as cursor:
        cursor.execute("SET time_zone = %s", [zone])

    beat(row.id)

    with connection.cursor() as cursor:
        cursor.execute("SET time_zone = DEFAULT")
    row.refresh_from_db()
    assert abs(timezone.now() - row.seen_at) < MOMENT


def test_a_worker_that_has_just_beaten_is_alive_by_the_databases_clock() -> None:
    row = worker(seen=EARLIER)
    beat(row.id)

    assert list(Worker.objects.alive(timedelta(seconds=30))) == [row]
    assert not Worker.objects.dead(timedelta(seconds=30)).exists()


def test_queues_get_a_row_each_and_the_time_they_were_last_consumed() -> None:
    consume(["celery", "slow"], now=EARLIER)
    consume(["slow"], now=NOON)

    assert {queue.name: queue.consumed_at for queue in Queue.objects.all()} == {
        "celery": EARLIER,
        "slow": NOON,
    }


def test_workers_not_seen_for_a_week_are_forgotten() -> None:
    worker(seen=LATER - timedelta(days=7, seconds=1))
    kept = worker(seen=LATER - timedelta(days=7))

    assert forget_gone(now=LATER) == 1
    assert list(Worker.objects.all()) == [kept]
