"""Fixtures: the admin in the pseudo language, on rows without a Latin letter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from tests.languages import pseudo, rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from celery import Celery
    from django.contrib.auth.models import User

    from celery_jobman.models import Job


@pytest.fixture(scope="session")
def pseudo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("locale")
    pseudo.write(folder)
    return folder


@pytest.fixture
def _pseudo(settings: Any, pseudo_folder: Path) -> None:
    """Let the site speak the pseudo language."""
    settings.LOCALE_PATHS = [str(pseudo_folder)]
    settings.LANGUAGE_CODE = pseudo.LANGUAGE
    settings.JOBMAN = {"REDACT": [rows.SECRET]}


@pytest.fixture
def _task(app: Celery) -> Iterator[None]:
    """A task whose name and parameters are Greek."""

    @app.task(name=rows.TASK, shared=False)  # type: ignore[untyped-decorator]
    def greek(α: str, *, β: int = 0, κρυφό: str = "") -> None:
        """Do nothing."""

    yield
    app.tasks.unregister(rows.TASK)


@pytest.fixture
def chief(django_user_model: type[User]) -> User:
    return django_user_model.objects.create_superuser("ρίζα", "", "σ")


@pytest.fixture
def jobs(chief: User) -> dict[str, Job]:
    return rows.make(chief)


@pytest.fixture
def visitor(chief: User) -> Client:
    client = Client()
    client.force_login(chief)
    return client
