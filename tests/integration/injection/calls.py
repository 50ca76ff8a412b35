"""The calls of user code: each can be made to raise, for the subject and not for the bystander."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import celery.signals
from django.db import transaction

from celery_jobman import JobTask, batch, signals
from celery_jobman.models import Job
from tests.celery_app import app
from tests.integration.injection import errors
from tests.integration.injection.scenes import told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.injection.scenes import Act
    from tests.integration.injection.world import World

logger = logging.getLogger("demo.injection")

#: What the subject's call raises, by its place.
bombs: dict[str, BaseException] = {}
SUBJECT: Final = "subject"


class Unspeakable(Exception):
    """Raises when it is asked what it says."""

    def __str__(self) -> str:
        raise RuntimeError(errors.WORDS)

    __repr__ = __str__


class Nameless(Exception):
    """Of a class that names no module, with a message that no database takes."""


Nameless.__module__ = None  # type: ignore[assignment]

ERRORS: Final[tuple[BaseException, ...]] = (
    ValueError(errors.WORDS),
    Unspeakable(errors.WORDS),
    Nameless(f"{errors.WORDS} \x00 \ud800"),
    MemoryError(errors.WORDS),
    RecursionError(errors.WORDS),
    SystemExit(errors.WORDS),
    KeyboardInterrupt(errors.WORDS),
)
#: What does not end a process.
PLAIN: Final = ERRORS[:5]


def burst(place: str, name: str) -> None:
    """Raise, if this is the place where the subject's call is to raise."""
    if name == SUBJECT and place in bombs:
        raise bombs[place].with_traceback(None)


class Loud:
    """What is logged, and raises when it is put into words."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        burst("an argument of a log line", self.name)
        return self.name


#: Results that cannot be stored.
RESULTS: Final[dict[str, Any]] = {
    "an object": object(),
    "not a number": float("nan"),
    "bytes": b"\xff",
    "half a character": "\ud800",
    "a NUL": "\x00",
    "a large number": 10**400,
}


class Using(JobTask):
    """Overrides what a task may."""

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        del task_id, kwargs
        burst("before_start", args[0])

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        del retval, task_id, kwargs
        burst("on_success", args[0])

    def on_retry(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        del exc, task_id, kwargs, einfo
        burst("on_retry", args[0])

    def on_failure(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        del exc, task_id, kwargs, einfo
        burst("on_failure", args[0])

    def after_return(self, status: Any, retval: Any, task_id: str, args: Any, *_: Any) -> None:
        del status, retval, task_id
        burst("after_return", args[0])

    def shadow_name(self, args: Any, kwargs: Any, options: Any) -> None:
        del kwargs, options
        burst("shadow_name", args[0])

    def failed(self, exception: BaseException) -> None:
        del exception
        burst("failed", self.request.args[0])

    def backoff(self, failures: int) -> int:
        del failures
        burst("backoff", self.request.args[0])
        return 1


@app.task(name="injection.fine", bind=True, base=Using, shared=False)
def fine(self: Any, name: str) -> Any:
    burst("a body", name)
    self.step("one", burst, "a step", name)
    self.step("two", _in_a_transaction, name, atomic=True)
    logger.warning("says %s", Loud(name))
    for _ in self.iterate("three", lambda _: _items(name), cursor=lambda _: _cursor(name)):
        burst("the body of a loop", name)
    self.iterate("four", range(2), each=lambda _: burst("each", name))
    return RESULTS.get(name, 1)


def _in_a_transaction(name: str) -> None:
    transaction.on_commit(lambda: burst("on_commit", name))


def _items(name: str) -> Iterator[int]:
    yield 1
    burst("a source", name)


def _cursor(name: str) -> int:
    burst("a cursor", name)
    return 1


@app.task(name="injection.unlucky", bind=True, base=Using, max_attempts=2, shared=False)
def unlucky(self: Any, name: str) -> None:
    del self
    raise OSError(f"no {name}")


@app.task(name="injection.callback", shared=False)
def callback(*given: Any) -> None:
    burst("a callback", given[-1])


@contextmanager
def receivers() -> Iterator[None]:
    """Connect a receiver to each signal of ours and of Celery's that is sent for a job."""
    connected = [(signal, _receiver(name)) for name, signal in SIGNALS.items()]
    for signal, receiver in connected:
        signal.connect(receiver, weak=False)
    try:
        yield
    finally:
        for signal, receiver in connected:
            signal.disconnect(receiver)


SIGNALS: Final[dict[str, Any]] = {
    **{
        name: getattr(signals, name)
        for name in ("job_enqueued", "job_started", "job_finished", "job_failed", "batch_finished")
    },
    **{
        name: getattr(celery.signals, name)
        for name in (
            "task_prerun", "task_postrun", "task_success", "task_failure", "task_retry",
            "before_task_publish", "after_task_publish",
        )
    },
}  # fmt: skip


def _receiver(place: str) -> Any:
    def receive(**facts: Any) -> None:
        if place in bombs and _is_of_the_subject(facts):
            burst(place, SUBJECT)

    return receive


def _is_of_the_subject(facts: dict[str, Any]) -> bool:
    """Whether a signal is about the subject: its name is somewhere in what is told."""
    if "job_id" in facts:
        job = Job.objects.filter(pk=facts["job_id"]).first()
        return job is not None and SUBJECT in job.args
    if "batch_id" in facts:
        return Job.objects.filter(batch_id=facts["batch_id"], args__contains=SUBJECT).exists()
    task = facts.get("task") or facts.get("sender")
    request = getattr(task, "request", None)
    return SUBJECT in str([facts.get("args"), facts.get("body"), getattr(request, "args", None)])


@dataclass(frozen=True, slots=True)
class Call:
    """A place where code of the project is called."""

    place: str
    task: Any
    raises: tuple[BaseException, ...] = ERRORS
    #: A job of the subject fails, and says why; otherwise all is as if nothing had been raised.
    fails: bool = False
    #: Who enqueues is told, and nothing was written.
    refuses: bool = False

    def __str__(self) -> str:
        return self.place


def enqueued(task: Any, name: str) -> Act:
    """Return what enqueues a batch of one job of a task, with a callback."""
    flow = batch([task.s(name)]).finally_(callback.si(name))
    return lambda: (flow.dispatch(), told.delay(name))


def prepared(task: Any) -> Any:
    def prepare(world: World, name: str) -> Act:
        del world
        return enqueued(task, name)

    return prepare


CALLS: Final = (
    Call("a body", fine, fails=True),
    Call("a step", fine, fails=True),
    Call("on_commit", fine, fails=True),
    Call("an argument of a log line", fine, raises=PLAIN[:4]),
    Call("a source", fine, fails=True),
    Call("a cursor", fine, fails=True),
    Call("the body of a loop", fine, fails=True),
    Call("each", fine, fails=True),
    Call("before_start", fine, fails=True),
    Call("on_success", fine, fails=True),
    Call("after_return", fine),
    Call("a callback", fine, fails=True),
    Call("shadow_name", fine, raises=PLAIN, refuses=True),
    Call("failed", unlucky, fails=True),
    Call("backoff", unlucky, raises=PLAIN),
    Call("on_retry", unlucky),
    Call("on_failure", unlucky),
    *(Call(name, fine, raises=PLAIN) for name in SIGNALS if name != "job_failed"),
    *(Call(name, unlucky, raises=PLAIN) for name in ("job_failed", "task_failure", "task_retry")),
)
