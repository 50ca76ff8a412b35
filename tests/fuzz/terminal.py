"""A terminal: ``manage.py jobman`` as it is typed, with its exit status and what it said."""

from __future__ import annotations

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import NamedTuple
from unittest import mock

from django.db import connections

from celery_jobman.management.commands.jobman import Command


class Answer(NamedTuple):
    """How one command ended."""

    status: int
    text: str
    errors: str


def typed(*words: str) -> Answer:
    """Run ``manage.py jobman`` with these words.

    Raises:
        Exception: Whatever would have been a traceback on a terminal.
    """
    out, errors = StringIO(), StringIO()
    status = 0
    # The command closes its connections at its end; here they are the test's.
    with (
        mock.patch.object(connections, "close_all"),
        redirect_stdout(out),
        redirect_stderr(errors),
    ):
        try:
            Command(out, errors).run_from_argv(["manage.py", "jobman", *words])
        except SystemExit as end:
            status = int(end.code or 0)
    return Answer(status, out.getvalue(), errors.getvalue())


def check(answer: Answer) -> None:
    """Check what holds of every answer: a status of three, and words where it refuses."""
    assert answer.status in {0, 1, 2}, answer
    assert not answer.status or answer.errors.strip(), "refused without a word"
    assert "Traceback" not in answer.errors, answer.errors
    assert "the database refused" not in answer.errors, answer.errors
