"""Nothing is left out: models, signals, options of a task, verbs of the command."""

from __future__ import annotations

import argparse
import inspect
import re
from typing import TYPE_CHECKING

import pytest
from django.apps import apps
from django.core.management import load_command_class
from django.dispatch import Signal

from celery_jobman import actions, checks, signals
from celery_jobman.runtime.task import JobTask
from tests.docs.pages import DOCS, codes, section

if TYPE_CHECKING:
    from django.db.models import Model

REFERENCE = DOCS / "reference"


def verbs() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each verb of ``manage.py jobman``."""
    parser = load_command_class("celery_jobman", "jobman").create_parser("manage.py", "jobman")
    subparsers = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    return dict(subparsers[0].choices)


VERBS = verbs()
MODELS = list(apps.get_app_config("jobman").get_models())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_column_of_a_model_is_on_the_page(model: type[Model]) -> None:
    text = section(REFERENCE / "models.md", f"## {model.__name__}")

    assert {field.name for field in model._meta.concrete_fields} - codes(text) == set()


def test_every_signal_is_on_the_page() -> None:
    names = {name for name, value in vars(signals).items() if isinstance(value, Signal)}

    assert names - codes(section(REFERENCE / "signals.md")) == set()


def test_every_system_check_is_on_the_page() -> None:
    modules = [getattr(checks, name) for name in checks.__all__]
    found = (re.findall(r'"(jobman\.[A-Z]\d+)"', inspect.getsource(each)) for each in modules)
    ids = {number for numbers in found for number in numbers}

    assert ids
    assert ids - codes(section(REFERENCE / "settings.md")) == set()


def test_every_option_of_a_task_is_on_the_page() -> None:
    ours = {name for name in JobTask.__annotations__ if not name.startswith("_")}

    assert ours - codes(section(REFERENCE / "task.md")) == set()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_of_the_command_is_on_the_page(verb: str) -> None:
    text = section(REFERENCE / "commands.md", f"## {verb}")

    assert f"jobman {verb}" in text


def test_the_page_of_commands_names_no_other_verb() -> None:
    text = section(REFERENCE / "commands.md")
    headings = {line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")}

    assert {name for name in headings if name.islower() and " " not in name} == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_a_verb_is_on_the_page(verb: str) -> None:
    text = section(REFERENCE / "commands.md", f"## {verb}")
    options = {name for parser in with_inner(VERBS[verb]) for name in options_of(parser)}

    assert {name for name in options - {"--help"} if name.startswith("--")} - words(text) == set()


def with_inner(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Return a verb's parser, and those of the verbs behind it."""
    inner = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    return [parser, *(verb for one in inner for verb in one.choices.values())]


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    shown = [one for one in parser._actions if one.help != argparse.SUPPRESS]
    return {name for one in shown for name in one.option_strings}


def words(text: str) -> set[str]:
    return set(re.findall(r"--[a-z][a-z-]*", text))


def test_every_action_is_public() -> None:
    assert all(callable(getattr(actions, name)) for name in actions.__all__)
