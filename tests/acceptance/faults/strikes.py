"""The blows of the matrix: each takes a scene in which every job stands at its moment."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from celery_jobman.testing.localnodes import LocalPostgreSQL
from tests.acceptance import blows, troubles
from tests.acceptance.drivers import ProjectError
from tests.acceptance.executions import DROPPED
from tests.acceptance.faults.cells import WAITING
from tests.acceptance.faults.moments import (
    ATOMIC,
    BODY,
    BROKER,
    CANCEL,
    FINISHED,
    FINISHING,
    HELD,
    PREFETCHED,
    PUBLISH,
    QUEUED,
    RETRY,
)

if TYPE_CHECKING:
    from tests.acceptance.faults.scenes import Scene

#: Seconds for which workers whose clocks differ look at one another.
TOGETHER = 8
#: Seconds after which Redis takes an unacknowledged message for lost.
VISIBILITY = 2
#: Seconds for which a job is put off: longer than its old message takes to come.
LATER = 5
#: The priority with which Redis gives a message out after all others.
LAST = 9


def kill_the_pool(scene: Scene) -> None:
    for gate in scene.gates.values():
        os.kill(gate.pid, signal.SIGKILL)


def kill_the_worker(scene: Scene) -> None:
    scene.victim.kill_main()
    scene.relieve()


def kill_the_web(scene: Scene) -> None:
    for web in scene.webs.values():
        web.kill()
    scene.release()


def stop_warmly(scene: Scene) -> None:
    scene.victim.terminate()
    _see(scene, "Warm shutdown")
    scene.release()
    scene.relieve()


def stop_softly(scene: Scene) -> None:
    scene.victim.kill("SIGQUIT")
    _see(scene, "Soft Shutdown")
    scene.release()
    scene.relieve()


def stop_coldly(scene: Scene) -> None:
    scene.victim.kill("SIGQUIT")
    scene.relieve()


def freeze(scene: Scene) -> None:
    """Freeze the worker until others have its jobs, and hold them until it has come back."""
    taken = [moment for moment in (*BODY, FINISHING) if moment != ATOMIC[1]]
    frozen = {moment: scene.gates[moment].pid for moment in taken}
    scene.victim.pause()
    successors = [scene.hold_the_next(moment, _gate_of_the_next(moment)) for moment in taken]
    scene.relieve(concurrency=len(taken) + 1)
    for successor in successors:
        successor.wait()
    scene.release()
    scene.victim.unpause()
    for moment, pid in frozen.items():
        scene.await_executions(moment, pid=pid, attempt=1)
    for successor in successors:
        successor.release()


def _gate_of_the_next(moment: str) -> str:
    """One process stands at a gate; the next attempt stands as late as it can, elsewhere."""
    return "before body" if moment == FINISHING else "finishing"


def restart_the_broker(scene: Scene) -> None:
    broker = scene.project.stack.broker
    broker.stop()
    scene.release()
    scene.project.wait(lambda: _have_left(scene))
    broker.start()
    broker.ready()


def wipe_the_broker(scene: Scene) -> None:
    blows.wipe(scene.project.stack.broker, scene.project.queue)
    scene.release()


def cut_the_broker(scene: Scene) -> None:
    blows.cut(scene.project.stack.broker)
    scene.release()


def freeze_the_broker(scene: Scene) -> None:
    """Freeze the broker until publishers have given up; then it has their messages after all."""
    broker = scene.project.stack.broker
    broker.pause()
    try:
        scene.release()
        scene.project.wait(lambda: _have_left(scene))
        scene.project.wait(lambda: bool(scene.row(PUBLISH)["dispatch_error"]))
    finally:
        broker.unpause()


def deliver_twice(scene: Scene) -> None:
    _await_the_message(scene, RETRY)
    for moment in (*BROKER, *HELD):
        scene.project.driver.call("deliver_again", scene.row(moment)["id"])
    scene.relieve()
    # The message of the second attempt is as good as the first; the claim of a job whose row a
    # transaction holds waits for its end.
    for moment in set(HELD) - {RETRY, ATOMIC[1]}:
        scene.await_executions(moment, state=DROPPED)
    scene.release()


def make_stale(scene: Scene) -> None:
    """Give each job another delivery, behind the message that it has or is about to have."""
    _await_the_message(scene, RETRY)
    old = {moment: scene.row(moment)["delivery"] for moment in (*WAITING, RETRY)}
    scene.act("cancel", PUBLISH)
    scene.let_web_go(PUBLISH)
    scene.act("retry", PUBLISH)
    scene.act("change_priority", QUEUED, priority=LAST)
    scene.act("change_priority", RETRY, priority=LAST)
    scene.project.driver.call("put_off", scene.row(PREFETCHED)["id"], LATER)
    scene.release()
    for moment, delivery in old.items():
        scene.await_executions(moment, delivery=delivery)


def call_off(scene: Scene) -> None:
    """Cancel the jobs; then let their messages come, or their processes go on."""
    _await_the_message(scene, RETRY)
    for moment in (*WAITING, FINISHING, CANCEL, RETRY):
        scene.act("cancel", moment)
    with suppress(ProjectError):  # it has ended, and says so
        scene.act("cancel", FINISHED)
    scene.release()


def _await_the_message(scene: Scene, moment: str) -> None:
    scene.project.wait(lambda: scene.row(moment)["state"] == "queued")


def forget_who_has_it(scene: Scene) -> None:
    """Wait until Redis gives the unacknowledged messages to somebody else."""
    # A worker looks for them when it starts, and then only every hundred seconds.
    time.sleep(VISIBILITY + 1)
    scene.relieve()
    for moment in scene.gates:
        scene.await_executions(moment, state=DROPPED)
    scene.release()


def restart_the_database(scene: Scene) -> None:
    server = scene.stacks.server("postgresql")
    assert isinstance(server, LocalPostgreSQL)
    server.stop()
    scene.release()
    _see(scene, "Database is away, trying again")
    server.start()
    server.ready()


def cut_the_database(scene: Scene) -> None:
    scene.project.driver.call("cut_connections")
    scene.release()


def deadlock(scene: Scene) -> None:
    for moment in scene.gates:
        troubles.plan_deadlock(scene.project.folder, scene.tags[moment])
    scene.release()
    scene.project.wait(lambda: not troubles.planned_deadlocks(scene.project.folder))


def let_clocks_differ(scene: Scene) -> None:
    """Let a worker that is behind watch one that is ahead, for longer than a lost one is let."""
    scene.relieve(environment=troubles.clock(minutes=-10))
    first = scene.last_signs()
    scene.project.wait(lambda: _have_passed(TOGETHER, first, scene.last_signs()))
    scene.release()


def fill_the_disk(scene: Scene) -> None:
    with troubles.full_disk(scene.project.folder):
        scene.release()
        _see(scene, "disk is full")


def _see(scene: Scene, words: str) -> None:
    scene.project.wait(lambda: words in scene.victim.logs())


def _have_passed(seconds: float, before: dict[str, float], after: dict[str, float]) -> bool:
    return all(after[name] - before[name] > seconds for name in before)


def _have_left(scene: Scene) -> bool:
    """Whether no job runs that could go on without the broker."""
    states = {row["state"] for row in scene.rows().values()}
    return "running" not in states
