"""Tasks for the tests.  The first argument of each is a tag by which tests find it."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from celery import shared_task

from celery_jobman import JobTask, current_job, progress
from tests.acceptance import deeds
from tests.acceptance.gates import reached
from tests.acceptance.project.effects.models import Effect

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)


def effect(name: str) -> str:
    """Do something that can be counted."""
    job = current_job()
    assert job is not None
    Effect.objects.create(job=job.id, attempt=job.attempt, name=name)
    return name


def deed(name: str) -> str:
    """Do something in a world that is not the database: it stays whatever is rolled back."""
    job = current_job()
    assert job is not None
    deeds.note(job=str(job.id), attempt=job.attempt, name=name)
    return name


@shared_task(base=JobTask)
def noop(_tag: str) -> None:
    """Do nothing."""


@shared_task(base=JobTask)
def add(_tag: str, x: int, y: int) -> int:
    """Add two numbers."""
    return x + y


@shared_task(base=JobTask)
def touch(_tag: str) -> None:
    """Have one effect."""
    effect("touch")


@shared_task(base=JobTask, bind=True, steps=("greet", "count"))
def story(self: Any, tag: str) -> int:
    """Use a bit of everything: log lines, steps, an iteration, progress, a result."""
    logger.info("before the steps")
    self.step("greet", _greet, tag)
    total = 0
    for number in self.iterate("count", [1, 2, 3, 4], every=2):
        logger.info("counting %s", number)
        total += number
    progress(4, total=4, message="all counted")
    logger.warning("after the steps")
    return total


def _greet(tag: str) -> str:
    logger.info("hello %s", tag)
    return f"hello {tag}"


@shared_task(base=JobTask, bind=True, max_attempts=3, steps=("pack", "ship", "stops", "close"))
def voyage(self: Any, tag: str) -> str:
    """Pass every moment at which a process can be killed, and leave effects on the way."""
    self.step("pack", _pack)
    self.step("ship", effect, "ship", atomic=True)
    for stop in self.iterate("stops", ["a", "b", "c", "d", "e", "f"], every=2):
        effect(f"stop {stop}")
    self.step("close", effect, "close")
    return tag


def _pack() -> str:
    effect("pack")
    reached("inside a step")
    return "packed"


#: So long that it does not fit into a page of SQLite's that has room.
LONG = "x" * 20_000


@shared_task(base=JobTask, bind=True, max_attempts=4, backoff=0)
def passage(self: Any, _tag: str) -> str:
    """Go the way of :func:`voyage`, with effects outside the database and long results."""
    self.step("pack", _pack_outside)
    self.step("ship", _ship, atomic=True)
    for stop in self.iterate("stops", ["a", "b", "c", "d", "e", "f"], every=2):
        deed(f"stop {stop}")
    self.step("close", deed, "close")
    return LONG


def _pack_outside() -> str:
    deed("pack")
    reached("inside a step")
    return LONG


def _ship() -> str:
    effect("ship")
    return LONG


@shared_task(base=JobTask, bind=True)
def march(self: Any, _tag: str) -> None:
    """Go on for so long that it only ends when it is stopped."""
    for number in self.iterate("rounds", range(10_000), every=1):
        deed(f"round {number}")
        reached("in a round of the march")
        time.sleep(0.05)


@shared_task(base=JobTask)
def knock(_tag: str) -> None:
    """Have one effect outside the database."""
    deed("knock")


@shared_task(base=JobTask, bind=True)
def keyset(self: Any, _tag: str, last: int) -> int:
    """Iterate with a cursor of the task's own."""
    seen = 0
    for number in self.iterate("numbers", lambda cursor: _after(cursor, last), cursor=int, every=1):
        effect(f"number {number}")
        seen += 1
    return seen


def _after(cursor: int | None, last: int) -> Iterator[int]:
    yield from range((cursor or 0) + 1, last + 1)


@shared_task(base=JobTask, bind=True, max_attempts=3, backoff=[0, 0])
def failing(self: Any, tag: str, failures: int) -> int:
    """Raise so many times, then succeed."""
    effect("try")
    if self.attempts <= failures:
        raise ValueError(f"failure {self.attempts} of {tag}")
    return int(self.attempts)


@shared_task(base=JobTask, bind=True)
def rounds(self: Any, _tag: str, count: int, seconds: float = 0.1) -> int:
    """Reach a checkpoint many times, with an effect before each."""
    for number in self.iterate("rounds", range(count), every=1):
        effect(f"round {number}")
        reached("in a round")
        time.sleep(seconds)
    return count


@shared_task(base=JobTask)
def quiet(_tag: str) -> str:
    """Do something that needs no database."""
    reached("quiet")
    return "done"


@shared_task(base=JobTask, bind=True)
def parcel(self: Any, _tag: str) -> int:
    """Take a step and iterate, and need no database for it."""
    self.step("wrap", reached, "in a parcel")
    return sum(self.iterate("stamps", [1, 2, 3], every=1))


@shared_task(base=JobTask, bind=True, max_attempts=2, backoff=0)
def sealed(self: Any, _tag: str) -> None:
    """Use the database, and then take an atomic step."""
    effect("open")
    reached("before the seal")
    self.step("seal", _seal, atomic=True)


def _seal() -> None:
    effect("seal")
    reached("under the seal")


@shared_task(base=JobTask)
def chatter(_tag: str, count: int = 100) -> None:
    """Log so many lines, and report as much progress."""
    reached("before the chatter")
    for number in range(count):
        logger.info("line %s", number)
        progress(number + 1, total=count)


@shared_task(base=JobTask)
def sleeper(_tag: str, seconds: float) -> None:
    """Sleep in one call, without any checkpoint."""
    effect("asleep")
    reached("asleep")
    time.sleep(seconds)
    effect("awake")


@shared_task(base=JobTask)
def spinner(_tag: str, seconds: float) -> None:
    """Be busy in Python, without any checkpoint."""
    reached("spinning")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(timedelta(milliseconds=10).total_seconds())
    effect("done")
