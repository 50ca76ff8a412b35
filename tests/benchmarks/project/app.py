"""The Celery app that is measured, and the tasks every contestant runs."""

from __future__ import annotations

import functools
import os
import struct
import time
from typing import TYPE_CHECKING, Any

from celery import Celery

from tests.benchmarks.contestants import CONTESTANTS

if TYPE_CHECKING:
    from collections.abc import Callable

app = Celery("benchmark", task_cls=CONTESTANTS[os.environ["BENCH_CONTESTANT"]].base)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.imports = CONTESTANTS[os.environ["BENCH_CONTESTANT"]].imports


def job(function: Callable[..., None]) -> Any:
    """Make a task that gets itself as its first argument."""
    return app.task(function, bind=True)


@functools.cache
def _clock(_pid: int) -> int:
    return os.open(os.environ["BENCH_CLOCK"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


@job
def noop(_task: Any) -> None:
    """Do nothing but note the time, eight bytes in a file: the same for every contestant."""
    os.write(_clock(os.getpid()), struct.pack("d", time.time()))
