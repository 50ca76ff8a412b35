"""Bulk: many rows in one INSERT, where that can be done for less than by the ORM.

Members of a batch differ in little more than their ids and arguments.  On PostgreSQL the columns
that are the same in all rows of a chunk are sent, and converted, once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.transaction import mark_for_rollback_on_error

from celery_jobman.models.database import using

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import Field, Model


#: Rows written by one INSERT.
CHUNK = 500


def insert_all(model: type[Model], rows: Sequence[Model]) -> None:
    """Insert unsaved rows, whose keys are set, a chunk of them by one statement.

    To be called inside a transaction.

    Raises:
        django.db.DatabaseError: A row was refused.
    """
    for start in range(0, len(rows), CHUNK):
        _insert(model, rows[start : start + CHUNK])


def _insert(model: type[Model], rows: Sequence[Model]) -> None:
    alias = using()
    if connections[alias].vendor != "postgresql" or len(rows) <= 1:
        model._default_manager.using(alias).bulk_create(rows)  # noqa: SLF001 - as below
        return
    table = model._meta  # noqa: SLF001 - documented by Django
    shared, own = _sorted_out(table.concrete_fields, rows)
    quote = connections[alias].ops.quote_name
    names = ", ".join(quote(str(field.column)) for field in (*shared, *own))
    marks = f"({', '.join(['%s'] * len(own))})"
    given = ", ".join(["%s"] * len(shared))
    sql = (
        f"INSERT INTO {quote(table.db_table)} ({names}) SELECT {given}, own.*"  # noqa: S608 - names come from the model
        f" FROM (VALUES {', '.join([marks] * len(rows))}) AS own"
    )
    values = [*_values(alias, shared, rows[0]), *_all_values(alias, own, rows)]
    with mark_for_rollback_on_error(using=alias), connections[alias].cursor() as cursor:
        cursor.execute(sql, values)


def _sorted_out(
    fields: Iterable[Field[Any, Any]], rows: Sequence[Model]
) -> tuple[list[Field[Any, Any]], list[Field[Any, Any]]]:
    """Return the columns that hold the same in all rows, and the others; without empty ones."""
    shared, own = [], []
    for field in fields:
        name = field.attname
        first = getattr(rows[0], name)
        if any(getattr(row, name) is not first for row in rows):
            own.append(field)
        elif first is not None:
            shared.append(field)
    return shared, own


def _values(alias: str, fields: Iterable[Field[Any, Any]], row: Model) -> list[Any]:
    connection = connections[alias]
    return [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]


def _all_values(alias: str, fields: Iterable[Field[Any, Any]], rows: Sequence[Model]) -> list[Any]:
    return [value for row in rows for value in _values(alias, fields, row)]
