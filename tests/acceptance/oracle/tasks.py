"""The tasks that workflows of the oracle are made of: each twice, as Celery's and as a job.

Both have the same body, which writes down in Redis what it is given and how it ends.
"""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import functools
import json
import os
import time
from typing import TYPE_CHECKING, Any, Final

import redis
from celery import Task, shared_task
from celery.exceptions import Ignore, Reject

from celery_jobman import JobTask
from tests.acceptance.oracle import composing

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.oracle.trees import Tree

#: How often a task that retries is called before it succeeds.
RETRIES: Final = 2
#: Seconds that a retry waits, by kind.  Celery stores the state RETRY after the retry was
#: published; without a pause another process may have run it, and stored its success, before.
RETRY_AFTER: Final = {"plain": 0.2, "job": 0}


class Broken(Exception):
    """What a task that fails raises."""


@functools.cache
def book() -> redis.Redis:
    """Return where calls are written down, in the order of all processes."""
    url = os.environ["JOBMAN_ACCEPTANCE_BROKER_URL"].rpartition("/")[0]
    return redis.Redis.from_url(f"{url}/2")


def note(at: list[str], what: str, **facts: Any) -> None:
    """Write something down in the book of a run; ``at`` is its key, and the node's name."""
    run, node = at
    line = {"what": what, "node": node, "at": time.time(), **facts}
    book().rpush(run, json.dumps(line, default=repr))


def _do(self: Any, *given: Any, at: list[str], tree: Tree, kind: str) -> Any:
    note(at, "begin", given=given, **_facts(self.request, tree))
    does = tree["does"]
    value = VALUES.get(does, _own_name)(tree["name"], given)
    if does in ENDS:
        note(at, does)
        ENDS[does](self)
    if does == "retry" and self.request.retries < RETRIES:
        note(at, "retry")
        self.retry(countdown=RETRY_AFTER[kind], max_retries=RETRIES + 1)
    if does == "replace":
        note(at, "replace")
        self.replace(composing.Composer(run=at[0], kind=kind).canvas(tree["by"]))
    note(at, "end")
    if kind == "job" and does == "skip":
        self.skip("nothing to do")
    return self.complete(value, "so it is") if kind == "job" and does == "complete" else value


def _facts(request: Any, tree: Tree) -> dict[str, Any]:
    """Return what became of the options that a task was called with."""
    place, headers = request.delivery_info or {}, request.headers or {}
    asked = tree.get("options", {})
    seen = {
        "priority": place.get("priority"),
        "queue": str(place.get("routing_key")).rpartition("-")[2],
        "expires": request.expires is not None,
        "time_limit": (request.timelimit or [None, None])[0],
        "soft_time_limit": (request.timelimit or [None, None])[1],
        "headers": headers.get("colour"),
        "stamp": (request.stamps or {}).get("colour"),
        "task_id": str(request.id).startswith("own") if "task_id" in asked else None,
        "ignore_result": bool(request.ignore_result),
    }
    return {"options": seen, "retries": request.retries}


def _own_name(name: str, _given: Any) -> Any:
    return name


def _fail(_task: Any) -> None:
    raise Broken("as it is written")


def _ignore(_task: Any) -> None:
    raise Ignore


def _reject(_task: Any) -> None:
    raise Reject("as it is written", requeue=False)


ENDS: Final[dict[str, Callable[[Any], None]]] = {
    "fail": _fail,
    "ignore": _ignore,
    "reject": _reject,
}
VALUES: Final[dict[str, Callable[[str, Any], Any]]] = {
    "int": lambda name, _given: 1000 + int(name.strip("t")),
    "list": lambda name, _given: [name, 1],
    "none": lambda _name, _given: None,
    "skip": lambda _name, _given: None,
    "dict": lambda name, _given: {"of": name},
    "echo": lambda name, given: [name, *given],
}


def _told(_request: Any, error: Any, _traceback: Any, at: list[str], **_about: Any) -> None:
    """Be told of an error as Celery tells who takes three arguments: here, not by a message."""
    note(at, "begin", given=[type(error).__name__ if isinstance(error, Exception) else str(error)])
    note(at, "end")


def _named(_task_id: str, at: list[str], **_about: Any) -> None:
    """Be told of an error as Celery tells who takes its task's id: by a message."""
    note(at, "begin", given=[])
    note(at, "end")


def _declared(kind: str, base: type[Task], fn: Callable[..., Any], **options: Any) -> Any:
    name = f"oracle.{kind}.{fn.__name__.strip('_')}"
    return shared_task(fn, name=name, base=base, **options)


for _kind, _base in (("plain", Task), ("job", JobTask)):
    _declared(_kind, _base, _do, bind=True)
    _declared(_kind, _base, _told)
    _declared(_kind, _base, _named)
