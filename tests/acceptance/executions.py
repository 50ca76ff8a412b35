"""Executions: every time a process took a message to run it, a line of a file for each.

A line is written when the process is done with the message, whether it ran the job, dropped
the message, or was refused its end.  A process that is killed writes none.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from celery.signals import celeryd_after_setup, task_postrun

from tests.acceptance import gates

_FILE = "executions.jsonl"

#: What Celery makes of a message that was dropped, and of an end that was not written.
DROPPED: Final = "IGNORED"


def install() -> None:
    """Let this process, if it is a worker's, write its executions down."""
    if gates.FOLDER in os.environ:
        task_postrun.connect(_note_run, weak=False)
        celeryd_after_setup.connect(_watch_claims, weak=False)


def noted(folder: Path) -> list[dict[str, Any]]:
    """Return the executions so far: job, delivery and attempt of the message, process, state."""
    written = folder / _FILE
    lines = written.read_text().splitlines() if written.exists() else []
    return [json.loads(line) for line in lines]


def _note_run(task: Any, state: str, **_: Any) -> None:
    _note(task.request.get("jobman"), state)


def _watch_claims(**_: Any) -> None:
    """Note the messages that are dropped at the claim, of which Celery's tracer never hears."""
    from celery_jobman.runtime import seam  # noqa: PLC0415 - needs Django to be set up

    trace = seam.trace

    def watched(task: Any, tracer: Any, uuid: str, args: Any, kwargs: Any, request: Any) -> Any:
        begun = []

        def noting(*given: Any) -> Any:
            begun.append(uuid)
            return tracer(*given)

        traced = trace(task, noting, uuid, args, kwargs, request)
        if not begun:
            _note(request.get("jobman"), DROPPED)
        return traced

    seam.trace = watched


def _note(message: Any, state: str) -> None:
    facts = {name: (message or {}).get(name) for name in ("job", "delivery", "attempt")}
    with (Path(os.environ[gates.FOLDER]) / _FILE).open("a") as book:
        book.write(f"{json.dumps({**facts, 'pid': os.getpid(), 'state': state})}\n")
