"""The command as a whole: its verbs, its help, its exit status, and Celery's own door to it."""

from __future__ import annotations

import sys
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from django.apps import apps
from django.core.management import call_command, load_command_class
from django.db import OperationalError

from celery_jobman.management import selection
from celery_jobman.management.verbs import VERBS
from celery_jobman.runtime import cli
from tests.factories import queued_job

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.management.conftest import Command

pytestmark = pytest.mark.django_db


def _main(*arguments: str) -> None:
    load_command_class("celery_jobman", "jobman").run_from_argv(["manage.py", "jobman", *arguments])


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        _main(verb, "--help")

    assert ended.value.code == 0
    assert " ".join(VERBS[verb].HELP.split()) in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        ([], 2, "required: verb"),
        (["lst"], 2, "invalid choice: 'lst'"),
        (["list", "--state", "done"], 2, "'done' is no state"),
        (["retry"], 2, "say which jobs"),
        (["show", "nope"], 1, "there is no job nope"),
    ],
)
def test_the_exit_status_tells_a_refusal_from_a_mistake(
    arguments: list[str], status: int, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        _main(*arguments)

    assert ended.value.code == status
    assert complaint in capsys.readouterr().err


def test_djangos_own_options_work_behind_the_verb(jobman: Command) -> None:
    queued_job()

    options = ["--settings", "tests.settings", "--no-color", "--traceback", "-v", "0"]
    assert jobman("list", *options).lines[-1] == "1 job"


def test_a_database_that_refuses_is_no_traceback(
    jobman: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OperationalError("no such table: jobman_job")

    monkeypatch.setattr(selection, "filtered", refuse)

    assert jobman.refused("list").error == (
        "the database refused: no such table: jobman_job; `jobman doctor` tells more"
    )


def test_ctrl_c_is_no_traceback(jobman: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(selection, "filtered", interrupt)

    assert jobman.refused("list").status == 130


class ClosedPipe(StringIO):
    def flush(self) -> None:
        raise BrokenPipeError


def test_a_reader_that_went_away_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "stdout").open("w") as real:
        monkeypatch.setattr(sys, "stdout", real)
        call_command("jobman", "list", stdout=ClosedPipe())

        real.write("nobody reads this")
    assert (tmp_path / "stdout").read_text() == ""


def test_celery_hands_its_arguments_on() -> None:
    job = queued_job()

    done = CliRunner().invoke(cli.jobman, ["list", "--limit", "1", "--no-color"])

    assert done.exit_code == 0, done.output
    assert str(job.id) in done.output


def test_celery_passes_help_and_exit_status_through() -> None:
    helped = CliRunner().invoke(cli.jobman, ["logs", "--help"])
    mistaken = CliRunner().invoke(cli.jobman, ["lst"])

    assert helped.output.startswith("usage: celery jobman logs")
    assert mistaken.exit_code == 2


def test_celery_without_django_is_told_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps, "is_installed", lambda _: False)
    assert "INSTALLED_APPS" in CliRunner().invoke(cli.jobman, ["list"]).output

    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
    done = CliRunner().invoke(cli.jobman, ["list"])
    assert (done.exit_code, "DJANGO_SETTINGS_MODULE is not set" in done.output) == (1, True)
    assert "celery_jobman" in sys.modules
