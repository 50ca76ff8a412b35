from __future__ import annotations

from typing import TYPE_CHECKING

from celery_jobman.checks import heartbeat_fits

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
