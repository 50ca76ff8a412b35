from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from celery_jobman.checks.settings import (
    heartbeat_fits,
    paths_lead_somewhere,
    settings_have_an_effect,
)

if TYPE_CHECKING:
    from pytest_django import Settings as Project


def test_the_defaults_give_no_warning() -> None:
    assert heartbeat_fits() == []


def test_three_signs_of_life_fit_exactly(settings: Project) -> None:
    settings.JOBMAN = {"HEARTBEAT": 10, "WORKER_LOST_AFTER": 30}

    assert heartbeat_fits() == []


def test_a_worker_that_would_be_lost_when_late_once_is_warned_of(settings: Project) -> None:
    settings.JOBMAN = {"HEARTBEAT": 10, "WORKER_LOST_AFTER": 29}

    (warning,) = heartbeat_fits()

    assert warning.id == "jobman.W001"
    assert 'JOBMAN["WORKER_LOST_AFTER"]' in warning.msg
    assert warning.hint is not None
    assert "at least 30 seconds" in warning.hint


@pytest.mark.parametrize("name", ["CAN", "MODEL_ADMIN"])
@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("no.such.rule", "cannot be imported: ModuleNotFoundError"),
        ("celery_jobman.conf.nothing", "cannot be imported: ImportError"),
        ("rule", "cannot be imported: ImportError"),
        ("celery_jobman.conf.REDACT", "cannot be called"),
    ],
)
def test_a_path_that_leads_nowhere_is_an_error(
    settings: Project, name: str, path: str, why: str
) -> None:
    settings.JOBMAN = {name: path}

    (error,) = paths_lead_somewhere()

    assert error.id == "jobman.E001"
    assert error.msg.startswith(f'JOBMAN["{name}"] is {path!r}, which {why}')


def test_paths_that_lead_somewhere_are_fine(settings: Project) -> None:
    settings.JOBMAN = {"CAN": f"{__name__}.test_paths_that_lead_somewhere_are_fine"}

    assert paths_lead_somewhere() == []


def test_a_setting_that_is_written_as_celerys_are_is_warned_of(settings: Project) -> None:
    settings.JOBMAN_HEARTBEAT = 5
    settings.JOBMAN_COLOUR = "blue"

    (warning,) = settings_have_an_effect()

    assert warning.id == "jobman.W011"
    assert warning.msg == "the setting JOBMAN_HEARTBEAT has no effect"
    assert warning.hint is not None
    assert 'JOBMAN = {"HEARTBEAT": …}' in warning.hint
