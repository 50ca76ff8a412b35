"""Sources: what a loop takes its items from, and how it goes on in the middle of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Reversible, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any

from django.db.models import Manager, QuerySet

#: Rows read at a time from a queryset.
CHUNK = 2000


def refuse_unusable(source: Any, path: str) -> None:
    """Refuse what cannot be looped over again in the same order.

    Raises:
        TypeError: It cannot; the message names the loop and the fix.
    """
    why = _why_not(source)
    if why:
        msg = f"{path!r} cannot loop over this {type(source).__name__}: {why}"
        raise TypeError(msg)


def read(source: Any, path: str, cursor: Any, done: int) -> Iterator[Any]:
    """Return the items of a source behind the first ``done`` ones.

    Args:
        source: See :class:`~celery_jobman.core.iterations.Iteration`.
        path: The loop, for the message of an error.
        cursor: What a function is given.
        done: How many items of anything else are passed over.

    Raises:
        TypeError: A function has returned what has no order.
    """
    if callable(source):
        items = source(cursor)
        refuse_unusable(items, path)
        return iter(items)
    if isinstance(source, QuerySet):
        ordered = source if source.ordered else source.order_by("pk")
        return iter(ordered[done:].iterator(chunk_size=CHUNK))
    if isinstance(source, Sequence):
        return (source[index] for index in range(done, len(source)))
    return islice(source, done, None)


def length(source: Any) -> int | None:
    """Return how many items a sequence has; None of anything else."""
    return len(source) if isinstance(source, Sequence) else None


def _why_not(source: Any) -> str:
    if isinstance(source, Manager):
        return "give it .all()"
    if callable(source):
        return ""
    if isinstance(source, QuerySet):
        return _why_not_rows(source)
    if isinstance(source, AbstractSet) and not isinstance(source, Reversible):
        return "another process has it in another order; give it sorted(…) of it"
    if not isinstance(source, Iterable) and not hasattr(source, "__getitem__"):
        return "it is no iterable, and no function that returns one"
    return ""


def _why_not_rows(rows: QuerySet[Any]) -> str:
    query = rows.query
    if "?" in query.order_by:
        return 'its order is random; order it by a column, for example .order_by("pk")'
    is_grouped = isinstance(query.group_by, tuple) or (query.distinct and query.values_select)
    if not rows.ordered and (query.is_sliced or is_grouped):
        return 'it has no order; give it one before it is sliced, for example .order_by("pk")[:10]'
    return ""
