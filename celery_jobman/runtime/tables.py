"""Tables: whether the database has those that jobs are kept in."""

from __future__ import annotations

import logging

import django.db
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from celery_jobman.models.database import home

logger = logging.getLogger("celery_jobman")

_told: set[str] = set()


def missing() -> list[str]:
    """Return the names of our migrations that are not applied.

    Raises:
        django.db.DatabaseError: The database does not answer.
    """
    executor = MigrationExecutor(connections[home()])
    leaves = [node for node in executor.loader.graph.leaf_nodes() if node[0] == "jobman"]
    plan = executor.migration_plan(leaves)
    return [migration.name for migration, _ in plan if migration.app_label == "jobman"]


def command() -> str:
    """Return the command that applies them."""
    return "manage.py migrate" if home() == "default" else f"manage.py migrate --database {home()}"


def explains(error: BaseException) -> bool:
    """Whether missing migrations are the reason of an error; it is logged once, in clear words."""
    if not isinstance(error, django.db.DatabaseError):
        return False
    try:
        names = missing()
    except django.db.Error:
        return False
    if names and home() not in _told:
        _told.add(home())
        logger.error(
            "Migrations of celery_jobman are missing in the database %r (%s), so this worker keeps"
            " no jobs; run %s",
            home(),
            ", ".join(names),
            command(),
        )
    return bool(names)
