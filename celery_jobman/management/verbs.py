"""Verbs: the modules behind ``manage.py jobman``, in the order in which help lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from celery_jobman.management.subcommands import (
    batch,
    cancel,
    dispatch,
    doctor,
    flush,
    forget,
    fork,
    logs,
    prune,
    reschedule,
    rescue,
    retry,
    show,
    status,
    steps,
    workers,
)
from celery_jobman.management.subcommands import list as list_

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Mapping

    from celery_jobman.management.console import Console


class Verb(Protocol):
    """What a module of a verb provides."""

    HELP: str

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the verb's own arguments."""

    def run(self, options: dict[str, Any], console: Console) -> None:
        """Do it, or raise CommandError."""


VERBS: Mapping[str, Verb] = {
    "list": list_,
    "show": show,
    "logs": logs,
    "steps": steps,
    "status": status,
    "workers": workers,
    "retry": retry,
    "fork": fork,
    "cancel": cancel,
    "reschedule": reschedule,
    "batch": batch,
    "forget": forget,
    "flush": flush,
    "prune": prune,
    "dispatch": dispatch,
    "rescue": rescue,
    "doctor": doctor,
}
