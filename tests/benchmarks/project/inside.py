"""Jobs that measure from within: what a step, a log line or a progress report costs a job.

Each takes a number of rounds, how much to do in a round, and the file for its answer: for each
contestant one value per round.
"""

from __future__ import annotations

import json
import logging
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from celery_jobman.core import logs
from celery_jobman.models import LogLine
from celery_jobman.runtime.connection import private
from celery_jobman.runtime.flushing import BATCH
from tests.benchmarks.project.app import job
from tests.benchmarks.project.upsert import RawUpsert

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID


@job
def checkpoint(task: Any, rounds: int, size: int, path: str) -> None:
    task.step("template", _nothing)
    with private():
        upsert = RawUpsert(task.job.id)
    found: dict[str, list[float]] = {"raw": [], "step": []}
    for number in range(rounds):
        names = [f"{number}-{place}" for place in range(size)]
        found["raw"].append(_each(upsert, [f"raw-{name}" for name in names]))
        found["step"].append(_each(lambda name: task.step(name, _nothing), names))
    _answer(path, found)


@job
def log_lines(_task: Any, rounds: int, size: int, path: str) -> None:
    loggers = {name: _logger(name, f"{path}.log") for name in ("file", "file and job")}
    loggers["file"].propagate = False
    found: dict[str, list[float]] = {name: [] for name in loggers}
    for _ in range(rounds):
        for name, logger in loggers.items():
            found[name].append(_each(partial(logger.info, "row %s"), range(size)))
    _answer(path, found)


@job
def flush(task: Any, rounds: int, size: int, path: str) -> None:
    found: dict[str, list[float]] = {"written": [], "stored": []}
    batches = [[_line(task.job.id)] * BATCH] * max(1, size // BATCH)
    for _ in range(rounds):
        with private():
            found["written"].append(BATCH / _each(logs.write, batches))
        found["stored"].append(_burst(task.job.id, size // 4))
    _answer(path, found)


def _line(job_id: UUID) -> logs.Line:
    return logs.Line(
        job_id=job_id,
        attempt=1,
        step="",
        at=timezone.now(),
        level=logging.INFO,
        logger="tests.benchmarks",
        message="branch 12345 of branches.csv was loaded",
        extra=None,
    )


def _burst(job_id: UUID, size: int) -> float:
    """Log ``size`` lines as fast as can be; return how many were stored in a second."""
    logger = logging.getLogger("tests.benchmarks.burst")
    logger.setLevel(logging.INFO)
    lines = LogLine.objects.filter(job_id=job_id)
    expected, start = lines.count() + size, time.perf_counter()
    for number in range(size):
        logger.info("branch %s of branches.csv was loaded", number)
    while lines.count() < expected:
        time.sleep(0.002)
    return size / (time.perf_counter() - start)


@job
def progress(task: Any, rounds: int, size: int, path: str) -> None:
    found: dict[str, list[float]] = {"empty": [], "progress": []}
    for _ in range(rounds):
        found["empty"].append(_each(lambda number: _empty(number, total=size), range(size)))
        found["progress"].append(
            _each(lambda number: task.progress(number, total=size), range(size))
        )
    _answer(path, found)


@job
def lines_kept(_task: Any, path: str) -> None:
    """Answer how many lines of the log benchmark reached the database."""
    _answer(path, {"kept": [LogLine.objects.filter(message__startswith="row ").count()]})


def _each(call: Callable[[Any], object], arguments: Any) -> float:
    """Return the seconds of one call, over a call for each of ``arguments``."""
    start = time.perf_counter()
    for argument in arguments:
        call(argument)
    return (time.perf_counter() - start) / len(arguments)


def _logger(name: str, path: str) -> logging.Logger:
    logger = logging.getLogger(f"tests.benchmarks.{name}")
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.FileHandler(path))
    return logger


def _nothing() -> None:
    """Do nothing."""


def _empty(current: int, total: int | None = None) -> None:
    """Do nothing with the arguments of a progress report."""


def _answer(path: str, found: dict[str, Any]) -> None:
    draft = Path(f"{path}.draft")
    draft.write_text(json.dumps(found))
    draft.rename(path)
