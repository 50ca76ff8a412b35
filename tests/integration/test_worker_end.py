from __future__ import annotations

from threading import Thread
from threading import enumerate as living
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from celery_jobman.models import Job, Worker
from celery_jobman.runtime import identity
from celery_jobman.states import State
from tests.integration import workers
from tests.integration.workers import eventually

if TYPE_CHECKING:
    from celery import Celery

    from tests.integration.conftest import Make

pytestmark = pytest.mark.django_db(transaction=True)

SESSIONS = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE db = database()",
}


def sessions() -> int:
    """Count the open connections to the test's database."""
    if connection.vendor not in SESSIONS:
        return 1
    with connection.cursor() as cursor:
        cursor.execute(SESSIONS[connection.vendor])
        return int(cursor.fetchone()[0])


def threads() -> set[Thread]:
    """Return the threads that use the database for all jobs."""
    return {each for each in living() if each.name in {"jobman-keeper", "jobman-supervisor"}}


def add(_self: Any, x: int) -> int:
    return x + 1


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_nothing_is_left_of_a_worker_that_ends_in_this_process(
    app: Celery, make: Make, pool: str
) -> None:
    task = make(add)
    before, others = sessions(), threads()

    for _ in range(2):
        with workers.running(app, pool=pool):
            during = identity.current()
            job_id = task.delay(1).id
            eventually(Job.objects.filter(task_id=job_id, state=State.SUCCEEDED).first)
        assert during is not None
        assert (identity.current(), identity.is_stopping()) == (None, False)
        assert threads() <= others
        assert eventually(lambda: sessions() <= before)
        assert Worker.objects.get(pk=during.worker_id).stopped_at is not None
