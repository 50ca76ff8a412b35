"""Iterations: loops that save a cursor, and go on from it after a crash or a deploy."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, Protocol

from django.db.models import QuerySet
from django.utils import timezone

from celery_jobman.core import moments
from celery_jobman.core.encoding import clean, encode
from celery_jobman.core.faults import message_of
from celery_jobman.core.progress import Progress
from celery_jobman.exceptions import ControlFlow
from celery_jobman.models import StepState

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from celery_jobman.models import Step

#: Seconds between two saves of a cursor, unless ``every`` asks for more.
SAVE_EVERY = 1.0
#: Rows read at a time from a queryset.
CHUNK = 2000
#: What JSON text may hold and a database's JSON column may not: NUL, halves of characters, NaN.
UNSTORABLE = ("\\u0000", "\\ud", "NaN", "Infinity")
#: Longest copy of a skipped item, in characters.
ITEM_LENGTH = 500


class Runner(Protocol):
    """What an iteration needs of the attempt whose step it is."""

    reused: list[str]

    @property
    def checkpoint(self) -> Callable[[], None]:
        """Raise when the body must stop."""

    def begin(self, path: str) -> None:
        """Note that ``path`` runs in this attempt."""

    def within(self, path: str) -> AbstractContextManager[None]:
        """Make ``path`` the current step."""

    def save(self, path: str, **columns: Any) -> None:
        """Write the step's row, or raise ClaimLost."""


class Iteration(Iterable[Any]):
    """A resumable loop.

    An item counts as done when the loop asks for the next one.  The cursor is saved at most
    once a second (or after ``every`` items), and at the end, at an error and at an interrupt.
    A worker that is killed repeats what it did since the last save: *at least once*.

    Args:
        runner: The steps of the attempt.
        path: The iteration's step.
        row: What earlier attempts saved, if anything.
        source: A sequence or queryset, which is sliced at the cursor; any other iterable,
            whose first items are passed over; or a function, which is given the cursor (None
            at the start) and returns the items from there.
        total: Number of items, for progress.  Known by itself for sequences.
        every: Save the cursor after so many items even within a second.
        cursor: For a function as source: returns the cursor behind an item, JSON-encodable.
            Without it the cursor is the number of items done.
        each: Called with every item.  The loop then runs at once.
        on_error: ``"raise"``, or with ``each`` also ``"skip"``: an item whose call raises is
            recorded with its error, and the loop goes on.
        report: Receives the progress.

    Raises:
        ValueError: The options do not go together; the message says which.

    Semantics: cursors as in Shopify's job-iteration.  ``on_error="skip"`` needs ``each``,
    because Python gives a ``for`` loop's exception to nobody but the loop's surroundings; in
    a ``for`` loop catch the error and call :meth:`skip`.
    """

    def __init__(  # noqa: PLR0913 - the options are the public surface
        self,
        runner: Runner,
        path: str,
        row: Step | None,
        source: Any,
        *,
        total: int | None = None,
        every: int | None = None,
        cursor: Callable[[Any], Any] | None = None,
        each: Callable[[Any], Any] | None = None,
        on_error: Literal["raise", "skip"] = "raise",
        report: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        _check(on_error, each, every)
        self.path = path
        self.total = total if total is not None else _length(source)
        self._runner, self._source = runner, source
        self._every, self._cursor_of, self._each = every, cursor, each
        self._forgiving = on_error == "skip"
        self._report = report
        self._began = timezone.now()
        self._item: tuple[int, Any] | None = None
        self._dirty = False
        self._recall(row)
        if each is not None:
            self._run(each)

    def _recall(self, row: Step | None) -> None:
        state = row.state if row else None
        self.finished = state == StepState.SUCCEEDED
        self._replay = _replayed(row) if row and state == StepState.REPLAYING else None
        self.done: int = (row.done or 0) if row else 0
        self.skipped: list[dict[str, Any]] = list(row.skipped) if row else []
        self.cursor: Any = row.cursor_value if row else None
        self._saved_done, self._saved_at = self.done, time.monotonic()
        if self.finished:
            self._runner.reused.append(self.path)

    def __iter__(self) -> Iterator[Any]:
        """Yield the items that are not done yet, saving the cursor on the way."""
        if self.finished:
            return
        self._runner.begin(self.path)
        with self._runner.within(self.path):
            try:
                yield from self._walk()
            finally:
                self._save_quietly()

    def skip(self, error: BaseException | str) -> None:
        """Record the current item as skipped, with what was wrong with it."""
        if self._item is None:
            msg = f"iteration {self.path!r} has no current item to skip"
            raise ValueError(msg)
        index, item = self._item
        reason = error if isinstance(error, str) else f"{type(error).__name__}: {message_of(error)}"
        entry = {"index": index, "item": _shown(item), "error": clean(reason, ITEM_LENGTH)}
        self.skipped.append(entry)

    def close(self, error: BaseException | None = None) -> None:
        """Save the cursor of a loop that the body left, and the error that left it."""
        if isinstance(error, Exception) and not self.finished:
            self._dirty = True
            message = clean(f"{type(error).__name__}: {message_of(error)}", ITEM_LENGTH)
            self._save_quietly(StepState.FAILED, error_message=message)
        else:
            self._save_quietly()

    def _run(self, each: Callable[[Any], Any]) -> None:
        for item in self:
            try:
                each(item)
            except Exception as error:
                if not self._forgiving:
                    raise
                self.skip(error)

    def _walk(self) -> Iterator[Any]:
        for index, item in self._items():
            self._item = index, item
            moments.reached("iteration:item")
            yield item
            self._count(index, item)
        self._item = None
        self._finish()

    def _items(self) -> Iterator[tuple[int, Any]]:
        if self._replay is not None:
            wanted, self.skipped, self._began = self._replay, [], timezone.now()
            everything = enumerate(self._from(None, 0))
            return ((index, item) for index, item in everything if index in wanted)
        return enumerate(self._from(self.cursor, self.done), start=self.done)

    def _from(self, cursor: Any, done: int) -> Iterator[Any]:
        source = self._source
        if callable(source):
            return iter(source(cursor))
        if isinstance(source, QuerySet):
            ordered = source if source.ordered else source.order_by("pk")
            return ordered[done:].iterator(chunk_size=CHUNK)
        if isinstance(source, Sequence):
            return (source[index] for index in range(done, len(source)))
        return islice(source, done, None)

    def _count(self, index: int, item: Any) -> None:
        self._dirty = True
        if self._replay is None:
            self.done = index + 1
            self.cursor = self._cursor_of(item) if self._cursor_of else self.done
        self._report(Progress(self.done, self.total, step=self.path))
        if self._is_time():
            self._save(StepState.RUNNING)
            moments.reached("iteration:checkpointed")
        self._runner.checkpoint()

    def _is_time(self) -> bool:
        if self._every is not None and self.done - self._saved_done >= self._every:
            return True
        return time.monotonic() - self._saved_at >= SAVE_EVERY

    def _finish(self) -> None:
        self.finished = True
        self._save(StepState.SUCCEEDED, finished_at=timezone.now(), error_message="")
        moments.reached("step:checkpointed")

    def _save(self, state: StepState, **columns: Any) -> None:
        if self._replay is not None and state == StepState.RUNNING:
            return  # an unfinished replay begins anew: its items are few
        self._runner.save(
            self.path,
            state=state,
            started_at=self._began,
            cursor=encode(self.cursor, f"the cursor of {self.path!r}"),
            done=self.done,
            total=self.total,
            skipped=self.skipped,
            **columns,
        )
        self._saved_done, self._saved_at, self._dirty = self.done, time.monotonic(), False

    def _save_quietly(self, state: StepState = StepState.RUNNING, **columns: Any) -> None:
        if self.finished or not self._dirty:
            return
        try:
            self._save(state, **columns)
        except (Exception, ControlFlow):  # noqa: BLE001 - the reason of the end matters more
            return


def _check(on_error: str, each: object, every: int | None) -> None:
    if on_error not in {"raise", "skip"}:
        msg = f'on_error must be "raise" or "skip", not {on_error!r}'
        raise ValueError(msg)
    if on_error == "skip" and each is None:
        msg = (
            'on_error="skip" needs each=function; in a for loop, catch the error and call'
            " .skip(error) on what iterate() returned"
        )
        raise ValueError(msg)
    if every is not None and every < 1:
        msg = f"every must be at least 1, not {every!r}"
        raise ValueError(msg)


def _length(source: Any) -> int | None:
    return len(source) if isinstance(source, Sequence) else None


def _replayed(row: Step) -> set[int]:
    return {entry["index"] for entry in row.skipped}


def _shown(item: Any) -> Any:
    try:
        text = encode(item, "item")
    except TypeError:
        return clean(repr(item), ITEM_LENGTH)
    if len(text) > ITEM_LENGTH or any(mark in text for mark in UNSTORABLE):
        return clean(repr(item), ITEM_LENGTH)
    return json.loads(text)
