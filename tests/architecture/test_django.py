from __future__ import annotations

import subprocess
import sys

import pytest
from django.core.management import call_command

pytestmark = pytest.mark.django_db


def test_the_migrations_are_complete() -> None:
    call_command("makemigrations", "--check", "--dry-run", "jobman")


def test_the_system_checks_are_silent_where_no_test_has_made_an_app_of_its_own() -> None:
    command = [sys.executable, "-m", "django", "check", "--fail-level", "WARNING"]
    checked = subprocess.run(
        [*command, "--settings", "tests.settings"], capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stderr
