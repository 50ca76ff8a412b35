"""Elements: what a flow was given to be made of, and how often that can be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from inspect import isroutine
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from celery import Task

from celery_jobman.exceptions import MembersRefused, MembersUsedUp

if TYPE_CHECKING:
    from collections.abc import Callable

#: Generators that were read.  Other iterators cannot be told from new ones that are empty.
_read: WeakSet[Any] = WeakSet()


def readable(given: Any) -> Iterable[Any]:
    """Return members as an iterable that is read anew each time, or else says so.

    Args:
        given: An iterable, or a function that returns one.

    Raises:
        MembersRefused: It is no such thing, or has no order.
    """
    if isinstance(given, str | bytes | Mapping | AbstractSet | Task):
        raise MembersRefused(given)
    if isinstance(given, Iterator):
        return _Once(given)
    if isinstance(given, Iterable):
        return given
    if isroutine(given) or isinstance(given, partial):
        return _Made(given)
    raise MembersRefused(given)


class _Once:
    """Members that can be read once."""

    def __init__(self, source: Iterator[Any]) -> None:
        self._source = source
        self._is_read = False

    def __iter__(self) -> Iterator[Any]:
        """Return the source itself.

        Raises:
            MembersUsedUp: It was read before, to its end or not.
        """
        if self._is_read or _is_read(self._source):
            raise MembersUsedUp(self._source)
        self._is_read = True
        return self._source


def _is_read(source: Iterator[Any]) -> bool:
    try:
        known = source in _read
        _read.add(source)
    except TypeError:  # no weak reference to it can be made
        return False
    return known


class _Made:
    """Members that a function makes, each time that they are read."""

    def __init__(self, make: Callable[[], Iterable[Any]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[Any]:
        """Return what the function makes.

        Raises:
            MembersRefused: That is nothing that can be read in an order.
        """
        return iter(readable(self._make()))
