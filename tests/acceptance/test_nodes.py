"""pytest-celery's own interface, on whichever nodes ``JOBMAN_TEST_NODES`` chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pytest_celery import RESULT_TIMEOUT
from pytest_celery.vendors.worker.tasks import add

if TYPE_CHECKING:
    from pytest_celery import CeleryTestSetup


def test_a_worker_runs_tasks_of_either_broker(celery_setup: CeleryTestSetup) -> None:
    assert celery_setup.ready(ping=True, control=True)

    result = add.s(1, 2).apply_async(queue=celery_setup.worker.worker_queue)

    assert result.get(timeout=RESULT_TIMEOUT) == 3
    celery_setup.worker.assert_log_exists("succeeded in")
    celery_setup.worker.assert_log_does_not_exist("Traceback")


@pytest.mark.parametrize("celery_broker", ["celery_redis_broker"], indirect=True)
def test_a_killed_worker_comes_back_after_a_restart(celery_setup: CeleryTestSetup) -> None:
    worker = celery_setup.worker
    worker.kill()
    assert worker.container.status == "exited"
    assert worker.container.attrs["State"]["ExitCode"] == 137

    worker.restart()

    assert worker.container.status == "running"
    assert celery_setup.ready(ping=True)


@pytest.mark.parametrize("celery_broker", ["celery_redis_broker"], indirect=True)
def test_a_worker_lists_its_processes_and_no_others(celery_setup: CeleryTestSetup) -> None:
    processes = celery_setup.worker.get_running_processes_info(["pid", "cmdline"])

    assert len(processes) > 1
    assert all("app" in process["cmdline"] for process in processes)


@pytest.mark.parametrize("celery_broker", ["celery_redis_broker"], indirect=True)
def test_a_worker_tells_how_it_was_started(celery_setup: CeleryTestSetup) -> None:
    worker = celery_setup.worker

    assert worker.log_level == "INFO"
    assert worker.worker_name == "celery_test_worker"
    assert worker.worker_queue == "celery"
    assert worker.hostname() in worker.logs()


@pytest.mark.parametrize("celery_broker", ["celery_redis_broker"], indirect=True)
def test_a_broker_that_is_restarted_is_used_again(celery_setup: CeleryTestSetup) -> None:
    celery_setup.broker.restart()

    celery_setup.worker.assert_log_exists("Connected to", timeout=30)
    assert celery_setup.ready(ping=True)
