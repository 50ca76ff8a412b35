"""``celery -A proj jobman …``: the management command, from Celery's own command line."""

from __future__ import annotations

import os

import click
import django
from django.apps import apps
from django.core.management import load_command_class


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,  # the verbs have their own
    short_help="Look at jobs, steer them, and check the installation.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def jobman(arguments: tuple[str, ...]) -> None:
    """Hand the verb and its arguments on to ``manage.py jobman``."""
    if "DJANGO_SETTINGS_MODULE" not in os.environ:
        hint = "set it in the module of your Celery app, before the app is made"
        raise click.ClickException(f"DJANGO_SETTINGS_MODULE is not set; {hint}")
    django.setup()
    if not apps.is_installed("celery_jobman"):
        raise click.ClickException('"celery_jobman" is not in INSTALLED_APPS; add it there')
    load_command_class("celery_jobman", "jobman").run_from_argv(["celery", "jobman", *arguments])
