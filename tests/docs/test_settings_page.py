from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

import pytest

from celery_jobman.conf import Settings
from tests.docs.pages import DOCS, rows

PAGE = DOCS / "reference" / "settings.md"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

NAMED = {row[0].strip("`"): row[1].strip("`") for row in rows(PAGE) if row[0].strip("`").isupper()}


def shown(default: object) -> set[str]:
    """Return the ways in which the page may write a default."""
    if isinstance(default, timedelta):
        seconds = default.total_seconds()
        return {f"{seconds / size:g} {unit}" for unit, size in UNITS.items()}
    return {str(default).replace("'", '"'), repr(default).replace("'", '"')}


@pytest.mark.parametrize("field", fields(Settings), ids=lambda field: field.name.upper())
def test_a_setting_is_on_the_page_with_its_default(field: object) -> None:
    name = field.name  # type: ignore[attr-defined]

    assert NAMED[name.upper()] in shown(getattr(Settings(), name))


def test_the_page_names_no_other_setting() -> None:
    assert set(NAMED) == {field.name.upper() for field in fields(Settings)}
