"""Fallbacks: what is written where the database does not take all of it.

The end of a job carries much along: its result, log lines, the job that follows, callbacks, the
counts of batches.  One value that the database refuses must not keep the job from ending, nor
the others from being told.  So whatever ends something is written twice at most: first as a
whole, in as few statements as can be; where that is refused, once more **carefully**, each part
behind a savepoint of its own, with something less in the place of what is refused.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

from celery_jobman.exceptions import JobmanError, ResultTooLarge
from celery_jobman.models.database import atomic
from celery_jobman.models.database_errors import is_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

logger = logging.getLogger("celery_jobman")

_careful: ContextVar[bool] = ContextVar("jobman_careful", default=False)


class NotWritten(Exception):
    """What follows a job could not be written, and its end shall be written without."""


def is_careful() -> bool:
    """Whether what is written here is written for the second time, part by part."""
    return _careful.get()


@contextmanager
def carefully() -> Iterator[None]:
    """Write the parts of this block one by one; see :func:`part`."""
    token = _careful.set(True)
    try:
        yield
    finally:
        _careful.reset(token)


def somehow(write: Callable[[], T]) -> T:
    """Call ``write``; where the database refuses something in it, call it again, carefully.

    Args:
        write: Does everything in one transaction, which is its own.

    Raises:
        JobmanError, NotWritten: As ``write`` raises them.
        django.db.Error: The database is away, a transaction was in the way, or it refuses even
            the least there is to write.  Nothing was written.
    """
    try:
        return write()
    except Exception as error:
        if is_careful() or not may_be_less(error):
            raise
        logger.exception("A write was refused, and is done again part by part")
    with carefully():
        return write()


def may_be_less(error: Exception) -> bool:
    """Whether less would be accepted: the error is neither an answer of ours nor an outage."""
    if isinstance(error, ResultTooLarge):
        return True
    return not isinstance(error, JobmanError | NotWritten) and is_refusal(error)


def part(write: Callable[[], T], instead: Callable[[Exception], T]) -> T:
    """Call ``write``; in a careful block, where it is refused, take it back and call ``instead``.

    Args:
        write: Writes a part of something larger.
        instead: Given the error, writes less; what it raises is raised.
    """
    if not is_careful():
        return write()
    try:
        with atomic():
            return write()
    except Exception as error:
        if not may_be_less(error):
            raise
        logger.warning("A part was refused error=%r", error)
        return instead(error)
