from __future__ import annotations

import sqlite3

import pytest
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    connection,
)
from django.db.transaction import TransactionManagementError

from celery_jobman.models.database_errors import Answer, answer, is_refusal


class Psycopg(Exception):
    def __init__(self, sqlstate: str | None) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


def of_postgresql(kind: type[DatabaseError], sqlstate: str | None) -> DatabaseError:
    error = kind("what the server said")
    error.__cause__ = Psycopg(sqlstate)
    return error


def of_sqlite(text: str) -> DatabaseError:
    error = OperationalError(text)
    error.__cause__ = sqlite3.OperationalError(text)
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (of_postgresql(OperationalError, "57P01"), Answer.OUTAGE),
        (of_postgresql(OperationalError, "08006"), Answer.OUTAGE),
        (of_postgresql(OperationalError, "53100"), Answer.OUTAGE),
        (of_postgresql(InternalError, "25006"), Answer.OUTAGE),
        (of_postgresql(OperationalError, None), Answer.OUTAGE),
        (of_postgresql(OperationalError, "40001"), Answer.CONFLICT),
        (of_postgresql(OperationalError, "40P01"), Answer.CONFLICT),
        (of_postgresql(OperationalError, "55P03"), Answer.CONFLICT),
        (of_postgresql(OperationalError, "57014"), Answer.CONFLICT),
        (of_postgresql(OperationalError, "54000"), Answer.REFUSAL),
        (of_postgresql(InternalError, "XX000"), Answer.REFUSAL),
        (of_postgresql(IntegrityError, "23503"), Answer.REFUSAL),
        (of_postgresql(DataError, "22003"), Answer.REFUSAL),
        (of_postgresql(ProgrammingError, "42P01"), Answer.REFUSAL),
    ],
)
def test_postgresql_tells_by_its_code(error: DatabaseError, expected: Answer) -> None:
    assert answer(error) is expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OperationalError(2006, "MySQL server has gone away"), Answer.OUTAGE),
        (OperationalError(1290, "--read-only"), Answer.OUTAGE),
        (OperationalError(1792, "READ ONLY transaction"), Answer.OUTAGE),
        (InterfaceError(0, ""), Answer.OUTAGE),
        (OperationalError(1213, "Deadlock found"), Answer.CONFLICT),
        (OperationalError(1205, "Lock wait timeout exceeded"), Answer.CONFLICT),
        (OperationalError(1153, "packet bigger than max_allowed_packet"), Answer.REFUSAL),
        (OperationalError(1366, "Incorrect string value"), Answer.REFUSAL),
        (IntegrityError(1452, "a foreign key constraint fails"), Answer.REFUSAL),
        (DataError(1264, "Out of range value"), Answer.REFUSAL),
    ],
)
def test_mysql_tells_by_its_number(error: DatabaseError, expected: Answer) -> None:
    assert answer(error) is expected


def test_a_transaction_that_was_broken_before_is_no_refusal_of_what_comes_next() -> None:
    assert answer(TransactionManagementError("an error occurred before")) is Answer.CONFLICT
    assert answer(of_postgresql(InternalError, "25P02")) is Answer.CONFLICT


def test_the_number_of_mysql_says_more_than_its_sqlstate() -> None:
    error = OperationalError(1153, "Got a packet bigger than 'max_allowed_packet' bytes")
    error.__cause__ = Psycopg("08S01")

    assert is_refusal(error)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("database is locked", Answer.CONFLICT),
        ("database table is locked: jobman_job", Answer.CONFLICT),
        ("database or disk is full", Answer.OUTAGE),
        ("attempt to write a readonly database", Answer.OUTAGE),
        ("unable to open database file", Answer.OUTAGE),
        ("no such table: jobman_job", Answer.REFUSAL),
    ],
)
def test_sqlite_tells_by_its_words(text: str, expected: Answer) -> None:
    assert answer(of_sqlite(text)) is expected


@pytest.mark.parametrize(
    "error",
    [
        InterfaceError("connection is closed"),
        OperationalError(),
        ProgrammingError("Cannot operate on a closed database."),
    ],
)
def test_an_error_without_a_code_is_a_connection_that_broke(error: DatabaseError) -> None:
    assert answer(error) is Answer.OUTAGE


@pytest.mark.parametrize("error", [ValueError("no"), OverflowError(), None])
def test_what_no_database_raised_is_a_refusal(error: Exception | None) -> None:
    assert is_refusal(error)


@pytest.mark.django_db
def test_what_this_database_refuses_is_a_refusal() -> None:
    statement = "INSERT INTO jobman_job (id) VALUES (NULL)"

    with pytest.raises(DatabaseError) as caught, connection.cursor() as cursor:
        cursor.execute(statement)

    assert is_refusal(caught.value)


@pytest.mark.parametrize(
    ("number", "sqlstate", "meant"),
    [
        (1153, "08S01", Answer.REFUSAL),
        (1205, "HY000", Answer.CONFLICT),
        (1021, "HY000", Answer.OUTAGE),
        (1290, "HY000", Answer.OUTAGE),
        (1927, "HY000", Answer.OUTAGE),
        (1213, "40001", Answer.CONFLICT),
    ],
)
def test_the_number_counts_where_pymysql_tells_a_state_too(
    number: int, sqlstate: str, meant: Answer
) -> None:
    error = OperationalError(number, "…")
    error.__cause__ = Psycopg(sqlstate)

    assert answer(error) is meant
