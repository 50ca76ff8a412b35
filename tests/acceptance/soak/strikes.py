"""How each blow of a plan is struck."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from celery_jobman.testing.localnodes import wait_until
from tests.acceptance import blows
from tests.acceptance.soak import plan
from tests.acceptance.soak.stage import QUEUE, Blow, hostname

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.soak.plan import Strike
    from tests.acceptance.soak.stage import Stage

#: Seconds for which a worker is watched until it has something to do.
ATTENTION: Final = 3
#: Seconds a server gets to stop: none may be killed, for it would lose what it said it had.
STOPPING: Final = 120

#: What a strike tells of its blow: ``hostname``, ``pid``, ``held``.
Facts = dict[str, Any]


def strike(stage: Stage, order: Strike) -> None:
    """Strike, and note the blow."""
    at = time.time()
    facts = STRIKES[order.fault](stage, order)
    at = facts.pop("at", at)
    stage.blows.append(Blow(fault=order.fault, at=at, until=time.time(), **facts))


def _kill_a_pool_process(stage: Stage, order: Strike) -> Facts:
    assert order.place is not None
    worker = stage.ready(order.place)
    wait_until(lambda: bool(stage.held(worker)), timeout=ATTENTION)
    held = stage.held(worker)
    pids = [row["pid"] for row in held] or worker.pool_pids()
    if not pids:
        return {"hostname": hostname(worker)}
    pid = pids[int(order.pick * len(pids))]
    at = time.time()
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    mine = [row for row in held if row["pid"] == pid]
    return {"hostname": hostname(worker), "pid": pid, "held": _attempts(mine), "at": at}


def _kill_a_worker(stage: Stage, order: Strike) -> Facts:
    assert order.place is not None
    worker = stage.ready(order.place)
    wait_until(lambda: bool(stage.held(worker)), timeout=ATTENTION)
    held = stage.held(worker)
    at = time.time()
    with suppress(ProcessLookupError):
        worker.kill_main()
    stage.replace(order.place)
    return {"hostname": hostname(worker), "held": _attempts(held), "at": at}


def _terminate_a_worker(stage: Stage, order: Strike) -> Facts:
    assert order.place is not None
    worker = stage.ready(order.place)
    held = stage.held(worker)
    worker.terminate()
    stage.leaving.append((worker, time.monotonic()))
    stage.replace(order.place)
    return {"hostname": hostname(worker), "held": _attempts(held)}


def _freeze_a_worker(stage: Stage, order: Strike) -> Facts:
    assert order.place is not None
    worker = stage.ready(order.place)
    held = stage.held(worker)
    at = time.time()
    worker.pause()
    return {"hostname": hostname(worker), "held": _attempts(held), "at": at}


def _thaw_a_worker(stage: Stage, order: Strike) -> Facts:
    assert order.place is not None
    worker = stage.workers[order.place]
    worker.unpause()
    return {"hostname": hostname(worker)}


def _restart_the_broker(stage: Stage, order: Strike) -> Facts:
    broker = stage.project.stack.broker
    broker.stop(STOPPING)
    time.sleep(order.seconds)
    broker.start()
    broker.ready()
    return {}


def _wipe_the_broker(stage: Stage, _order: Strike) -> Facts:
    blows.wipe(stage.project.stack.broker, QUEUE)
    return {}


def _cut_the_broker(stage: Stage, _order: Strike) -> Facts:
    blows.cut(stage.project.stack.broker)
    return {}


def _cut_the_database(stage: Stage, _order: Strike) -> Facts:
    stage.project.driver.call("cut_connections")
    return {}


def _stop_the_database(stage: Stage, order: Strike) -> Facts:
    stage.database.stop(STOPPING)
    time.sleep(order.seconds)
    stage.database.start()
    stage.database.ready()
    return {}


def _attempts(held: list[dict[str, Any]]) -> tuple[tuple[str, int], ...]:
    return tuple((row["id"], row["attempt"]) for row in held)


STRIKES: Final[dict[str, Callable[[Stage, Strike], Facts]]] = {
    plan.POOL_KILLED: _kill_a_pool_process,
    plan.WORKER_KILLED: _kill_a_worker,
    plan.TERMINATED: _terminate_a_worker,
    plan.FROZEN: _freeze_a_worker,
    plan.THAWED: _thaw_a_worker,
    plan.BROKER_RESTARTED: _restart_the_broker,
    plan.BROKER_WIPED: _wipe_the_broker,
    plan.BROKER_CUT: _cut_the_broker,
    plan.DATABASE_CUT: _cut_the_database,
    plan.DATABASE_STOPPED: _stop_the_database,
}
