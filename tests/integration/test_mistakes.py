"""A project of its own, with a newcomer's mistakes, in real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = """
SECRET_KEY = "only for tests"
USE_TZ = True
DATABASES = {"default": {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": "db.sqlite3",
    "OPTIONS": {"transaction_mode": "IMMEDIATE"},
}}
INSTALLED_APPS = [
    "django.contrib.contenttypes", "django.contrib.auth", "celery_jobman", "bookshop",
]
CELERY_BROKER_URL = "memory://"
"""
#: The app has a name that is no module's.
CELERY = """
from celery import Celery
from celery_jobman import actions, batch, chain, step

app = Celery("books", task_cls="celery_jobman:JobTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
"""
TASKS = """
from celery import shared_task

@shared_task
def buy(): ...
"""
REFUSED = """
@shared_task(max_attempts="3")
def order(): ...

@shared_task
async def deliver(): ...
"""


class Project:
    """The project's folder, and its processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        package = folder / "bookshop"
        package.mkdir()
        (package / "__init__.py").touch()  # the app is imported elsewhere, as in pretix
        (package / "models.py").write_text("import bookshop.celery_app\n")
        (package / "settings.py").write_text(SETTINGS)
        (package / "celery_app.py").write_text(CELERY)
        self.tasks = package / "tasks.py"
        self.tasks.write_text(TASKS)
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "bookshop.settings",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)]),
        }

    def manage(self, *arguments: str) -> str:
        """Return what a command of Django's writes, whatever its exit status."""
        command = [sys.executable, "-m", "django", *arguments]
        return self._run(command).stdout

    def worker(self, *arguments: str, until: str) -> list[str]:
        """Return what a worker writes until a line has this text in it, or it ends."""
        command = [sys.executable, "-m", *arguments, "--pool", "solo", "--loglevel", "INFO"]
        lines: list[str] = []
        with subprocess.Popen(command, **self._how()) as process:
            for line in process.stdout or ():
                lines.append(line)
                if until in line:
                    break
            process.terminate()
            process.communicate(timeout=60)
        return lines

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, check=False, timeout=120, **self._how())

    def _how(self) -> dict[str, Any]:
        streams: dict[str, Any] = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
        }
        return {"cwd": self.folder, "env": self.environment, **streams}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_the_doctor_names_a_command_that_starts_a_worker(project: Project) -> None:
    project.manage("migrate")

    text = project.manage("jobman", "doctor", "--problems")

    assert "start one: celery -A bookshop.celery_app worker" in text
    lines = project.worker("celery", "-A", "bookshop.celery_app", "worker", until=" ready.")
    assert " ready." in lines[-1]
    assert not [line for line in lines if "Migrations of celery_jobman" in line]


def test_a_worker_without_tables_says_what_to_do(project: Project) -> None:
    start = ("celery", "-A", "bookshop.celery_app", "worker")

    said = project.worker(*start, until="Migrations of celery_jobman")[-1]

    assert "are missing in the database 'default' (0001_initial, " in said
    assert "run manage.py migrate" in said
    warned = project.manage("check", "--database", "default")
    assert "jobman.W003" in warned


def test_tasks_that_cannot_work_are_named_and_no_worker_starts(project: Project) -> None:
    project.tasks.write_text(TASKS + REFUSED)

    text = project.manage("check")
    lines = project.worker("celery", "-A", "bookshop.celery_app", "worker", until=" ready.")

    assert "(jobman.E002) task bookshop.tasks.order: its option max_attempts is '3'" in text
    assert "(jobman.E002) task bookshop.tasks.deliver: it is a coroutine function" in text
    assert "celery_jobman.exceptions.TaskRefused: task bookshop.tasks." in lines[-1]
