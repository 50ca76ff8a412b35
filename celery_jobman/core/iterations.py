"""Iterations: loops that save a cursor, and go on from it after a crash or a deploy."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable, Iterator
from operator import index as whole
from typing import TYPE_CHECKING, Any, Literal

from django.utils import timezone

from celery_jobman.core import moments, sources
from celery_jobman.core.encoding import clean, encode, is_storable, shown
from celery_jobman.core.faults import named
from celery_jobman.core.loops import Loop, Walk
from celery_jobman.core.progress import LARGEST, Progress
from celery_jobman.exceptions import ControlFlow, UnencodableValue
from celery_jobman.models import StepState

if TYPE_CHECKING:
    from celery_jobman.core.loops import Runner
    from celery_jobman.models import Step

#: Seconds between two saves of a cursor, unless ``every`` asks for more.
SAVE_EVERY = 1.0
#: Longest copy of a skipped item, in characters.
ITEM_LENGTH = 500


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
        TypeError: ``source`` has no order that another process would see again (a set), or is
            no iterable; ``each`` is a coroutine function; a number is none.

    An item leaves :attr:`skipped` when it was done, and not before: a replay that ends in the
    middle, whatever ended it, goes on with the rest in the next attempt.  In a replay, items of
    a function as source are known again by their ``cursor``, those of others by their index.

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
        _check(on_error, each)
        sources.refuse_unusable(source, path)
        self.path = path
        self.total = _count_of("total", total, 0, sources.length(source))
        self._runner, self._source = runner, source
        self._every, self._cursor_of, self._each = _count_of("every", every, 1), cursor, each
        self._forgiving = on_error == "skip"
        self._report = report
        self._began = timezone.now()
        self._item: tuple[int, Any] | None = None
        #: The item that was skipped last, and how many were done since the last save.
        self._bad: int | None = None
        self._unsaved, self._saved_at = 0, time.monotonic()
        self._recall(row)
        if each is not None:
            self._run(each)

    def _recall(self, row: Step | None) -> None:
        state = row.state if row else None
        self.finished = state == StepState.SUCCEEDED
        self.done: int = (row.done or 0) if row else 0
        self.cursor: Any = row.cursor_value if row else None
        self._skipped = {entry["index"]: entry for entry in row.skipped} if row else {}
        #: Items of a replay: how many are done, and how many there are; None: it is none.
        self._replay = [0, len(self._skipped)] if state == StepState.REPLAYING else None
        if self.finished:
            self._runner.reused.append(self.path)

    @property
    def skipped(self) -> list[dict[str, Any]]:
        """The items that were passed over: ``{"index": …, "item": …, "error": …}``."""
        return list(self._skipped.values())

    def __iter__(self) -> Iterator[Any]:
        """Yield the items that are not done yet, saving the cursor on the way."""
        return Loop(Walk(self._runner, self))

    def skip(self, error: BaseException | str) -> None:
        """Record the current item as skipped, with what was wrong with it."""
        if self._item is None:
            msg = f"iteration {self.path!r} has no current item to skip"
            raise ValueError(msg)
        index, item = self._item
        reason = error if isinstance(error, str) else named(error)
        entry = {
            "index": index,
            "item": shown(item, ITEM_LENGTH),
            "error": clean(reason, ITEM_LENGTH),
        }
        mark = self._mark(item)
        self._skipped[index] = {**entry, "cursor": mark} if mark else entry
        self._bad = index

    def close(self, error: BaseException | None = None) -> None:
        """Save the cursor of a loop that the body left, and the error that left it."""
        if not isinstance(error, Exception) or self.finished:
            self.save_quietly()
            return
        message = clean(named(error), ITEM_LENGTH)
        try:
            self._save(StepState.FAILED, error_message=message)
        except UnencodableValue:  # its cursor
            if self._replay is None:
                self._runner.note_failure(self.path, error, self._began)
        except (Exception, ControlFlow):  # noqa: BLE001 - the body's own error matters more
            return

    def _run(self, each: Callable[[Any], Any]) -> None:
        for item in self:
            try:
                each(item)
            except self._runner.passing:
                raise
            except Exception as error:
                if not self._forgiving:
                    self.close(error)
                    raise
                self.skip(error)

    def walk(self) -> Iterator[Any]:
        """Yield the items that are not done; each is done when the next one is asked for."""
        try:
            for index, item in self._again() if self._replay else self._onwards():
                self._item = index, item
                moments.reached("iteration:item")
                yield item
                self._count(index, item)
            self._item = None
            self._finish()
        except GeneratorExit:
            raise  # whoever left it saves, if this is the time for it
        except BaseException as error:
            self.close(error)
            raise

    def _onwards(self) -> Iterator[tuple[int, Any]]:
        items = sources.read(self._source, self.path, self.cursor, self.done)
        return enumerate(items, start=self.done)

    def _again(self) -> Iterator[tuple[int, Any]]:
        left = dict(self._skipped)
        marks = {entry["cursor"]: index for index, entry in left.items() if "cursor" in entry}
        for number, item in enumerate(sources.read(self._source, self.path, None, 0)):
            index = marks.get(self._mark(item), -1) if marks else number
            if left.pop(index, None) is not None:
                yield index, item
            if not left:
                return

    def _mark(self, item: Any) -> str:
        """Return by what a function's item is known again, if that can be stored."""
        if self._cursor_of is None or not callable(self._source):
            return ""
        try:
            text = encode(self._cursor_of(item), "cursor")
        except TypeError:
            return ""
        return text if is_storable(text) else ""

    def _count(self, index: int, item: Any) -> None:
        self._unsaved += 1
        if self._replay:
            self._replay[0] += 1
        else:
            self.cursor = self._cursor_of(item) if self._cursor_of else index + 1
            self.done = index + 1
        if self._bad != index:
            self._skipped.pop(index, None)
        done, total = self._replay or (self.done, self.total)
        self._report(Progress(done, total, step=self.path))
        if self._is_time():
            self._save(StepState.RUNNING)
            moments.reached("iteration:checkpointed")
        self._runner.checkpoint()

    def _is_time(self) -> bool:
        if self._every is not None and self._unsaved >= self._every:
            return True
        return time.monotonic() - self._saved_at >= SAVE_EVERY

    def _finish(self) -> None:
        self._save(StepState.SUCCEEDED, finished_at=timezone.now(), error_message="")
        self.finished = True
        moments.reached("step:checkpointed")

    def _save(self, state: StepState, **columns: Any) -> None:
        is_replay = self._replay is not None and state != StepState.SUCCEEDED
        self._runner.save(
            self.path,
            state=StepState.REPLAYING if is_replay else state,
            started_at=self._began,
            cursor=encode(self.cursor, f"the cursor of {self.path!r}"),
            done=self.done,
            total=self.total,
            skipped=self.skipped,
            **columns,
        )
        self._unsaved, self._saved_at = 0, time.monotonic()

    def save_quietly(self) -> None:
        """Save what was done since the last save, unless that fails."""
        if self.finished or not self._unsaved:
            return
        try:
            self._save(StepState.RUNNING)
        except (Exception, ControlFlow):  # noqa: BLE001 - the reason of the end matters more
            return


def _check(on_error: str, each: Callable[[Any], Any] | None) -> None:
    if on_error not in {"raise", "skip"}:
        msg = f'on_error must be "raise" or "skip", not {on_error!r}'
        raise ValueError(msg)
    if on_error == "skip" and each is None:
        msg = (
            'on_error="skip" needs each=function; in a for loop, catch the error and call'
            " .skip(error) on what iterate() returned"
        )
        raise ValueError(msg)
    if inspect.iscoroutinefunction(each):
        msg = "each is a coroutine function, which would never run; wrap it in async_to_sync(…)"
        raise TypeError(msg)


def _count_of(name: str, value: Any, least: int, default: int | None = None) -> int | None:
    if value is None:
        return default
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        msg = f"{name} must be a whole number, not {value!r}"
        raise TypeError(msg)
    if value < least:
        msg = f"{name} must be at least {least}, not {value!r}"
        raise ValueError(msg)
    return min(whole(value), LARGEST)
