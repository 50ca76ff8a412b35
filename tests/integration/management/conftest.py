from __future__ import annotations

import json
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery, Task


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call of the command wrote."""

    text: str
    notes: str
    #: The error that it ended with, and its exit status.
    error: str = ""
    status: int = 0

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def facts(self) -> list[dict[str, Any]]:
        """The lines of JSON, for a call with ``--json``."""
        return [json.loads(line) for line in self.lines]


class Command:
    """``manage.py jobman``, called as from the command line."""

    def __call__(self, *arguments: Any) -> Answer:
        """Call it; it must do what was asked."""
        answer = self.run(*arguments)
        assert answer.error == "", answer
        return answer

    def refused(self, *arguments: Any) -> Answer:
        """Call it; it must refuse."""
        answer = self.run(*arguments)
        assert answer.error, answer
        return answer

    @staticmethod
    def run(*arguments: Any) -> Answer:
        out, notes = StringIO(), StringIO()
        try:
            call_command("jobman", *map(str, arguments), stdout=out, stderr=notes, no_color=True)
        except CommandError as error:
            return Answer(out.getvalue(), notes.getvalue(), str(error), error.returncode)
        return Answer(out.getvalue(), notes.getvalue())


@pytest.fixture
def jobman() -> Command:
    return Command()


@pytest.fixture(autouse=True)
def add(app: Celery) -> Iterator[Task]:
    """A task whose jobs can be forked."""

    def add(x: int, y: int = 0) -> int:
        return x + y

    yield app.task(name="demo.add", shared=False)(add)
    app.tasks.pop("demo.add")
