from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from celery_jobman.conf import Settings
from celery_jobman.conf import settings as chosen  # the fixture of pytest-django is `settings`

if TYPE_CHECKING:
    from pytest_django import Settings as Project

NAMES = [field.name for field in fields(Settings)]


def test_without_a_setting_every_default_holds(settings: Project) -> None:
    del settings.JOBMAN

    assert chosen() == Settings()


def test_what_is_given_replaces_its_default_and_no_other(settings: Project) -> None:
    settings.JOBMAN = {"POISON_LIMIT": 7}

    assert chosen() == Settings(poison_limit=7)


@pytest.mark.parametrize("seconds", [90, 90.0])
def test_a_duration_may_be_given_as_seconds(settings: Project, seconds: float) -> None:
    settings.JOBMAN = {"HEARTBEAT": seconds}

    assert chosen().heartbeat == timedelta(seconds=90)


def test_a_duration_may_be_given_as_a_timedelta(settings: Project) -> None:
    settings.JOBMAN = {"PRUNE_AFTER": timedelta(days=2)}

    assert chosen().prune_after == timedelta(days=2)


def test_patterns_may_be_given_as_a_list(settings: Project) -> None:
    settings.JOBMAN = {"TRACK": ["shop.*"]}

    assert chosen().track == ("shop.*",)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("TRACK", "shop.*", "tuple"),
        ("AFTER_COMMIT", 1, "bool"),
        ("POISON_LIMIT", True, "int"),
        ("POISON_LIMIT", "3", "int"),
        ("HEARTBEAT", "5s", "timedelta"),
        ("HEARTBEAT", True, "timedelta"),
        ("CODE_VERSION", None, "str"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_what_it_must_be(
    settings: Project, name: str, value: Any, expected: str
) -> None:
    settings.JOBMAN = {name: value}

    with pytest.raises(ImproperlyConfigured) as refused:
        chosen()
    assert str(refused.value) == f'JOBMAN["{name}"] is {value!r}, but must be a {expected}'


def test_a_name_that_is_not_known_is_refused_with_those_that_are(settings: Project) -> None:
    settings.JOBMAN = {"HEARTBEET": 5}

    with pytest.raises(ImproperlyConfigured, match="JOBMAN has no setting 'HEARTBEET'") as refused:
        chosen()
    assert all(name.upper() in str(refused.value) for name in NAMES)


def test_names_are_upper_case_only(settings: Project) -> None:
    settings.JOBMAN = {"heartbeat": 5}

    with pytest.raises(ImproperlyConfigured, match="no setting 'heartbeat'"):
        chosen()


def test_the_settings_are_read_once_and_again_after_a_change(settings: Project) -> None:
    first, second = chosen(), chosen()

    settings.JOBMAN = {"POISON_LIMIT": 7}

    assert first is second
    assert chosen().poison_limit == 7


def test_another_setting_that_changes_does_not_matter(settings: Project) -> None:
    before = chosen()

    settings.SITE_ID = 2

    assert chosen() is before
