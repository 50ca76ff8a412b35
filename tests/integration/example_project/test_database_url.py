from __future__ import annotations

import pytest

from example_project import database_url


def test_a_server() -> None:
    entry = database_url.parse("postgresql://ann:s%40fe@db.example.org:5433/shop?sslmode=require")

    assert entry == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "shop",
        "USER": "ann",
        "PASSWORD": "s@fe",
        "HOST": "db.example.org",
        "PORT": 5433,
        "OPTIONS": {"sslmode": "require"},
    }


def test_a_server_with_all_defaults() -> None:
    entry = database_url.parse("mysql:///shop")

    assert (entry["ENGINE"], entry["NAME"]) == ("django.db.backends.mysql", "shop")
    assert (entry["USER"], entry["PASSWORD"], entry["HOST"], entry["PORT"]) == ("", "", "", "")


def test_sqlite_is_made_fit_for_workers() -> None:
    entry = database_url.parse("sqlite:////tmp/a folder/shop.sqlite3")

    assert entry["NAME"] == "/tmp/a folder/shop.sqlite3"  # noqa: S108 - nothing is written
    assert entry["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert entry["OPTIONS"]["timeout"] == 20
    assert "journal_mode = WAL" in entry["OPTIONS"]["init_command"]


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("oracle://ann:secret@host/shop", "begins with none of"),
        ("postgresql://ann:secret@host", "no database is named"),
        ("shop.sqlite3", "begins with none of"),
    ],
)
def test_what_cannot_be_understood_is_refused_without_its_password(
    url: str, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint) as refusal:
        database_url.parse(url)

    assert "secret" not in str(refusal.value)
