"""``manage.py jobman batch``: look at workflows, cancel them, and run parts of them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery_jobman.management import arguments
from celery_jobman.management.subcommands.batches import cancel, retry, show
from celery_jobman.management.subcommands.batches import list as list_

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from celery_jobman.management.console import Console

HELP = "List, show, cancel and retry batches, chains, groups and chords."

VERBS = {"list": list_, "show": show, "cancel": cancel, "retry": retry}


def add_arguments(parser: ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="batch_verb", metavar="verb", required=True)
    for name, verb in VERBS.items():
        subparser = verbs.add_parser(name, help=verb.HELP, description=verb.HELP)
        verb.add_arguments(subparser)
        arguments.add_shared(subparser, inner=True)


def run(options: dict[str, Any], console: Console) -> None:
    VERBS[options["batch_verb"]].run(options, console)
