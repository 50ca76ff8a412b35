"""Ways around us: base classes, hooks and apps as other people's projects have them.

Each task notes every run of its body in a file, by the tag that is its argument.
"""
# mypy: disable-error-code="untyped-decorator, misc, override"

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import celery
from celery import Celery, signals
from celery.exceptions import Retry
from celery.worker.request import Request

from celery_jobman import JobTask, current_job
from celery_jobman.models import Attempt, Job
from tests.acceptance import deeds
from tests.acceptance.project.celery import app

#: An app that declares tasks and has no worker.
elsewhere = Celery("elsewhere", task_cls="celery_jobman:JobTask", set_as_current=False)
elsewhere.config_from_object("django.conf:settings", namespace="CELERY")


def ran(tag: str, what: str = "body") -> str:
    deeds.note(tag=tag, name=what)
    return what


class Running(JobTask):
    """Calls ``self.run`` by itself, as Celery's documentation shows."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.run(*args, **kwargs)


@app.task(base=Running)
def own_call(tag: str) -> str:
    return ran(tag)


class Around(JobTask):
    """Does something before and after ours."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        ran(args[0], "before")
        value = super().__call__(*args, **kwargs)
        ran(args[0], "after")
        return value


@app.task(base=Around)
def around(tag: str) -> str:
    return ran(tag)


class Early(JobTask):
    """Raises before ours, as a base does that looks something up."""

    def __call__(self, *_args: Any, **_kwargs: Any) -> Any:
        raise LookupError("no such event")


@app.task(base=Early)
def raises_before(tag: str) -> str:
    return ran(tag)


class Late(JobTask):
    """Raises after ours."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        super().__call__(*args, **kwargs)
        raise LookupError("no such receipt")


@app.task(base=Late)
def raises_after(tag: str) -> str:
    return ran(tag)


@app.task(base=Late, max_attempts=2, backoff=0)
def raises_after_twice(tag: str) -> str:
    return ran(tag)


class Mixin:
    """Knows nothing of Celery's classes, nor of ours."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.run(*args, **kwargs)

    def before_start(self, _task_id: str, args: Any, _kwargs: Any) -> None:
        ran(args[0], "before_start")


class Mixed(Mixin, JobTask):
    """Is both."""


@app.task(base=Mixed)
def mixed(tag: str) -> str:
    return ran(tag)


class Starting(JobTask):
    """Raises before it starts."""

    def before_start(self, *_: Any) -> None:
        job = current_job()
        assert job is not None
        if self.max_attempts is None or job.attempt < self.max_attempts:
            raise LookupError("no such user")


@app.task(base=Starting)
def before_start_raises(tag: str) -> str:
    return ran(tag)


@app.task(base=Starting, max_attempts=2, backoff=0)
def before_start_raises_once(tag: str) -> str:
    return ran(tag)


class Busy(JobTask):
    """Retries before it starts, until there is room."""

    def before_start(self, *_: Any) -> None:
        if self.request.retries < 2:
            raise self.retry(countdown=0.1)


@app.task(base=Busy)
def before_start_retries(tag: str) -> str:
    return ran(tag)


class Celebrating(JobTask):
    """Raises on success."""

    def on_success(self, _retval: Any, _task_id: str, args: Any, _kwargs: Any) -> None:
        ran(args[0], "on_success")
        raise LookupError("no champagne")


@app.task(base=Celebrating)
def on_success_raises(tag: str) -> str:
    return ran(tag)


class Happy(JobTask):
    """Is told of its success."""

    def on_success(self, retval: Any, _task_id: str, args: Any, _kwargs: Any) -> None:
        ran(args[0], f"on_success {retval}")


@app.task(base=Happy)
def on_success(tag: str) -> str:
    return ran(tag)


class Returning(JobTask):
    """Raises when all is over."""

    def after_return(self, *_: Any) -> None:
        raise LookupError("no way back")


@app.task(base=Returning)
def after_return_raises(tag: str) -> str:
    return ran(tag)


class OwnRequest(Request):
    """What a project wants to know of its tasks' ends."""

    def on_failure(self, *args: Any, **kwargs: Any) -> Any:
        ran(self.args[0], "request")
        return super().on_failure(*args, **kwargs)


@app.task(Request=OwnRequest)
def own_request(tag: str) -> str:
    return ran(tag)


@app.task(Request=OwnRequest, bind=True)
def own_request_killed(self: Any, tag: str) -> str:
    """Lose its process the first time; only a worker's main process sees that."""
    ran(tag)
    if self.attempts == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return "body"


@elsewhere.task(name="ways.copied", shared=False)
def declared_elsewhere(tag: str) -> str:
    raise NotImplementedError


@app.task(name="ways.copied", base=celery.Task)
def copied(tag: str) -> str:
    return ran(tag)


@elsewhere.task(name="ways.copied_failing", shared=False)
def declared_failing(tag: str) -> str:
    raise NotImplementedError


@app.task(name="ways.copied_failing", base=celery.Task)
def copied_failing(tag: str) -> str:
    ran(tag)
    raise LookupError("no such thing here")


@elsewhere.task(name="ways.copied_retrying", shared=False)
def declared_retrying(tag: str) -> str:
    raise NotImplementedError


@app.task(name="ways.copied_retrying", base=celery.Task, bind=True)
def copied_retrying(self: Any, tag: str) -> str:
    ran(tag)
    if not self.request.retries:
        raise self.retry(countdown=0)
    return "body"


@elsewhere.task(name="ways.untracked", shared=False)
def declared_tracked(tag: str) -> str:
    raise NotImplementedError


@app.task(name="ways.untracked", track=False)
def untracked(tag: str) -> str:
    return ran(tag)


@app.task(base=celery.Task)
def plain(tag: str) -> str:
    return ran(tag)


@app.task
def exits(tag: str) -> str:
    ran(tag)
    sys.exit(3)


@app.task(max_attempts=2, backoff=0)
def exits_twice(tag: str) -> str:
    ran(tag)
    sys.exit(3)


@app.task(bind=True)
def raises_retry(self: Any, tag: str) -> str:
    ran(tag)
    if self.attempts == 1:
        raise Retry("later", when=0.1)
    return "body"


@app.task(max_retries=2)
def raises_retry_for_ever(tag: str) -> str:
    ran(tag)
    raise Retry("later", when=0.1)


class Labelling(JobTask):
    """Changes each call."""

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        return super().apply_async(args, kwargs, **{**options, "shadow": "labelled"})


@app.task(base=Labelling)
def own_apply_async(tag: str) -> str:
    return ran(tag)


class Sending(JobTask):
    """Sends each call by itself."""

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        return self.app.send_task(self.name, args, kwargs, **options)


@app.task(base=Sending)
def sends_itself(tag: str) -> str:
    return ran(tag)


@app.task
def signalled(tag: str) -> str:
    return ran(tag)


def _burst(sender: Any = None, **_: Any) -> None:
    if sender is signalled:
        raise LookupError("no receiver")


for heard in (signals.task_prerun, signals.task_postrun, signals.task_success):
    heard.connect(_burst, weak=False)


def go(way: str, tag: str, queue: str) -> str:
    """Call a task of this module; return Celery's id of the call."""
    return str(globals()[way].apply_async([tag], queue=queue).id)


def went(task_id: str) -> dict[str, Any]:
    """Return what is known of a call: its rows, their attempts, and Celery's result."""
    result = app.AsyncResult(task_id)
    rows = list(Job.objects.filter(task_id=task_id))
    attempts = Attempt.objects.filter(job__in=rows).order_by("number")
    return {
        "states": [row.state for row in rows],
        "outcomes": list(attempts.values_list("outcome", flat=True)),
        "told": result.state,
    }
