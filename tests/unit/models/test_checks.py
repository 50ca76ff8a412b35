from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest
from django.core.checks import Error, run_checks
from django.db import OperationalError, connection

from celery_jobman.models import checks
from celery_jobman.models.checks import moments_have_a_zone, owners_are_at_home, texts_fit
from tests import databases

pytestmark = pytest.mark.django_db


def test_the_settings_of_the_tests_are_fine() -> None:
    found = run_checks(databases=["default"])
    of_other_tests = {"jobman.W008"}  # their apps are found until they are collected

    ours = {str(each.id) for each in found if str(each.id).startswith("jobman.")}
    assert ours - of_other_tests <= {"jobman.W002"}
    assert moments_have_a_zone() == owners_are_at_home() == texts_fit(["default"]) == []


def test_moments_without_a_zone_are_refused(settings: Any) -> None:
    settings.USE_TZ = False

    (error,) = moments_have_a_zone()

    assert isinstance(error, Error)
    assert (error.id, "USE_TZ = True" in error.msg) == ("jobman.E020", True)


@pytest.mark.parametrize(
    ("vendor", "zone", "ids"),
    [
        ("mysql", "Europe/Berlin", ["jobman.E021"]),
        ("sqlite", "Europe/Berlin", ["jobman.E021"]),
        ("postgresql", "Europe/Berlin", []),
        ("mysql", "UTC", []),
        ("sqlite", None, []),
    ],
)
def test_a_database_with_a_zone_of_its_own_is_refused(
    monkeypatch: pytest.MonkeyPatch, vendor: str, zone: str | None, ids: list[str]
) -> None:
    monkeypatch.setattr(connection, "vendor", vendor)
    monkeypatch.setitem(connection.settings_dict, "TIME_ZONE", zone)

    assert [each.id for each in moments_have_a_zone()] == ids


@pytest.mark.parametrize(
    ("vendor", "encoding"), [("mysql", "utf8mb3"), ("postgresql", "SQL_ASCII")]
)
def test_a_database_that_cannot_hold_every_text_is_refused(
    monkeypatch: pytest.MonkeyPatch, vendor: str, encoding: str
) -> None:
    monkeypatch.setattr(connection, "vendor", vendor)
    monkeypatch.setattr(checks, "_ask", lambda *_: encoding)

    (error,) = texts_fit(["default"])

    assert (error.id, encoding in error.msg) == ("jobman.E022", True)


def test_the_database_is_asked_only_when_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "vendor", "mysql")
    monkeypatch.setattr(checks, "_ask", Mock(side_effect=AssertionError))

    assert texts_fit() == texts_fit(None) == texts_fit(["replica"]) == []


def test_a_database_that_is_away_is_not_this_checks_business(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "vendor", "mysql")
    monkeypatch.setattr(checks, "_ask", Mock(side_effect=OperationalError))

    assert texts_fit(["default"]) == []


@pytest.mark.skipif(databases.chosen() != "mariadb", reason="needs MariaDB")
def test_mariadb_tells_the_character_set_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "TABLE", "three_bytes")
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE three_bytes (a text) CHARACTER SET utf8mb3")
        try:
            (error,) = texts_fit(["default"])
        finally:
            cursor.execute("DROP TABLE three_bytes")

    assert "in utf8mb3, not in utf8mb4" in error.msg


class UsersElsewhere:
    """A project's router that keeps users in another database."""

    def db_for_write(self, model: type[Any], **_: Any) -> str | None:
        return "people" if model._meta.app_label == "auth" else None


def test_owners_in_another_database_are_warned_of(settings: Any) -> None:
    settings.DATABASE_ROUTERS = [f"{__name__}.UsersElsewhere"]

    (warning,) = owners_are_at_home()

    assert (warning.id, "'people'" in warning.msg) == ("jobman.W023", True)
