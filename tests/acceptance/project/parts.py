"""Tasks that workflows are made of: parts of them, and what is told of their batches.

They are found by the keyword ``tag``, for their first arguments are what they are given.
"""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta
from typing import Any, Final

from celery import shared_task

from celery_jobman import JobTask, current_batch, current_job
from tests.acceptance import deeds
from tests.acceptance.gates import reached

#: A part that is put off for so long has to be told to go on.
PARKED: Final = timedelta(hours=1)


@shared_task(base=JobTask, bind=True, max_attempts=3, backoff=0)
def part(self: Any, *given: Any, tag: str, acts: tuple[str, ...] = ()) -> str:
    """Note what is given, and do in each attempt the next of these acts; then succeed."""
    deeds.note(job=str(self.job.id), attempt=self.attempts, tag=tag, given=given)
    reached("in a part")
    if self.attempts <= len(acts):
        ACTS[acts[self.attempts - 1]](self)
    return name_in(tag)


def name_in(tag: str) -> str:
    """Return the name of a part, which is its result: a tag is ``workflow.name``."""
    return tag.rpartition(".")[2]


def _park(task: Any) -> None:
    task.release(PARKED.total_seconds())


def _raise(_task: Any) -> None:
    raise ValueError("as it is written")


def _die(_task: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _march(task: Any) -> None:
    for _ in task.iterate("rounds", range(10_000), every=1):
        time.sleep(0.05)


def _add(task: Any) -> None:
    batch = current_batch()
    assert batch is not None
    workflow = task.request.kwargs["tag"].partition(".")[0]
    batch.add([part.s(tag=f"{workflow}.more")])


ACTS: Final = {
    "add": _add,
    "pass": lambda _task: None,
    "park": _park,
    "release": lambda task: task.release(),
    "skip": lambda task: task.skip("nothing to do"),
    "fail": lambda task: task.fail("as it is written"),
    "raise": _raise,
    "die": _die,
    "march": _march,
}


@shared_task(base=JobTask, max_attempts=3, backoff=0)
def told(*given: Any, tag: str, role: str) -> None:
    """Note what a callback is told: the tag is the batch's name."""
    job = current_job()
    assert job is not None
    deeds.note(job=str(job.id), attempt=job.attempt, batch=tag, role=role, given=given)
