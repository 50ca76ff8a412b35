# ruff: noqa: ARG001 - the scenes share a signature
"""The scenes: each does one thing, to a subject and to a bystander, with tasks of its own."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import celery

from celery_jobman import JobTask, actions, batch, chain, chord
from celery_jobman.models import Batch, Job, Step
from tests.celery_app import app
from tests.factories import finished_job, queued_job, running_job, scheduled_job, worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.injection.world import World

    Act = Callable[[], Any]
    #: Returns an act.
    Prepare = Callable[[World, str], Any]

#: Try everything, and not only what is spread over all.
EVERYTHING: Final = os.environ.get("JOBMAN_TEST_INJECTION") == "all"
#: Seconds that a test may take; hundreds of cases take longer than any other test.
PATIENCE: Final = 3600 if EVERYTHING else 180
HOUR: Final = timedelta(hours=1)
logger = logging.getLogger("demo.injection")
logger.setLevel(logging.INFO)

#: Names of deeds that fail; a scene may mend them.
broken: set[str] = set()


@dataclass(frozen=True, slots=True)
class Scene:
    """One thing that happens."""

    name: str
    #: Prepares it for the subject or the bystander, and returns what is done then.
    prepare: Prepare
    #: What is done is a person's doing, who may be told that it could not be done.
    is_asked: bool = False
    #: The rows are gone at its end.
    deletes: bool = False


SCENES: Final[list[Scene]] = []


def scene(name: str, **facts: bool) -> Callable[[Prepare], Prepare]:
    def add(prepare: Prepare) -> Prepare:
        SCENES.append(Scene(name, prepare, **facts))
        return prepare

    return add


def nothing() -> None:
    """Do nothing: what there is to do is the keepers'."""


@app.task(name="injection.deed", bind=True, shared=False)
def deed(self: Any, *given: Any) -> str:
    """Do the deed that the last argument names."""
    logger.info("doing %s", given[-1])
    self.progress(1, 2, "half")
    if given[-1] in broken:
        raise ValueError(f"{given[-1]} is broken")
    return str(given[-1])


@app.task(name="injection.told", shared=False)
def told(*_: Any) -> None:
    """Be a callback."""


class Hooked(JobTask):
    """Has a hook."""

    def failed(self, exception: BaseException) -> None:
        logger.warning("failed: %s", exception)


@app.task(name="injection.hooked", base=Hooked, shared=False)
def hooked() -> None:
    raise ValueError("no")


class Patient(Hooked):
    """Waits longer each time."""

    max_attempts = 2

    @staticmethod
    def backoff(failures: int) -> timedelta:
        return timedelta(seconds=failures)


@app.task(name="injection.flaky", bind=True, base=Patient, shared=False)
def flaky(self: Any, *, until: int = 2) -> int:
    logger.info("attempt %s", self.attempts)
    if self.attempts < until:
        raise OSError("busy")
    return int(self.attempts)


@app.task(name="injection.steps", bind=True, max_attempts=3, shared=False)
def steps(self: Any) -> list[int]:
    first = self.step("first", lambda: 1)
    second = self.step("second", int, "2", atomic=True)
    rows = self.iterate("rows", range(3))
    return [first, second, *(row for row in rows)]


@app.task(name="injection.called_off", bind=True, shared=False)
def called_off(self: Any) -> None:
    actions.cancel(self.job.id)
    self.job.ask()
    self.progress(1)


@app.task(name="injection.released", bind=True, shared=False)
def released(self: Any) -> int:
    if self.attempts == 1:
        self.release(1)
    return 1


# What is enqueued, and runs.


@scene("a job succeeds", is_asked=True)
def _plain(world: World, name: str) -> Any:
    return lambda: deed.delay(name)


@scene("a job is enqueued while the broker is away", is_asked=True)
def _unsent(world: World, name: str) -> Any:
    def enqueue() -> None:
        with world.without_broker():
            deed.delay(name)

    return enqueue


@scene("a job fails, and has a hook", is_asked=True)
def _hook(world: World, name: str) -> Any:
    return hooked.delay


@scene("a job fails and tries again", is_asked=True)
def _flaky(world: World, name: str) -> Any:
    return flaky.delay


@scene("a job puts itself back", is_asked=True)
def _released(world: World, name: str) -> Any:
    return released.delay


@scene("a job of steps", is_asked=True)
def _steps(world: World, name: str) -> Any:
    return steps.delay


@scene("a chain", is_asked=True)
def _chain(world: World, name: str) -> Any:
    return lambda: chain(deed.s("a"), deed.s("b"), deed.s("c")).dispatch()


@scene("a chain whose second link fails", is_asked=True)
def _broken_chain(world: World, name: str) -> Any:
    return lambda: chain(deed.s("a"), hooked.si(), deed.s("c")).dispatch()


@scene("a batch with callbacks, and one inside", is_asked=True)
def _batch(world: World, name: str) -> Any:
    flow = batch([deed.s("a"), batch([deed.s("b"), deed.s("c")]).finally_(told.s())])
    return flow.then(told.s()).catch(told.s()).finally_(told.s()).on_progress(told.s()).dispatch


@scene("a batch that stops at a failure", is_asked=True)
def _stopping(world: World, name: str) -> Any:
    flow = batch([hooked.s(), [deed.s("b"), deed.s("c")]], on_failure="cancel")
    return flow.then(told.s()).catch(told.s()).finally_(told.s()).dispatch


@scene("a group and its body", is_asked=True)
def _chord(world: World, name: str) -> Any:
    return lambda: chord([deed.s("a"), deed.s("b")])(deed.s("z"))


@scene("a chain of Celery's own", is_asked=True)
def _links(world: World, name: str) -> Any:
    return celery.chain(deed.s("a"), deed.s("b"), deed.s("c")).delay


@scene("a chain of Celery's own that breaks", is_asked=True)
def _broken_links(world: World, name: str) -> Any:
    return celery.chain(deed.s("a"), hooked.si(), deed.s("c")).delay


# What a person asks for.


@scene("a waiting job is cancelled", is_asked=True)
def _cancel(world: World, name: str) -> Any:
    task_id = deed.apply_async([name], countdown=24 * 3600).id
    job = Job.objects.get(task_id=task_id)
    return lambda: actions.cancel(job.pk)


@scene("a running job is cancelled", is_asked=True)
def _cancel_running(world: World, name: str) -> Any:
    return called_off.delay


@scene("a batch is cancelled", is_asked=True)
def _cancel_batch(world: World, name: str) -> Any:
    inner = batch([deed.s("c")]).set(countdown=24 * 3600)
    members = [deed.s("a").set(countdown=24 * 3600), [deed.s("b").set(countdown=24 * 3600), inner]]
    live = batch(members).catch(told.s()).finally_(told.s()).dispatch()
    return lambda: actions.cancel_batch(live.id)


@scene("a failed job is retried", is_asked=True)
def _retry(world: World, name: str) -> Any:
    deed_name = f"retried {name}"
    broken.add(deed_name)
    result = deed.delay(deed_name)
    world.turn()
    broken.clear()
    job = Job.objects.get(task_id=result.id)
    return lambda: actions.retry(job.pk)


@scene("a workflow is retried", is_asked=True)
def _retry_batch(world: World, name: str) -> Any:
    broken.add("b")
    live = batch([[deed.s("a"), deed.s("b"), deed.s("c")]]).finally_(told.s()).dispatch()
    for _ in range(4):
        world.turn()
    broken.clear()
    assert Batch.objects.get(pk=live.id).is_final
    return lambda: actions.retry_batch(live.id)


@scene("a job is forked", is_asked=True)
def _fork(world: World, name: str) -> Any:
    job = finished_job(task=deed.name, args=f'["{name}"]')
    Step.objects.create(
        job=job, name="first", position=0, state="succeeded", attempt=1, result="1",
        started_at=world.now(), finished_at=world.now(),
    )  # fmt: skip
    return lambda: actions.fork(job.pk, from_step="first", replaces=True)


@scene("jobs are pruned", is_asked=True, deletes=True)
def _prune(world: World, name: str) -> Any:
    finished_job(task="injection.old", finished_at=world.now() - 24 * HOUR)
    return lambda: actions.prune(Job.objects.filter(task="injection.old"))


# What the keepers do.


@scene("a job is due")
def _due(world: World, name: str) -> Any:
    scheduled_job(task=deed.name, args=f'["{name}"]', available_at=world.now() - HOUR)
    return nothing


@scene("a job has expired")
def _expired(world: World, name: str) -> Any:
    late = {"available_at": world.now() - HOUR, "expires_at": world.now() - HOUR / 2}
    scheduled_job(task=deed.name, args=f'["{name}"]', **late)
    return nothing


@scene("a message is lost")
def _lost(world: World, name: str) -> Any:
    queued_job(task=deed.name, args=f'["{name}"]', queued_at=world.now() - HOUR)
    return nothing


@scene("a worker is dead")
def _dead(world: World, name: str) -> Any:
    dead = worker(seen=world.now() - HOUR, stopped_at=world.now() - HOUR)
    world.injector.neutral.add(dead.pk.hex)
    live = batch([deed.s(name)]).catch(told.s()).finally_(told.s()).dispatch()
    held = {"state": "running", "attempt": 1, "started_at": world.now() - HOUR}
    Job.objects.filter(batch_id=live.id).update(worker_id=dead.pk, pid=1, **held)
    running_job(task=deed.name, args=f'["{name}"]', worker_id=dead.pk, max_attempts=2)
    return nothing
