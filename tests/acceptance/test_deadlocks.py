"""Two real transactions deadlock over a job's row, and the server gives up jobman's."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
import pymysql
import pytest

from celery_jobman.testing.localnodes import wait_until
from tests.acceptance.stacks import QUICK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.projects import Project

#: Log lines are left to the end of the attempt: its transaction writes the job, then the lines.
AT_THE_END = QUICK | {"FLUSH_EVERY": 120}
#: PostgreSQL looks for a deadlock once, so long after a wait began, and gives up who looked.
LATE, NEVER = "5s", "1h"


class Stranger:
    """A session of somebody else, who locks the log first and the job's row second.

    It does so much besides that MariaDB, which gives up the smaller transaction, lets it live.
    """

    log: str
    waiting: str

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._cursor = connection.cursor()

    def lock_log(self) -> None:
        """Let nobody else write log lines until the end of the transaction."""
        words = [(str(number), 1, "besides") for number in range(200)]
        statement = "INSERT INTO effects_effect (job, attempt, name, at) VALUES (%s, %s, %s, now())"
        self._cursor.executemany(statement, words)
        self._cursor.execute(self.log)

    def sees_somebody_wait(self) -> bool:
        """Whether a session waits for a lock in this database."""
        self._cursor.execute(self.waiting)
        return bool(self._cursor.fetchall())

    def lock_job(self, job_id: str) -> None:
        """Lock the job's row; return when it is locked."""
        statement = "UPDATE jobman_job SET label = label WHERE task_id = %s"
        self._cursor.execute(statement, [job_id])

    def leave(self) -> None:
        """Undo everything, and give the locks back."""
        self._connection.rollback()


class OnPostgreSQL(Stranger):
    log = "LOCK TABLE jobman_logline IN SHARE ROW EXCLUSIVE MODE"
    waiting = """
        SELECT 1 FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'
    """


class OnMariaDB(Stranger):
    log = "SELECT id FROM jobman_logline FOR UPDATE"  # the gaps between and behind them too
    # Not innodb_trx: who looks there ten times a second sees what the first look saw.
    waiting = """
        SELECT 1 FROM information_schema.global_status
        WHERE variable_name = 'Innodb_row_lock_current_waits' AND variable_value > 0
    """


@pytest.fixture
def stranger(project: Project) -> Iterator[Stranger]:
    """Open the session."""
    place = urlsplit(project.stack.database_url)
    if place.scheme == "postgresql":
        options = f"-c deadlock_timeout={NEVER}"
        with closing(psycopg.connect(project.stack.database_url, options=options)) as connection:
            yield OnPostgreSQL(connection)
        return
    session = pymysql.connect(
        host=place.hostname,
        port=place.port or 0,
        user=place.username,
        database=place.path.strip("/"),
    )
    with closing(session):
        yield OnMariaDB(session)


@pytest.mark.parametrize(
    ("project", "verdict"),
    [(("redis", "postgresql"), "deadlock detected"), (("redis", "mariadb"), "Deadlock found")],
    indirect=["project"],
    ids=["postgresql", "mariadb"],
)
def test_the_end_of_an_attempt_that_is_a_deadlocks_victim_is_written_again(
    project: Project, stranger: Stranger, verdict: str
) -> None:
    tag = project.new_tag()
    gate = project.arm(tag, "finishing")
    patience = {"PGOPTIONS": f"-c deadlock_timeout={LATE}"}
    worker = project.worker(settings=AT_THE_END, environment=patience)
    job_id = project.enqueue("chatter", 3, tag=tag)
    gate.wait()
    stranger.lock_log()
    gate.release()
    assert wait_until(stranger.sees_somebody_wait, timeout=30), project.report(job_id)

    stranger.lock_job(job_id)
    stranger.leave()

    assert project.wait_for(job_id)["state"] == "succeeded"
    assert project.outcomes(job_id) == ["succeeded"]
    assert "trying again what=finish" in worker.logs()
    assert verdict in worker.logs()
    messages = [line["message"] for line in project.rows("lines", job_id)]
    assert [text for text in messages if text.startswith("line ")] == ["line 0", "line 1", "line 2"]
