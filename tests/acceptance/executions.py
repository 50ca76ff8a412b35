"""Executions: every time a process took a message to run it, a line of a file for each.

A line is written when the process is done with the message, whether it ran the job, dropped
the message, or was refused its end.  A process that is killed writes none.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from celery.signals import task_postrun

from tests.acceptance import gates

_FILE = "executions.jsonl"

#: What Celery makes of a message that was dropped, and of an end that was not written.
DROPPED: Final = "IGNORED"


def install() -> None:
    """Let this process, if it is a worker's, write its executions down."""
    if gates.FOLDER in os.environ:
        task_postrun.connect(_note, weak=False)


def noted(folder: Path) -> list[dict[str, Any]]:
    """Return the executions so far: job, delivery and attempt of the message, process, state."""
    written = folder / _FILE
    lines = written.read_text().splitlines() if written.exists() else []
    return [json.loads(line) for line in lines]


def _note(task: Any, state: str, **_: Any) -> None:
    message = task.request.get("jobman") or {}
    facts = {name: message.get(name) for name in ("job", "delivery", "attempt")}
    with (Path(os.environ[gates.FOLDER]) / _FILE).open("a") as book:
        book.write(f"{json.dumps({**facts, 'pid': os.getpid(), 'state': state})}\n")
