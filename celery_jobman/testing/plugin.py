"""A plugin for pytest: ``pytest_plugins = ["celery_jobman.testing.plugin"]``.

It needs pytest-django.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from celery_jobman import testing

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture
def jobman(db: None) -> ModuleType:  # noqa: ARG001 - jobs are rows
    """Return the module ``celery_jobman.testing``, in a test that may use the database."""
    return testing
