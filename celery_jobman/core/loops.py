"""Loops: how an iteration is walked through, and how it is known that a loop was left."""

from __future__ import annotations

from collections.abc import Iterator
from threading import get_ident
from typing import TYPE_CHECKING, Any, Protocol

from celery_jobman.core.paths import Scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


class Runner(Protocol):
    """What an iteration needs of the attempt whose step it is."""

    reused: list[str]
    stopped_in: str
    #: Exceptions that are no item's fault.
    passing: tuple[type[BaseException], ...]

    @property
    def checkpoint(self) -> Callable[[], None]:
        """Raise when the body must stop."""

    def begin(self, path: str) -> None:
        """Note that ``path`` runs in this attempt."""

    def go_on(self, scope: Scope) -> None:
        """Be in the loop of ``scope`` from here on."""

    def leave(self, scope: Scope) -> None:
        """Be in the loop of ``scope`` no longer."""

    def save(self, path: str, **columns: Any) -> None:
        """Write the step's row, or raise ClaimLost."""

    def note_failure(self, path: str, error: Exception, began: datetime) -> None:
        """Say in the step's row that it raised ``error``."""


class Resumable(Protocol):
    """What a walk needs of its iteration."""

    path: str
    finished: bool

    def walk(self) -> Iterator[Any]:
        """Yield the items that are not done."""

    def save_quietly(self) -> None:
        """Save what was done since the last save, unless that fails."""


class Walk:
    """One way through the items of an iteration, however many iterators go it."""

    def __init__(self, runner: Runner, iteration: Resumable) -> None:
        self._runner, self._iteration = runner, iteration
        self._scope = Scope(runner, iteration.path)
        self._items: Iterator[Any] | None = None
        #: How often it was gone on with; 0: nobody is on the way.
        self.turn = 0
        self._turns = 0

    def go_on(self) -> Any:
        """Return the next item.

        Raises:
            StopIteration: There is none.
            BaseException: Whatever the source, or a checkpoint, raises.
        """
        if self._items is None:
            if self._iteration.finished:
                raise StopIteration
            self._runner.begin(self._iteration.path)
            self._items = self._iteration.walk()
        self._runner.go_on(self._scope)
        self.turn = self._turns = self._turns + 1
        try:
            return next(self._items)
        except StopIteration:
            self._leave()
            raise
        except BaseException:
            self._leave()
            self._runner.stopped_in = self._runner.stopped_in or self._iteration.path
            raise

    def break_off(self) -> None:
        """The loop was left at an item."""
        is_here = self._scope.thread == get_ident()
        self._leave()
        self._runner.stopped_in = self._runner.stopped_in or self._iteration.path
        if is_here:  # otherwise this is Python's tidying up, in the middle of anything
            self._iteration.save_quietly()

    def _leave(self) -> None:
        self.turn = 0
        self._runner.leave(self._scope)


class Loop(Iterator[Any]):
    """What one loop takes its items from; when nobody holds it any more, the loop was left.

    A ``for`` asks an iterator for its iterator too, and holds the answer alone.  So a loop over
    an iterator that is kept elsewhere is known to be left as well.
    """

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._turn = -1

    def __iter__(self) -> Iterator[Any]:  # noqa: PYI034 - another one, see above
        return Loop(self._walk)

    def __next__(self) -> Any:
        try:
            return self._walk.go_on()
        finally:
            self._turn = self._walk.turn or -1

    def __del__(self) -> None:
        if self._turn == self._walk.turn:
            self._walk.break_off()
