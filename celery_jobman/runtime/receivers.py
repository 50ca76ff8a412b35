"""Celery's signals that jobman listens to; connected when Django's apps are ready."""

from __future__ import annotations

from functools import partial
from typing import Any

from celery import signals

from celery_jobman.runtime import (
    bodies,
    connection,
    hinting,
    hooking,
    identity,
    keeping,
    losses,
    messages,
    tracking,
)


def connect() -> None:
    """Connect every receiver; calling it again changes nothing."""
    signals.celeryd_init.connect(install_keeper, dispatch_uid="jobman")
    signals.worker_shutting_down.connect(interrupt, dispatch_uid="jobman")
    signals.worker_process_init.connect(connection.forget_inherited, dispatch_uid="jobman")
    signals.task_revoked.connect(note_revoked, dispatch_uid="jobman")
    signals.task_unknown.connect(note_unknown, dispatch_uid="jobman")
    signals.before_task_publish.connect(bodies.note_published, dispatch_uid="jobman")
    tracking.connect()
    hinting.install()
    hooking.install()


def install_keeper(instance: Any, **_: Any) -> None:
    """Give a worker its keeper, even if none of its tasks is a JobTask."""
    instance.app.steps["worker"].add("celery_jobman.runtime.bootsteps:Keeper")


def interrupt(**_: Any) -> None:
    """Let running jobs stop at their next checkpoint: the worker is shutting down."""
    identity.begin_stopping()


def note_revoked(request: Any, *, expired: bool, **_: Any) -> None:
    """Let the keeper end a job whose message Celery refused: revoked, terminated or expired."""
    header = messages.header_of(request)
    if header is not None:
        keeping.note(partial(losses.revoked, header, expired=expired))


def note_unknown(message: Any, name: str, **_: Any) -> None:
    """Let the keeper put a job back that this worker's code does not know."""
    header = (message.headers or {}).get(messages.HEADER)
    if header is not None:
        keeping.note(partial(losses.unknown, header, name))
