"""Fans out: dispatches no-op jobs as one group or batch, and prints what that took as JSON."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from typing import TYPE_CHECKING, Any

import django

if TYPE_CHECKING:
    from collections.abc import Callable


def as_group(members: Any) -> None:
    from celery import group  # noqa: PLC0415 - as the other

    group(members).apply_async()


def as_batch(members: Any) -> None:
    from celery_jobman import batch  # noqa: PLC0415 - needs django.setup()

    batch(members).dispatch()


def main(size: int, rounds: int) -> None:
    from tests.benchmarks.project.app import noop  # noqa: PLC0415 - needs django.setup()

    is_batch = os.environ["BENCH_CONTESTANT"] == "jobman"
    dispatch: Callable[[Any], None] = as_batch if is_batch else as_group
    dispatch(noop.si() for _ in range(10))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = [_taken(dispatch, noop, size) for _ in range(rounds)]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    sys.stdout.write(json.dumps({"seconds": seconds, "grown_kb": grown}))


def _taken(dispatch: Callable[[Any], None], noop: Any, size: int) -> float:
    begun = time.perf_counter()
    dispatch(noop.si() for _ in range(size))
    return time.perf_counter() - begun


if __name__ == "__main__":
    django.setup()
    main(*map(int, sys.argv[1:]))
