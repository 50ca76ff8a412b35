"""Statements of the hot path, whose SQL is built once for each shape.

Django's ORM builds the text of an UPDATE or INSERT anew each time, which costs Python more
than the statement costs the database.  Every job passes three of them, so here their text is
kept for each shape (table, columns, kinds of conditions); values are converted by the model's
fields, as the ORM does.  Everything off the hot path goes through the ORM.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from django.db import DataError, connections
from django.db.models import F
from django.db.transaction import mark_for_rollback_on_error

from celery_jobman.models.database import atomic, using

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import Field, Model


@dataclass(frozen=True, slots=True)
class Plus:
    """A change that adds to what the column holds."""

    amount: int


@dataclass(frozen=True, slots=True)
class OneOf:
    """A condition that a column holds one of some values."""

    values: tuple[Any, ...]


#: Patterns of a column in a statement; a positive number is that many values.
SINGLE, ADDED, NULL, NEVER = 0, -1, -2, -3

Columns = Mapping[str, Any]

#: Characters from which on a value may be too large for MySQL, and what that escapes in them.
LARGE = 250_000
ESCAPED = "\0\n\r\x1a\"'\\"


@dataclass(frozen=True, slots=True)
class Insert:
    """A row that is written along with a change."""

    model: type[Model]
    columns: Columns


def update(
    model: type[Model], where: Columns, changes: Columns, along: Insert | None = None
) -> int:
    """Change the rows that match, in one UPDATE.

    Args:
        model: The table.
        where: Conditions by column: a value, None (IS NULL), or :class:`OneOf`.
        changes: New values by column: a value, or :class:`Plus`.
        along: A row to insert for the one that matched, in the same statement where the
            database can (PostgreSQL), else in the same transaction.

    Returns:
        How many rows matched.
    """
    alias = using()
    sql = _update_sql(alias, model, _shape(changes), _shape(where))
    set_where = {name: value for name, value in where.items() if value is not None}
    values = [*_values(model, changes), *_values(model, set_where)]
    if along is None:
        return _execute(alias, sql, values)
    if connections[alias].vendor == "postgresql":
        values += _values(along.model, along.columns)
        return _execute(alias, _fused_sql(alias, sql, along.model, tuple(along.columns)), values)
    with atomic():
        matched = _execute(alias, sql, values)
        if matched:
            insert(alias, along.model, along.columns)
    return matched


def update_and_read(
    model: type[Model], where: Columns, changes: Columns, names: tuple[str, ...]
) -> tuple[Any, ...] | None:
    """Change the row that matches, and return what it holds then, as the database gives it.

    To be called inside a transaction: where the UPDATE cannot return anything (MySQL, MariaDB)
    the row is read after it, still locked.

    Args:
        model: The table.
        where: As for :func:`update`; at most one row may match.
        changes: As for :func:`update`.
        names: The columns to return, which need no conversion.

    Returns:
        None when no row matched.
    """
    alias = using()
    if connections[alias].vendor == "mysql":
        if not update(model, where, changes):
            return None
        rows = model._default_manager.using(alias).filter(**as_lookups(where))
        return rows.values_list(*names).first()
    sql = _update_sql(alias, model, _shape(changes), _shape(where))
    given = {name: value for name, value in where.items() if value is not None}
    values = [*_values(model, changes), *_values(model, given)]
    return _fetch(alias, _returning_sql(alias, sql, model, names), values)


def as_expressions(changes: Columns) -> dict[str, Any]:
    """Return ``changes`` as the ORM takes them."""
    return {
        name: F(name) + value.amount if isinstance(value, Plus) else value
        for name, value in changes.items()
    }


def as_lookups(where: Columns) -> dict[str, Any]:
    """Return single-valued conditions as the ORM takes them."""
    return {
        f"{name}__isnull" if value is None else name: True if value is None else value
        for name, value in where.items()
    }


def insert(alias: str, model: type[Model], columns: Columns) -> None:
    """Insert one row; columns that are not named become NULL."""
    sql = _insert_sql(alias, model, tuple(columns))
    _execute(alias, sql, _values(model, columns))


def insert_while(
    alias: str, model: type[Model], columns: Columns, other: type[Model], where: Columns
) -> bool:
    """Insert one row if, and only if, a row of another table matches.

    Where a statement that reads the other row would lock it (MySQL, MariaDB) the question is
    asked first, by itself.

    Returns:
        Whether the row was inserted.
    """
    if connections[alias].vendor == "mysql":
        matches = other._default_manager.using(alias).filter(**as_lookups(where)).exists()
        if matches:
            insert(alias, model, columns)
        return matches
    sql = _insert_while_sql(alias, model, tuple(columns), other, _shape(where))
    return bool(_execute(alias, sql, [*_values(model, columns), *_values(other, where)]))


def columns_of(row: Model) -> dict[str, Any]:
    """Return the columns of an unsaved row that hold something, for :func:`insert`."""
    values = ((name, getattr(row, name)) for name in _fields(type(row)))
    return {name: value for name, value in values if value is not None}


def _execute(alias: str, sql: str, values: Iterable[tuple[Field[Any, Any], Any]]) -> int:
    with mark_for_rollback_on_error(using=alias), connections[alias].cursor() as cursor:
        cursor.execute(sql, _adapted(alias, values))
        return int(cursor.rowcount)


def _fetch(
    alias: str, sql: str, values: Iterable[tuple[Field[Any, Any], Any]]
) -> tuple[Any, ...] | None:
    with mark_for_rollback_on_error(using=alias), connections[alias].cursor() as cursor:
        cursor.execute(sql, _adapted(alias, values))
        row: tuple[Any, ...] | None = cursor.fetchone()
    return row


def _adapted(alias: str, values: Iterable[tuple[Field[Any, Any], Any]]) -> list[Any]:
    adapted = [field.get_db_prep_save(value, connections[alias]) for field, value in values]
    _refuse_too_large(alias, adapted)
    return adapted


def _refuse_too_large(alias: str, values: list[Any]) -> None:
    """Refuse what does not fit a packet, before MySQL closes the connection for it.

    Which looks like an outage, after which the same is sent again, and again.

    Raises:
        DataError: The statement is too large.
    """
    large = [value for value in values if isinstance(value, str) and len(value) > LARGE]
    if not large or connections[alias].vendor != "mysql":
        return
    size = sum(len(text.encode()) + sum(text.count(each) for each in ESCAPED) for text in large)
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT @@max_allowed_packet")
        most = int(cursor.fetchone()[0])
    if size + LARGE > most:
        msg = f"a statement of {size} bytes is larger than max_allowed_packet, {most} bytes"
        raise DataError(msg)


def _values(model: type[Model], columns: Columns) -> Iterable[tuple[Field[Any, Any], Any]]:
    fields = _fields(model)
    for name, value in columns.items():
        field = fields[name]
        if isinstance(value, OneOf):
            yield from ((field, item) for item in value.values)
        else:
            yield field, value.amount if isinstance(value, Plus) else value


def _shape(columns: Columns) -> tuple[tuple[str, int], ...]:
    """Return each column with its pattern: how many values, added to, or NULL."""
    return tuple((name, _pattern(value)) for name, value in columns.items())


def _pattern(value: Any) -> int:
    if isinstance(value, Plus):
        return ADDED
    if isinstance(value, OneOf):
        return len(value.values) or NEVER
    return NULL if value is None else SINGLE


@cache
def _fields(model: type[Model]) -> dict[str, Field[Any, Any]]:
    return {field.attname: field for field in model._meta.concrete_fields}


@cache
def _update_sql(
    alias: str,
    model: type[Model],
    changes: tuple[tuple[str, int], ...],
    where: tuple[tuple[str, int], ...],
) -> str:
    quote, fields = connections[alias].ops.quote_name, _fields(model)
    names = {name: quote(str(fields[name].column)) for name, _ in (*changes, *where)}
    assignments = [
        f"{names[name]} = {names[name]} + %s" if pattern == ADDED else f"{names[name]} = %s"
        for name, pattern in changes
    ]
    conditions = [_condition(names[name], pattern) for name, pattern in where]
    table = quote(model._meta.db_table)
    return f"UPDATE {table} SET {', '.join(assignments)} WHERE {' AND '.join(conditions)}"  # noqa: S608 - names come from the model


def _condition(column: str, pattern: int) -> str:
    if pattern == NULL:
        return f"{column} IS NULL"
    if pattern == NEVER:
        return "1 = 0"
    if pattern > SINGLE:
        return f"{column} IN ({', '.join(['%s'] * pattern)})"
    return f"{column} = %s"


@cache
def _fused_sql(alias: str, update_sql: str, model: type[Model], names: tuple[str, ...]) -> str:
    into, marks = _into(alias, model, names)
    return f"WITH moved AS ({update_sql} RETURNING 1) INSERT INTO {into} SELECT {marks} FROM moved"  # noqa: S608 - as above


@cache
def _returning_sql(alias: str, update_sql: str, model: type[Model], names: tuple[str, ...]) -> str:
    quote, fields = connections[alias].ops.quote_name, _fields(model)
    return f"{update_sql} RETURNING {', '.join(quote(str(fields[n].column)) for n in names)}"


@cache
def _insert_while_sql(
    alias: str,
    model: type[Model],
    names: tuple[str, ...],
    other: type[Model],
    where: tuple[tuple[str, int], ...],
) -> str:
    quote, fields = connections[alias].ops.quote_name, _fields(other)
    into, marks = _into(alias, model, names)
    conditions = [_condition(quote(str(fields[name].column)), pattern) for name, pattern in where]
    table = quote(other._meta.db_table)
    return f"INSERT INTO {into} SELECT {marks} FROM {table} WHERE {' AND '.join(conditions)}"  # noqa: S608 - as above


def _into(alias: str, model: type[Model], names: tuple[str, ...]) -> tuple[str, str]:
    quote, fields = connections[alias].ops.quote_name, _fields(model)
    columns = ", ".join(quote(str(fields[name].column)) for name in names)
    return f"{quote(model._meta.db_table)} ({columns})", ", ".join(["%s"] * len(names))


@cache
def _insert_sql(alias: str, model: type[Model], names: tuple[str, ...]) -> str:
    into, marks = _into(alias, model, names)
    return f"INSERT INTO {into} VALUES ({marks})"  # noqa: S608 - as above
