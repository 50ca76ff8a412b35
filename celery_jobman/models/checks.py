"""System checks of the database: settings under which rows would not mean what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import (
    CheckMessage,
    Error,
    Tags,
    Warning,  # noqa: A004 - Django's own name
    register,
)
from django.db import DatabaseError, connections, router

from celery_jobman.models.database import home

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Statements that return the character set of the table, or of the database until it is there.
ENCODINGS = {
    "postgresql": "SELECT pg_encoding_to_char(encoding) FROM pg_database"
    " WHERE datname = current_database()",
    "mysql": "SELECT coalesce((SELECT character_set_name FROM information_schema.tables"
    " JOIN information_schema.collation_character_set_applicability"
    " ON table_collation = collation_name"
    " WHERE table_schema = database() AND table_name = %s), @@character_set_database)",
}
TABLE = "jobman_job"
#: By vendor: the one that holds every text.
WHOLE = {"postgresql": "UTF8", "mysql": "utf8mb4"}


@register(Tags.compatibility)
def moments_have_a_zone(**_: Any) -> list[CheckMessage]:
    """Refuse settings under which moments are stored without their time zone."""
    if not settings.USE_TZ:
        return [
            Error(
                "celery-jobman needs USE_TZ = True",
                hint="Delays, leases and durations are compared across processes and databases,"
                " which moments without a time zone do not allow; set USE_TZ = True"
                " (https://docs.djangoproject.com/en/5.2/topics/i18n/timezones/#migration-guide).",
                id="jobman.E020",
            )
        ]
    connection: Any = connections[home()]
    zone = connection.settings_dict.get("TIME_ZONE")
    if connection.vendor == "postgresql" or zone in {None, "UTC"}:
        return []
    return [
        Error(
            f"the database {home()!r} holds moments in the time zone {zone!r}",
            hint="An hour of every year comes twice there, and the database's own clock is in"
            f' UTC; leave DATABASES[{home()!r}]["TIME_ZONE"] out.',
            id="jobman.E021",
        )
    ]


@register(Tags.database)
def texts_fit(databases: Iterable[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Refuse a database that cannot hold every text."""
    alias = home()
    if alias not in (databases or ()):
        return []
    connection: Any = connections[alias]
    statement, whole = ENCODINGS.get(connection.vendor), WHOLE.get(connection.vendor)
    try:
        found = _ask(connection, statement) if statement else whole
    except DatabaseError:
        return []  # it is away, which others say better
    if found == whole:
        return []
    return [
        Error(
            f"the database {alias!r} holds texts in {found}, not in {whole}",
            hint="Jobs with other characters in their arguments, results and log lines would be"
            f" refused; convert the database and jobman's tables to {whole}.",
            id="jobman.E022",
        )
    ]


def _ask(connection: Any, statement: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(statement, [TABLE] if "%s" in statement else None)
        return str(cursor.fetchone()[0])


@register(Tags.compatibility)
def owners_are_at_home(**_: Any) -> list[CheckMessage]:
    """Warn when the users of the project are in another database than their jobs."""
    theirs = router.db_for_write(get_user_model())
    if theirs == home():
        return []
    return [
        Warning(
            f"jobman's tables are in the database {home()!r}, the users in {theirs!r}",
            hint="A job with an owner is refused there, because the owner is no row of the same"
            f" database. Keep both in one, or give no owner; migrate needs the tables of the"
            f" users in {home()!r} in any case.",
            id="jobman.W023",
        )
    ]
