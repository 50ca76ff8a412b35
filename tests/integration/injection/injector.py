"""The injector: sees every write to a table of ours, counts it, and lets some of them fail."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.db import connections
from django.db.backends.signals import connection_created

from tests.integration.injection import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper

_WRITE: Final = re.compile(r"\s*(INSERT|UPDATE|DELETE|WITH|REPLACE)\b")
_TABLE: Final = re.compile(r"jobman_\w+")
_MOVE: Final = re.compile(r"UPDATE .*SET .*[\"`]state[\"`] = .* WHERE")
_ID: Final = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?7[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_MARKS: Final = re.compile(r"%s(, %s)+|\(%s\)(, \(%s\))+|\d+")

#: Nothing of a trial needs to outlive a power cut.
_HURRIES: Final = {
    "sqlite": "PRAGMA synchronous = OFF",
    "postgresql": "SET synchronous_commit TO off",
}

#: How long a fault lasts.
ONCE, ALWAYS, TWICE = "once", "always", "twice"
MODES: Final = (ONCE, ALWAYS, TWICE)
#: As always, and whatever else is written to the same row: nothing less is taken instead.
WHOLLY: Final = "wholly"
LASTING: Final = frozenset({ALWAYS, WHOLLY})


@dataclass(frozen=True, slots=True)
class Case:
    """One write of a scene that fails: which, how, and for how long."""

    number: int
    kind: str
    mode: str

    def __str__(self) -> str:
        return f"write {self.number}, {self.kind}, {self.mode}"


@dataclass(eq=False)
class Injector:
    """Watches the statements of a scene."""

    #: Ids of rows that must not be touched, and of what is nobody's own (workers).
    spared: set[str] = field(default_factory=set)
    neutral: set[str] = field(default_factory=set)
    case: Case | None = None
    is_watching: bool = False
    #: The writes seen, in order, each in a few words.
    seen: list[str] = field(default_factory=list)
    #: How often a write failed.
    struck: int = 0
    _shape: str = ""
    _ids: frozenset[str] = frozenset()

    def begin(self, case: Case | None) -> None:
        """Watch a scene from its beginning; without a case every write is only counted."""
        self.case, self.is_watching = case, True
        self.spared.clear()
        self.neutral.clear()
        self.seen.clear()
        self.struck, self._shape, self._ids = 0, "", frozenset()

    def repair(self) -> None:
        """Let nothing fail any more."""
        self.case = None

    def is_a_move(self) -> bool:
        """Whether the write that fails moves a job or a batch: without it there is no end."""
        return _MOVE.search(self._shape) is not None

    @contextmanager
    def looking_away(self) -> Iterator[None]:
        """Neither count nor break what is written in this block."""
        before, self.is_watching = self.is_watching, False
        try:
            yield
        finally:
            self.is_watching = before

    @contextmanager
    def installed(self) -> Iterator[None]:
        """See the statements of every connection, also of those that are opened later."""
        for connection in connections.all(initialized_only=True):
            self._watch(connection=connection)
        connection_created.connect(self._watch)
        try:
            yield
        finally:
            connection_created.disconnect(self._watch)
            for connection in connections.all(initialized_only=True):
                if self._see in connection.execute_wrappers:
                    connection.execute_wrappers.remove(self._see)

    def _watch(self, connection: BaseDatabaseWrapper, **_: Any) -> None:
        if hurry := _HURRIES.get(connection.vendor):
            with connection.cursor() as cursor:
                cursor.execute(hurry)
        if self._see not in connection.execute_wrappers:
            connection.execute_wrappers.append(self._see)

    def _see(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's signature
        if self.is_watching and _WRITE.match(sql) and _TABLE.search(sql):
            ids = ids_in(params) - self.neutral
            if ids & self.spared and sql.startswith("INSERT"):
                self.spared |= ids  # what follows from a row that is spared
            if not ids or not ids <= self.spared:
                self.seen.append(in_words(sql))
                if self._is_to_fail(sql, ids - self.spared):
                    self.struck += 1
                    sql = errors.raised_by(context["connection"], self._kind())
                    params, many = None, False
        return execute(sql, params, many, context)

    def _is_alike(self, sql: str) -> bool:
        assert self.case is not None
        if self.case.mode == WHOLLY:
            return target(sql) == target(self._shape)
        return shape(sql) == self._shape

    def _kind(self) -> str:
        assert self.case is not None
        return self.case.kind

    def _is_to_fail(self, sql: str, ids: set[str]) -> bool:
        if self.case is None:
            return False
        number = len(self.seen) - 1
        if number == self.case.number:
            self._shape, self._ids = shape(sql), frozenset(ids)
            return True
        if self.case.mode == TWICE:
            return number == self.case.number + 1
        if self.case.mode not in LASTING or not (self._shape and self._is_alike(sql)):
            return False
        return bool(ids & self._ids) or not self._ids


def shape(sql: str) -> str:
    """Return a statement without what differs from row to row."""
    return _MARKS.sub("%s", _MARKS.sub("%s", sql))


def target(sql: str) -> tuple[str, str]:
    """Return what a statement does first, and to which table."""
    verb = sql.split(None, 1)[0].replace("WITH", "UPDATE")  # which moves a job, and then inserts
    return verb, _TABLE.findall(sql)[0]


def in_words(sql: str) -> str:
    """Return the verb and the table of a statement, and its first column."""
    tables = dict.fromkeys(_TABLE.findall(sql))
    return f"{sql.split(None, 1)[0]} {' '.join(tables)}"


def ids_in(params: Any) -> set[str]:
    """Return the ids among the parameters of a statement, also those inside of texts."""
    return {each.replace("-", "") for each in _ID.findall(str(params).lower())}
