"""list, show, steps, status and workers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from django.utils import timezone

from celery_jobman.core import actions
from celery_jobman.management.console import Console
from celery_jobman.models import StepState, Stopping
from celery_jobman.states import State
from tests.factories import (
    NOON,
    attempt,
    batch,
    checkpoint,
    finished_job,
    log_line,
    queued_job,
    running_job,
    scheduled_job,
    spoil,
    worker,
)

if TYPE_CHECKING:
    from tests.integration.management.conftest import Command

pytestmark = pytest.mark.django_db

#: Ids made within the same millisecond are in no order.
FIRST = UUID("01a205ff-0000-7000-8000-000000000001")
SECOND = UUID("01a205ff-ffff-7000-8000-000000000002")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOON)


def test_list_shows_the_newest_first_and_the_total_last(jobman: Command) -> None:
    old, new = queued_job(id=FIRST, preview="1, 2"), finished_job(State.FAILED, id=SECOND)

    assert jobman("list").lines == [
        f"{new.id}  failed     5m ago   demo.add()",
        f"{old.id}  queued     5m ago   demo.add(1, 2)",
        "2 jobs",
    ]


def test_list_can_be_narrowed(jobman: Command) -> None:
    job = finished_job(State.FAILED, id=FIRST, task="shop.tasks.sync", queue="slow")
    other = finished_job(State.CANCELLED, id=SECOND, task="shop.tasks.sync")
    queued_job()

    assert [fact.get("id") for fact in jobman("list", "--task", "sync", "--json").facts] == [
        str(other.id),
        str(job.id),
        None,
    ]
    assert jobman("list", "--queue", "slow").lines[0].startswith(str(job.id))
    states = jobman("list", "--state", "failed", "--state", "cancelled")
    assert states.lines[-1] == "2 jobs"


def test_list_says_when_there_are_more(jobman: Command) -> None:
    for _ in range(3):
        queued_job()

    assert jobman("list", "--limit", 2).lines[-1] == "2 jobs; there are more, see --limit"
    assert jobman("list", "--limit", 3, "--json").facts[-1] == {"total": 3, "more": False}


def test_list_leaves_out_what_cannot_be_read_and_knows_that_there_are_more(
    jobman: Command,
) -> None:
    jobs = [queued_job() for _ in range(3)]
    spoil(jobs[1])

    lines = jobman("list", "--limit", 2).lines

    assert [line.split()[0] for line in lines[:-1]] == [str(jobs[2].id), str(jobs[0].id)]
    assert lines[-1] == "2 jobs; there are more, see --limit"


def test_list_of_nothing_is_no_error_but_a_misspelt_filter_is(jobman: Command) -> None:
    queued_job()

    assert jobman("list", "--task", "add", "--state", "failed").lines == ["0 jobs"]
    assert "no job has the task 'ad'" in jobman.refused("list", "--task", "ad").error


def test_list_fits_its_lines_into_a_terminal(
    jobman: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Console, "width", 80)
    task = "example_project.shop.tasks.import_branches"
    queued_job(id=FIRST, task=task, preview='"airports", limit=3')
    queued_job(id=SECOND, task="example_project.shop.tasks.add")

    short, long, _ = jobman("list").lines

    assert short.endswith("  add()")
    assert long.endswith('  import_branches("airp…')
    assert len(long) == 80


def test_list_puts_a_preview_of_many_lines_on_one(jobman: Command) -> None:
    queued_job(preview='"a\nb"')

    assert jobman("list").lines[0].endswith('demo.add("a b")')


def test_show_tells_everything(jobman: Command) -> None:
    job = scheduled_job(
        attempt=1, failures=1, max_attempts=3, declared_steps=["fetch", "load"], tags=["nightly"],
        available_at=NOON.replace(hour=13), error_class="ValueError", error_message="bad row",
        preview='"a.csv"', started_at=NOON, task_id="celery-id", priority=3, attribs={"n": 1},
        args='["a.csv"]', kwargs='{"api_token": "s3cret"}', result='{"sent": 3}', releases=1,
        crashes=1, label="import",
    )  # fmt: skip
    attempt(job, error_class="ValueError", error_message="bad row", hostname="w1@host",
            traceback="Traceback (most recent call last):\nValueError: bad row",
            resumed_from="load", trigger="operator", lines_dropped=7)  # fmt: skip
    checkpoint(job, "fetch")
    log_line(job)
    actions.record("retry", job.id, actor="ann", reason="API is back", now=NOON)

    assert jobman("show", job.id).lines == [
        f"{job.id}  scheduled",
        "why         Attempt 1 failed; the next begins in 1h, at 2030-01-01 13:00:00 UTC.",
        "task        demo.add (import)",
        'arguments   "a.csv"',
        "queue       celery, priority 3",
        "celery id   celery-id",
        "tags        nightly",
        'attributes  {"n": 1}',
        "created     2030-01-01 11:55:00 UTC, 5m ago",
        "queued      2030-01-01 11:55:00 UTC, 5m ago",
        "started     2030-01-01 12:00:00 UTC, just now",
        "counts      1 attempt, 1 failure of 3 allowed, 1 release, 1 lost worker",
        'result      {"sent": 3}',
        "error       ValueError: bad row",
        "log         1 line",
        (
            "attempt 1   failed just now after 5m, on w1@host, resumed at load,"
            " started by operator, 7 log lines dropped: ValueError: bad row"
        ),
        "step        fetch  succeeded   attempt 1, took 5m",
        "step        load   not begun",
        "action      retry by ann just now: API is back",
        "",
        "Traceback (most recent call last):",
        "ValueError: bad row",
    ]


def test_show_masks_secrets_for_programs_too(jobman: Command) -> None:
    job = finished_job(State.SUCCEEDED, kwargs='{"api_token": "s3cret"}', result='{"n": 3}')
    attempt(job)
    checkpoint(job, "fetch", ["rows.csv"])

    answer = jobman("show", job.id, "--json")

    assert [fact["kind"] for fact in answer.facts] == ["job", "attempt", "step"]
    assert answer.facts[0]["kwargs"] == {"api_token": "•••"}
    assert answer.facts[0]["result"] == {"n": 3}
    assert answer.facts[0]["why"] == "It succeeded just now."
    assert answer.facts[2]["result"] == ["rows.csv"]
    assert "s3cret" not in answer.text


def test_show_tells_where_a_job_runs(jobman: Command) -> None:
    live = worker(queues=["celery"])
    job = running_job(worker_id=live.id, pid=42, progress_current=3, progress_total=4)

    lines = jobman("show", job.id).lines

    assert "worker      w1@host, pid 42" in lines
    assert "progress    3 of 4 (75%)" in lines


def test_show_of_a_job_that_is_not_there(jobman: Command) -> None:
    answer = jobman.refused("show", "nope")

    assert answer.error == "there is no job nope; `jobman list` shows the ids there are"
    assert answer.status == 1


def test_a_declared_step_of_a_job_that_succeeded_was_not_run(jobman: Command) -> None:
    job = finished_job(State.SUCCEEDED, declared_steps=["fecth"])

    assert jobman("steps", job.id).lines == ["fecth  not run", "1 step"]


def test_steps_are_listed_in_their_order(jobman: Command) -> None:
    job = finished_job(State.FAILED, declared_steps=["fetch", "load", "report"])
    checkpoint(job, "extra", position=7)
    checkpoint(job, "load", state=StepState.RUNNING, finished_at=None, done=3, total=9)
    checkpoint(job, "fetch", superseded=1)
    checkpoint(job, "fetch", state=StepState.FAILED, finished_at=None, error_message="no\nfile")

    live = [
        "fetch   failed      attempt 1, no file",
        "load    unfinished  attempt 1, 3 of 9 (33%)",
        "report  not begun",
        "extra   succeeded   attempt 1, took 5m",
    ]
    aside = "fetch   succeeded   attempt 1, took 5m, set aside by retry 1 from a step"
    assert jobman("steps", job.id).lines == [*live, "4 steps"]
    assert jobman("steps", job.id, "--all").lines == [*live, aside, "5 steps"]
    assert jobman("steps", job.id, "--json").facts[2] == {
        "kind": "step",
        "name": "report",
        "state": None,
    }


def test_steps_can_list_the_items_they_skipped(jobman: Command) -> None:
    job = finished_job(State.SUCCEEDED)
    entry = {"index": 3, "item": {"name": "x", "api_key": "k"}, "error": "ValueError: bad"}
    checkpoint(job, "check", skipped=[entry])

    assert jobman("steps", job.id).lines[0].endswith("took 5m, 1 skipped")
    assert jobman("steps", job.id, "--skipped").lines == [
        'check  item 3  {"name": "x", "api_key": "•••"}  ValueError: bad',
        "1 skipped item",
    ]
    assert "•••" in jobman("steps", job.id, "--skipped", "--json").facts[0]["item"]["api_key"]


def test_status_counts_states_queues_and_workers(jobman: Command) -> None:
    live = worker(queues=["celery"], concurrency=4)
    running_job(worker_id=live.id)
    queued_job(queue="slow")
    scheduled_job(dispatch_error="OperationalError: refused")
    finished_job(State.FAILED)

    assert jobman("status").lines == [
        "scheduled         1  due for 5m, 1 refused by the broker",
        "blocked           0",
        "queued            1  the oldest waits for 5m",
        "running           1",
        "succeeded         0",
        "failed            1",
        "cancelled         0",
        "skipped           0",
        "workflows         0",
        "queue     celery: 0 queued, 1 running, 1 worker",
        "queue     slow: 1 queued, 0 running, 0 workers",
        "workers           1  running 1 of at most 4 jobs",
        "4 jobs",
    ]


def test_status_of_nothing(jobman: Command) -> None:
    assert jobman("status").lines[-2:] == [
        "workers           0  running 0 of at most 0 jobs",
        "0 jobs",
    ]


def test_status_tells_what_is_next(jobman: Command) -> None:
    scheduled_job(available_at=NOON.replace(hour=13))

    facts = jobman("status", "--json").facts

    assert facts[0]["next_at"] == "2030-01-01T13:00:00Z"
    assert json.loads(jobman("status", "--json").lines[-1]) == {"total": 1}
    assert "the next begins in 1h" in jobman("status").lines[0]


def test_status_counts_the_workflows_that_have_not_finished(jobman: Command) -> None:
    outer = batch(total=1)
    batch(total=1, batch_id=outer.id, root_id=outer.id)
    batch(total=1, stopping=Stopping.CANCELLED)
    batch(State.SUCCEEDED, succeeded=1)

    assert "workflows         2  1 being stopped" in jobman("status").lines


def test_workers_are_alive_lost_or_stopped(jobman: Command) -> None:
    live = worker(hostname="a@host", queues=["celery"], concurrency=2, reserved=1)
    running_job(worker_id=live.id)
    worker(hostname="b@host", seen=LONG_AGO)
    worker(hostname="c@host", seen=LONG_AGO, stopped_at=LONG_AGO)

    lines = jobman("workers").lines

    assert lines[0] == (
        "a@host  alive    seen just now, prefork x2, queues celery, runs 1,"
        " holds 1 more message, pid 4711"
    )
    assert lines[1].startswith("b@host  lost     seen 3653d ago")
    assert lines[2:] == ["1 alive, 1 lost"]
    assert jobman("workers", "--all").lines[-1] == "1 alive, 1 lost, 1 stopped"


def test_a_stopped_worker_that_holds_jobs_is_shown(jobman: Command) -> None:
    gone = worker(stopped_at=NOON)
    running_job(worker_id=gone.id)

    facts = jobman("workers", "--json").facts

    assert (facts[0]["standing"], facts[0]["running"]) == ("stopped", 1)
    assert facts[1] == {"total": 1, "alive": 0, "lost": 0, "stopped": 1}
