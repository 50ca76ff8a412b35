"""Reading rows: one that Python cannot read never takes the others down.

A column may hold what no Python value is: PostgreSQL has a year 10000, SQLite takes any text
for JSON or a moment.  Nothing of ours writes such values; statements by hand do, and versions
before this one did.
"""

from __future__ import annotations

import logging
from typing import Any, Self, TypeVar

from django.db import DataError, models
from django.db.models.query import ModelIterable

M = TypeVar("M", bound=models.Model)

logger = logging.getLogger("celery_jobman")

#: What is raised where a value is read that Python has no words for.
UNREADABLE = (DataError, ValueError, TypeError, AttributeError, ArithmeticError)


class JobmanQuerySet(models.QuerySet[M]):
    """A queryset that leaves out rows that cannot be read, where it is asked for several.

    Semantics: of one row the error is raised, as Django does.  What is left out is logged.
    """

    #: How many rows were left out when it was read.
    left_out = 0

    def _fetch_all(self) -> None:
        try:
            super()._fetch_all()
        except UNREADABLE as error:
            is_of_rows = issubclass(self._iterable_class, ModelIterable)
            if self._result_cache is not None or not is_of_rows or _is_of_the_server(error):
                raise
            self._result_cache = self._readable(error)
            super()._fetch_all()

    def _readable(self, error: Exception) -> list[M]:
        """Return the rows one by one, without those that cannot be read."""
        keys: list[Any] = list(self.values_list("pk", flat=True))
        if len(keys) == 1:
            raise error
        unlimited: Self = self._clone()  # type: ignore[attr-defined]
        unlimited.query.clear_limits()
        rows: list[M] = []
        for key in keys:
            try:
                rows += unlimited.filter(pk=key)
            except UNREADABLE as why:
                table = self.model.__name__
                logger.error("Row cannot be read table=%s id=%s error=%r", table, key, why)  # noqa: TRY400 - the trace is of no use
        self.left_out = len(keys) - len(rows)
        return rows


def _is_of_the_server(error: Exception) -> bool:
    """Whether the server refused the statement, so that no other can be made in its transaction."""
    return bool(getattr(error.__cause__, "sqlstate", None))
