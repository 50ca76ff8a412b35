"""Tasks of the soak.  The first argument of each is a tag; all they do is noted as deeds."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

from celery import shared_task

from celery_jobman import JobTask, current_job, progress
from tests.acceptance import deeds, gates
from tests.acceptance.project.tasks import deed, effect

logger = logging.getLogger(__name__)

#: Attempts enough that no series of blows can use them up.
MANY = 50


def say(words: str) -> None:
    """Log a line, and note that it was logged."""
    job = current_job()
    assert job is not None
    logger.info("%s", words)
    deeds.note(job=str(job.id), attempt=job.attempt, line=words, at=time.time())


@shared_task(base=JobTask, max_attempts=MANY)
def errand(_tag: str, lines: int, seconds: float) -> None:
    """Do one thing, without any checkpoint."""
    deed("errand")
    for number in range(lines):
        say(f"line {number}")
        time.sleep(seconds / lines)


@shared_task(base=JobTask, bind=True, max_attempts=MANY, steps=("pack", "ship", "stops", "close"))
def travel(self: Any, tag: str, stops: int, seconds: float) -> str:
    """Use steps of every kind; what is atomic has its effect in the database."""
    self.step("pack", deed, "pack")
    self.step("ship", _ship, atomic=True)
    for stop in self.iterate("stops", range(stops), every=2):
        deed(f"stop {stop}")
        say(f"at stop {stop}")
        time.sleep(seconds / stops)
    self.step("close", deed, "close")
    progress(stops, total=stops, message=f"{tag} is there")
    return tag


def _ship() -> str:
    say("before the ship")
    effect("ship")
    time.sleep(0.05)  # long enough to be struck in the transaction
    return "shipped"


@shared_task(base=JobTask, bind=True, max_attempts=MANY, backoff=[0, 1])
def flaky(self: Any, tag: str, failures: int) -> int:
    """Raise in so many attempts, then succeed."""
    deed("try")
    say(f"attempt {self.attempts}")
    if self.attempts <= failures:
        raise ValueError(f"failure {self.attempts} of {tag}")
    return int(self.attempts)


@shared_task(base=JobTask, max_attempts=2, backoff=0.5)
def doomed(tag: str) -> None:
    """Fail for good."""
    deed("try")
    say("as always")
    raise ValueError(f"{tag} can only fail")


@shared_task(base=JobTask, bind=True, max_attempts=MANY)
def stubborn(self: Any, tag: str) -> None:
    """Fail until somebody has mended what is wrong."""
    deed("try")
    say("is it mended")
    if not deeds.mended(Path(os.environ[gates.FOLDER]), tag).exists():
        self.fail(f"{tag} is to be mended")


@shared_task(base=JobTask, bind=True, max_attempts=MANY)
def march(self: Any, _tag: str) -> None:
    """Go on for so long that it only ends when it is stopped."""
    for number in self.iterate("rounds", range(100_000), every=5):
        deed(f"round {number}")
        say(f"round {number}")
        time.sleep(0.1)
