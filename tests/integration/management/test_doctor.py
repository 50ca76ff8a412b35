from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from celery import Task
from django.db import OperationalError
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from celery_jobman.exceptions import TaskRefused, UnknownTask
from celery_jobman.insight.workforce import Workforce
from celery_jobman.management.examinations import Finding, installation, traffic, workflows
from celery_jobman.models import Stopping
from celery_jobman.runtime import installation as celery_installation
from celery_jobman.runtime import registry, task_inventory
from celery_jobman.runtime.installation import Service
from celery_jobman.states import State
from tests.factories import (
    EARLIER,
    NOON,
    attempt,
    batch,
    blocked_job,
    finished_job,
    queued_job,
    running_job,
    scheduled_job,
    worker,
)

if TYPE_CHECKING:
    from celery import Celery
    from pytest_django import Settings as Project

    from celery_jobman.models import Worker
    from tests.integration.management.conftest import Command

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def live() -> Worker:
    return worker(seen=timezone.now(), queues=["celery"])


def _away(*_: Any) -> Service:
    return Service(address="redis://:**@nowhere:6379/0", error="ConnectionError: refused")


@pytest.mark.usefixtures("live")
def test_all_is_well(jobman: Command) -> None:
    answer = jobman("doctor")

    assert {line[:8] for line in answer.lines[:-1]} == {"ok      "}
    assert answer.lines[-1] == f"{len(answer.lines) - 1} ok, 0 advice, 0 wrong"
    assert jobman("doctor", "--problems").lines == [answer.lines[-1]]


def test_what_is_wrong_has_a_fix_and_an_exit_status(jobman: Command) -> None:
    answer = jobman.refused("doctor", "--problems")

    assert answer.lines[:2] == [
        "wrong   no worker has given a sign of life within 25s",
        "        start one: celery -A tests.celery_app worker",
    ]
    assert (answer.error, answer.status) == ("1 thing is wrong", 1)


@pytest.mark.usefixtures("live")
def test_findings_for_programs(jobman: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(celery_installation, "broker", _away)

    facts = jobman.refused("doctor", "--json", "--problems").facts

    assert facts[0]["verdict"] == "wrong"
    assert "redis://:**@nowhere:6379/0 (ConnectionError: refused)" in facts[0]["sentence"]
    assert "CELERY_BROKER_URL" in facts[0]["fix"]
    assert facts[-1]["wrong"] == 1


def test_without_tables_the_rest_is_not_asked(
    jobman: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    initial = SimpleNamespace(name="0001_initial", app_label="jobman")
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda *_: [(initial, False)])

    answer = jobman.refused("doctor", "--problems")

    assert answer.lines[:2] == [
        "wrong   1 migration is not applied to the database 'default'",
        "        run manage.py migrate",
    ]
    assert len(answer.lines) == 3


def test_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OperationalError("no such host")

    monkeypatch.setattr(MigrationExecutor, "__init__", refuse)

    assert "does not answer: no such host" in installation.database().sentence


def test_settings_that_do_not_go_together(settings: Project) -> None:
    settings.JOBMAN = {"HEARTBEAT": 5, "WORKER_LOST_AFTER": 6}

    (finding,) = installation.system_checks()

    assert finding.verdict == "wrong"
    assert "WORKER_LOST_AFTER" in finding.sentence
    assert "15 seconds" in finding.fix


def test_settings_that_the_project_wants_to_hear_no_more_of(settings: Project) -> None:
    settings.JOBMAN = {"HEARTBEAT": 5, "WORKER_LOST_AFTER": 6}
    settings.SILENCED_SYSTEM_CHECKS = ["jobman.W001", "jobman.W002"]

    (finding,) = installation.system_checks()

    assert finding.verdict == "ok"


def test_what_may_surprise_one_day_is_advice(settings: Project) -> None:
    settings.JOBMAN_HEARTBEAT = 5

    (finding,) = installation.system_checks()

    assert (finding.verdict, finding.sentence) == (
        "advice",
        "the setting JOBMAN_HEARTBEAT has no effect",
    )


def test_a_project_without_a_job_among_its_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = [Task(), Task()]
    monkeypatch.setattr(task_inventory, "tasks", lambda: plain)

    finding = installation.jobs()

    assert finding.verdict == "wrong"
    assert finding.sentence == "no task is a job: none of 2 tasks is a JobTask"
    assert 'task_cls="celery_jobman:JobTask"' in finding.fix


def test_a_project_without_tasks_has_none_to_make_jobs_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(task_inventory, "tasks", list)

    assert installation.jobs().verdict == "ok"


def test_a_task_that_is_refused_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = TaskRefused("shop.add", "its option tags is 'abc'", "give a list of texts")
    monkeypatch.setattr(task_inventory, "refused", lambda: [refused])

    (finding,) = installation.system_checks()

    assert finding.verdict == "wrong"
    assert "task shop.add: its option tags is 'abc'" in finding.sentence


def test_jobs_that_were_sent_again_and_again_and_never_begun() -> None:
    queued_job(delivery=traffic.SENDINGS - 1)
    running_job(delivery=9)
    queued_job(delivery=9, attempt=1)
    assert traffic.unbegun().verdict == "ok"

    queued_job(delivery=traffic.SENDINGS, task="shop.import")
    scheduled_job(delivery=9, task="shop.mail")
    finding = traffic.unbegun()

    assert finding.verdict == "wrong"
    assert finding.sentence == (
        "2 jobs were sent 4 times or more, and never begun: shop.import, shop.mail"
    )


def test_a_project_that_does_not_load_its_celery_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(celery_installation, "app_name", lambda: None)

    assert "from .celery import app" in installation.celery_app().fix


def test_tasks_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "import_tasks", lambda: ImportError("no shop"))

    assert "ImportError: no shop" in installation.tasks().sentence


def test_the_result_backend_may_be_missing_or_away(monkeypatch: pytest.MonkeyPatch) -> None:
    assert installation.result_backend().verdict == "ok"

    monkeypatch.setattr(celery_installation, "result_backend", lambda: None)
    assert "results are in the jobs' rows" in installation.result_backend().sentence

    monkeypatch.setattr(celery_installation, "result_backend", _away)
    assert installation.result_backend().verdict == "wrong"


def test_tasks_that_outlast_the_visibility_timeout(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def body() -> None:
        """Do nothing."""

    limits = {"demo.endless": None, "demo.long": 7200, "demo.short": 60}
    for name, limit in limits.items():
        app.task(name=name, acks_late=True, time_limit=limit, shared=False)(body)
    assert installation.late_acknowledgement().verdict == "ok"

    monkeypatch.setattr(celery_installation, "visibility_timeout", lambda: 3600.0)
    finding = installation.late_acknowledgement()

    assert finding.verdict == "advice"
    assert finding.sentence.startswith("2 tasks with acks_late may run for longer than")
    assert finding.sentence.endswith("demo.endless, demo.long")
    for name in limits:
        app.tasks.pop(name)


def test_queues_that_nobody_consumes(live: Worker) -> None:
    queued_job(queue="slow")
    queued_job()

    (finding,) = traffic.queues(Workforce((live,)))

    assert finding.sentence == "queue 'slow' holds 1 job, and no live worker consumes it"
    assert finding.fix == "start one: celery -A tests.celery_app worker -Q slow"
    assert list(traffic.queues(Workforce(()))) == []


def test_two_workers_of_one_name(live: Worker) -> None:
    twin = worker(seen=timezone.now())

    assert "share a name: w1@host" in traffic.names(Workforce((live, twin))).sentence


def test_workers_of_different_versions() -> None:
    old = worker(seen=timezone.now(), versions={"celery": "5.5.1", "python": "3.12.1"})
    new = worker(seen=timezone.now(), hostname="w2@host", versions={"celery": "5.6.0"})

    finding = traffic.versions(Workforce((old, new)))

    assert finding.verdict == "advice"
    assert finding.sentence == (
        "live workers run different versions: celery 5.5.1 on w1@host; celery 5.6.0 on w2@host"
    )
    assert traffic.versions(Workforce((new,))).verdict == "ok"


@pytest.mark.parametrize(
    ("ahead", "words"), [(-200, "is 3m ahead of the database's"), (200, "is 3m behind the data")]
)
def test_clocks_that_differ(monkeypatch: pytest.MonkeyPatch, ahead: int, words: str) -> None:
    assert installation.clocks().verdict == "ok"

    moment = timezone.now() + timedelta(seconds=ahead)
    monkeypatch.setattr(installation, "clock", lambda: moment)

    finding = installation.clocks()

    assert finding.verdict == "wrong"
    assert words in finding.sentence


def test_jobs_of_dead_workers(live: Worker) -> None:
    force = Workforce((live,))
    running_job(worker_id=live.id, started_at=LONG_AGO)
    assert traffic.orphans(force, NOON).verdict == "ok"

    running_job(worker_id=worker(seen=LONG_AGO).id, started_at=LONG_AGO)
    assert traffic.orphans(force, NOON).sentence == "1 job is held by workers that are dead"


def test_jobs_that_wait_for_the_broker() -> None:
    scheduled_job(dispatch_error="OperationalError: refused")

    assert traffic.refused().sentence == (
        "1 job waits for the broker, which last said: OperationalError: refused"
    )


def test_jobs_whose_task_no_worker_knows_do_not_wait_for_the_broker() -> None:
    for task in ("shop.new", "shop.newer", "shop.new"):
        scheduled_job(task=task, dispatch_error=f"UnknownTask: {UnknownTask(task)}")

    finding = traffic.unknown()

    assert finding.sentence == (
        "3 jobs wait for a worker that knows the task: shop.new, shop.newer"
    )
    assert "deploy the code" in finding.fix
    assert traffic.refused().verdict == "ok"


def test_no_job_waits_for_a_worker_that_knows_its_task() -> None:
    scheduled_job(dispatch_error="OperationalError: refused")

    assert traffic.unknown().verdict == "ok"


@pytest.mark.parametrize("alive", [True, False])
def test_jobs_that_nobody_sends(live: Worker, *, alive: bool) -> None:
    scheduled_job()
    scheduled_job(available_at=NOON)

    finding = traffic.overdue(Workforce((live,) if alive else ()), NOON)

    assert finding.sentence.startswith("1 job is overdue for up to 5m: ")
    assert ("no worker is alive" in finding.sentence) is not alive


def test_dropped_log_lines() -> None:
    attempt(finished_job(State.SUCCEEDED), lines_dropped=3)

    finding = traffic.dropped_lines()

    assert finding.verdict == "advice"
    assert finding.sentence == "3 log lines were dropped of late"


def test_a_finding_that_is_well_needs_no_fix() -> None:
    assert Finding(verdict="ok", sentence="well").fix == ""


@pytest.mark.parametrize(
    "marked",
    [
        {"opening": True, "started_at": EARLIER},
        {"stopping": Stopping.CANCELLED, "cancel_requested_at": EARLIER},
    ],
)
@pytest.mark.parametrize("alive", [True, False])
def test_a_batch_nobody_sees_to(live: Worker, marked: dict[str, Any], *, alive: bool) -> None:
    row = batch(total=1, **marked)
    blocked_job(batch_id=row.id)

    finding = workflows.errands(Workforce((live,) if alive else ()), NOON)

    assert finding.verdict == "wrong"
    assert f"1 batch has members that should have been released or cancelled: {row.id}" in (
        finding.sentence
    )
    assert finding.sentence.endswith("the workers do not do it") == alive


def test_a_batch_that_was_marked_just_now_or_waits_for_what_runs_is_well() -> None:
    blocked_job(batch_id=batch(total=1, opening=True, started_at=NOON).id)
    asked = batch(total=1, stopping=Stopping.CANCELLED, cancel_requested_at=EARLIER)
    running_job(batch_id=asked.id)

    assert workflows.errands(Workforce(()), NOON).verdict == "ok"
