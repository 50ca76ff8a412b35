"""The player: a process of the project that calls workflows and tells what became of them.

Each line of its input is a JSON list of runs, each with a ``key``, a ``side`` and a ``tree``.
The answer, a line too, comes when nothing goes on any more: by key, what was called.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import django
import redis
from django.db.models import Q
from django.utils import timezone

from tests.acceptance.oracle.sides import SIDES

if TYPE_CHECKING:
    from datetime import datetime

    from celery.result import AsyncResult, GroupResult

#: Seconds in which nothing changes, after which nothing will: longer than any countdown.
PATIENCE: Final = 12
#: Seconds between two looks.
PAUSE: Final = 0.15
#: Looks in a row at which nothing goes on.
LOOKS: Final = 3


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what is printed must not stand between the answers
    django.setup()
    import_module("tests.acceptance.oracle.tasks")
    if planted := os.environ.get("JOBMAN_ORACLE_PLANTED"):
        import_module(planted)
    for line in sys.stdin:
        answers.write(f"{json.dumps(play(json.loads(line)), default=repr)}\n")
        answers.flush()


def play(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Call workflows, wait until nothing goes on, and return what became of each."""
    began = timezone.now()
    called = {run["key"]: _called(run) for run in runs}
    _rest(began)
    rows = _rows(began)
    return {
        key: {
            **outcome,
            "calls": _calls(key),
            "result": None if result is None else _read(result),
            "rows": rows.get(key, {}),
        }
        for key, (outcome, result) in called.items()
    }


def _called(run: dict[str, Any]) -> tuple[dict[str, Any], AsyncResult | GroupResult | None]:
    composing = import_module("tests.acceptance.oracle.composing")
    composer = composing.Composer(run=run["key"], kind=SIDES[run["side"]])
    began = time.time()
    try:
        workflow = composer.workflow(run["tree"], run["side"])
        result = workflow.delay(*run["tree"].get("given", ()))
    except Exception as error:  # noqa: BLE001 - it is told
        return {"refused": f"{type(error).__name__}: {error}", "began": began}, None
    return {"refused": "", "began": began}, result


def _rest(began: datetime) -> None:
    """Wait until nothing goes on, or nothing has changed for so long that nothing will."""
    since, seen, quiet = time.monotonic(), None, 0
    while quiet < LOOKS and time.monotonic() - since < PATIENCE:
        is_busy, messages = _is_busy(began), _messages() - _abandoned
        quiet = 0 if is_busy or messages else quiet + 1
        progress = (messages, is_busy, _written())
        if progress != seen:
            since, seen = time.monotonic(), progress
        time.sleep(PAUSE)
    _abandoned.update(_messages())


#: Messages that some task of Celery's will never be done with.
_abandoned: set[bytes] = set()


def _is_busy(began: datetime) -> bool:
    """Whether something goes on in what was written since then."""
    models, states = _models()
    marked = Q(opening=True) | ~Q(stopping=models.Stopping.NOT)
    jobs = models.Job.objects.filter(created_at__gte=began)
    batches = models.Batch.objects.filter(created_at__gte=began, finished_at=None)
    going = jobs.exclude(state__in=[*states.FINAL, states.State.BLOCKED])
    return bool(going.exists() or batches.filter(marked).exists())


def _models() -> tuple[Any, Any]:
    return import_module("celery_jobman.models"), import_module("celery_jobman.states")


def _messages() -> set[bytes]:
    """Return the messages that wait for a worker, and those that one has and is not done with."""
    client = _broker()
    queues = [key for key in client.keys("oracle*") if client.type(key) == b"list"]
    waiting = {message for key in queues for message in client.lrange(key, 0, -1)}
    return waiting | set(client.hkeys("unacked"))


def _written() -> int:
    """Count what was ever written down, by the server's own count."""
    known = _book().info("commandstats").get("cmdstat_rpush", {})
    return int(known.get("calls", 0))


@cache
def _broker() -> Any:
    return redis.Redis.from_url(os.environ["JOBMAN_ACCEPTANCE_BROKER_URL"])


def _calls(key: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _book().lrange(key, 0, -1)]


def _book() -> Any:
    return import_module("tests.acceptance.oracle.tasks").book()


def _read(result: Any) -> Any:
    """Return what Celery's result backend knows: a state and a value, or a list of such."""
    inner = getattr(result, "results", None)
    if inner is not None:
        return [_read(each) for each in inner]
    state, value = result.state, result.result
    return [state, type(value).__name__ if isinstance(value, BaseException) else value]


def _rows(began: datetime) -> dict[str, dict[str, str]]:
    """Return the states of the jobs of each run, by their nodes."""
    found = defaultdict[str, dict[str, str]](dict)
    for job in _models()[0].Job.objects.filter(created_at__gte=began).order_by("id"):
        at = job.arguments[1].get("at")
        if at:
            found[at[0]][at[1]] = str(job.state)
    return found


if __name__ == "__main__":
    main()
