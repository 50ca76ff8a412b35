"""Copied into Celery's test tree as ``t/conftest.py``: gives every task another base class."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from celery.worker import WorkController

if "DJANGO_SETTINGS_MODULE" in os.environ:
    import django

    django.setup()


@pytest.fixture(scope="session")
def celery_parameters() -> dict[str, str]:
    base = os.environ.get("CONFORMANCE_BASE")
    return {"task_cls": base} if base else {}


@pytest.fixture(scope="session", autouse=True)
def worker_for_all(celery_session_worker: WorkController) -> None:
    """Start the worker even when only tests are selected that rely on another to start it."""
