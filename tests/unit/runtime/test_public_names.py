from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps
from django.core.exceptions import AppRegistryNotReady, ImproperlyConfigured

import celery_jobman
from celery_jobman.runtime import public_names
from celery_jobman.runtime.workflows.live import LiveBatch

if TYPE_CHECKING:
    from pytest_django import Settings as Project

NAMES = [name for name in celery_jobman.__all__ if not name.startswith("_")]
LATE = [name for name in NAMES if name not in {"JobTask", "exponential"}]


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Django look as it does before its models are there."""
    monkeypatch.setattr(apps, "models_ready", False)


@pytest.mark.parametrize("name", LATE)
def test_a_name_that_was_imported_early_becomes_the_real_one(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    real = getattr(celery_jobman, name)
    monkeypatch.delitem(vars(celery_jobman), name, raising=False)
    monkeypatch.setattr(apps, "models_ready", False)
    stand_in = getattr(celery_jobman, name)
    monkeypatch.setattr(apps, "models_ready", True)

    assert isinstance(stand_in, public_names.Later)
    assert stand_in.__doc__ is not None
    assert stand_in._found() is real


@pytest.mark.usefixtures("early")
@pytest.mark.parametrize("use", [lambda late: late(), lambda late: late.retry])
def test_what_is_used_too_early_says_what_to_do(use: Any) -> None:
    late = public_names.public("celery_jobman.runtime.running", "step")

    with pytest.raises(
        AppRegistryNotReady, match=r"celery_jobman\.step may be imported.*call django\.setup\(\)"
    ):
        use(late)


def test_an_early_class_can_be_asked_for_and_annotated_with() -> None:
    early = public_names.Later("celery_jobman.runtime.workflows.live", "LiveBatch")

    assert isinstance(LiveBatch.__new__(LiveBatch), early)  # type: ignore[arg-type]
    assert not isinstance(3, early)  # type: ignore[arg-type]
    assert early | None
    assert None | early


def test_early_actions_are_the_module() -> None:
    early = public_names.Later("celery_jobman", "actions")

    assert early.retry is celery_jobman.actions.retry


@pytest.mark.parametrize("name", LATE)
def test_without_the_app_the_error_says_where_to_add_it(
    settings: Project, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delitem(vars(celery_jobman), name, raising=False)
    settings.INSTALLED_APPS = [each for each in settings.INSTALLED_APPS if "jobman" not in each]

    with pytest.raises(
        ImproperlyConfigured, match=r'add "celery_jobman" to INSTALLED_APPS in .*migrate'
    ):
        getattr(celery_jobman, name)


BEFORE_SETUP = f"""
from celery_jobman import {", ".join(NAMES)}

import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["celery_jobman"])
django.setup()
assert step("double", lambda: 2) == 2
assert current_job() is None
assert callable(actions.retry)
chain()
"""


def test_every_public_name_is_imported_before_django_is_set_up_and_used_after() -> None:
    subprocess.run([sys.executable, "-c", BEFORE_SETUP], check=True, timeout=60)
