"""``manage.py jobman``: one door to every operator verb."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, no_translations
from django.db import DatabaseError

from celery_jobman.exceptions import JobmanError
from celery_jobman.management import arguments
from celery_jobman.management.console import Console
from celery_jobman.management.verbs import VERBS

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

#: Exit status of a program that was interrupted from the keyboard.
INTERRUPTED = 130


class Command(BaseCommand):
    help = "Look at jobs, steer them, and check the installation."
    requires_system_checks = ()  # it must work when something is wrong; `doctor` runs them

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", metavar="verb", required=True)
        for name, verb in VERBS.items():
            subparser = verbs.add_parser(name, help=verb.HELP, description=verb.HELP)
            verb.add_arguments(subparser)
            arguments.add_shared(subparser)
            subparser.set_defaults(run=verb.run)

    @no_translations  # scripts read it, and half of it is Python's and Celery's own English
    def handle(self, **options: Any) -> None:
        console = Console(self.stdout, self.stderr, self.style, as_json=options["json"])
        arguments.refuse_unreadable(options)
        try:
            options["run"](options, console)
            console.flush()
        except JobmanError as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            hint = "`jobman doctor` tells more"
            raise CommandError(f"the database refused: {error}; {hint}") from error
        except BrokenPipeError:
            _leave_pipe()
        except KeyboardInterrupt as error:
            raise CommandError("interrupted", returncode=INTERRUPTED) from error


def _leave_pipe() -> None:
    """End quietly when the reader went away (``| head``), also at Python's own last flush."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
