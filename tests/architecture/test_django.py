from __future__ import annotations

import pytest
from django.core.management import call_command

pytestmark = pytest.mark.django_db


def test_the_migrations_are_complete() -> None:
    call_command("makemigrations", "--check", "--dry-run", "jobman")


def test_the_system_checks_are_silent() -> None:
    call_command("check", fail_level="WARNING")
