"""The blows of the matrix: each takes a scene in which every job stands at its moment."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from celery_jobman.testing.localnodes import LocalPostgreSQL
from tests.acceptance import blows, troubles
from tests.acceptance.faults.moments import ATOMIC, BODY, FINISHING, HELD, RETRY

if TYPE_CHECKING:
    from tests.acceptance.faults.scenes import Scene

#: Seconds for which workers whose clocks differ look at one another.
TOGETHER = 8
#: Seconds after which Redis takes an unacknowledged message for lost.
VISIBILITY = 2


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
    """Freeze the worker until others have taken its jobs, then let it come back."""
    taken = [moment for moment in (*BODY, FINISHING) if moment != ATOMIC[1]]
    scene.victim.pause()
    scene.relieve()
    scene.project.wait(lambda: all(scene.outcomes(moment) for moment in taken))
    scene.release()
    scene.victim.unpause()


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


def deliver_twice(scene: Scene) -> None:
    for moment in HELD:
        scene.project.driver.call("deliver_again", scene.row(moment)["id"])
    relief = scene.relieve()
    # The message of the second attempt is as good as the first; the claim of a job whose row a
    # transaction holds waits for its end.
    dropped = len(set(HELD) - {RETRY, ATOMIC[1]})
    scene.project.wait(lambda: relief.logs().count("Message dropped") >= dropped)
    scene.release()


def forget_who_has_it(scene: Scene) -> None:
    """Wait until Redis gives the unacknowledged messages to somebody else."""
    # A worker looks for them when it starts, and then only every hundred seconds.
    time.sleep(VISIBILITY + 1)
    relief = scene.relieve()
    scene.project.wait(lambda: relief.logs().count("Message dropped") >= len(scene.gates))
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
    scene.relieve(**troubles.clock(minutes=-10))
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
