"""Paths: in which step a call is, by its own context and not by what others do meanwhile.

A call of a step puts its scope on top of its context, and takes it away when it ends.  A loop
runs in its consumer's context, so its scope lies there from one item to the next, and is marked
when the loop is over, wherever that is noticed.  Code that was given a copy of the context, in
another thread, stays in the step in which the copy was made.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from threading import get_ident
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Scope:
    """Something that steps can be inside of: a step, or a loop at one of its items.

    Args:
        owner: Whose steps they are; a job that runs inside another has its own.
        path: The path of the step.
    """

    __slots__ = ("is_over", "owner", "path", "thread")

    def __init__(self, owner: object, path: str) -> None:
        self.owner = owner
        self.path = path
        self.thread = get_ident()
        self.is_over = False

    def holds(self) -> bool:
        """Whether calls of this thread are still inside."""
        return not self.is_over or self.thread != get_ident()


_scopes: ContextVar[tuple[Scope, ...]] = ContextVar("jobman_scopes", default=())


def around(owner: object) -> str:
    """Return the path of the innermost step of ``owner`` that this call is in, or nothing."""
    for scope in reversed(_scopes.get()):
        if scope.owner is owner and scope.holds():
            return scope.path
    return ""


@contextmanager
def inside(scope: Scope) -> Iterator[None]:
    """Be in ``scope``; what was entered in the block and not left is left with it."""
    before = _scopes.get()
    _scopes.set((*before, scope))
    try:
        yield
    finally:
        _scopes.set(before)


def enter(scope: Scope) -> None:
    """Be in ``scope`` from here on, as the innermost one."""
    scope.is_over, scope.thread = False, get_ident()
    others = (other for other in _scopes.get() if other is not scope and other.holds())
    _scopes.set((*others, scope))


def leave(scope: Scope) -> None:
    """Be in ``scope`` no longer, in whichever context this is called."""
    scope.is_over = True
    here = _scopes.get()
    if scope in here:
        _scopes.set(tuple(other for other in here if other is not scope))
