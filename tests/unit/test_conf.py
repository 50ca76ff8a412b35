from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from celery_jobman.conf import CODE_VERSION_LENGTH, Settings
from celery_jobman.conf import settings as chosen  # the fixture of pytest-django is `settings`
from celery_jobman.models import Job

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
    settings.JOBMAN = {"WORKER_LOST_AFTER": seconds}

    assert chosen().worker_lost_after == timedelta(seconds=90)


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


@pytest.mark.parametrize("name", ["HEARTBEET", "heartbeat", "HEART_BEAT"])
def test_a_name_that_is_not_known_is_answered_with_the_one_that_was_meant(
    settings: Project, name: str
) -> None:
    settings.JOBMAN = {name: 5}

    with pytest.raises(ImproperlyConfigured, match=r"\(did you mean 'HEARTBEAT'\?\)"):
        chosen()


@pytest.mark.parametrize("given", ["TRACK", ["TRACK"], None])
def test_what_is_no_dictionary_is_refused(settings: Project, given: object) -> None:
    settings.JOBMAN = given

    with pytest.raises(ImproperlyConfigured, match="but must be a dict"):
        chosen()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        *[(name, -1, "0 or more") for name in ("CANCEL_GRACE", "OUTAGE_PATIENCE", "LOG_LINES")],
        *[
            (name, value, "more than 0")
            for name in ("HEARTBEAT", "DISPATCH_EVERY", "PUBLISH_TIMEOUT", "POISON_LIMIT")
            for value in (0, -1)
        ],
        ("WORKER_LOST_AFTER", 0, "more than 0"),
        ("WORKER_LOST_AFTER", timedelta(), "more than 0"),
        ("PRUNE_AFTER", 1e12, "at most 3155760000"),
        ("PRUNE_AFTER", float("nan"), "a number of seconds"),
        ("PRUNE_AFTER", timedelta(days=40_000), "at most 36525 days"),
        ("TRACK", [5], "a list of texts"),
        ("REDACT", ["iban", ""], "a list of texts, none of them empty"),
        ("CODE_VERSION", "v" * 65, "at most 64 characters"),
    ],
)
def test_a_value_out_of_its_range_is_named_with_the_range(
    settings: Project, name: str, value: Any, expected: str
) -> None:
    settings.JOBMAN = {name: value}

    with pytest.raises(ImproperlyConfigured, match=rf'JOBMAN\["{name}"\].*{expected}'):
        chosen()


@pytest.mark.parametrize("name", ["CANCEL_GRACE", "OUTAGE_PATIENCE", "FLUSH_EVERY", "LOG_LINES"])
def test_nothing_is_a_value_where_it_has_a_meaning(settings: Project, name: str) -> None:
    settings.JOBMAN = {name: 0}

    assert not getattr(chosen(), name.lower())


def test_a_worker_is_not_lost_before_it_could_give_a_sign_of_life(settings: Project) -> None:
    settings.JOBMAN = {"HEARTBEAT": 30}

    with pytest.raises(ImproperlyConfigured, match=r'more than JOBMAN\["HEARTBEAT"\], 30 s'):
        chosen()


def test_a_release_name_fits_where_it_is_stored() -> None:
    assert Job._meta.get_field("code_version").max_length == CODE_VERSION_LENGTH


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
