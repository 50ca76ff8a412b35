"""Placing: the links of Celery's own canvas get their rows when what they follow is published.

A chain, a callback or a chord further on in a chain travels in the message of the job before
it.  Each of its signatures that will make a job is given a row here, blocked, and carries that
row's id from now on (see :mod:`celery_jobman.core.behind`); the call that Celery makes of it
later becomes that row.

A row must end even if Celery never publishes its link.  So there is none for a link of which
nobody here would learn that: what comes after a plain task, or after a group or chord with a
plain task in it, gets its row when it is published, and so do error callbacks.  For the body of
a chord that no chain leads to see :mod:`celery_jobman.runtime.bodies`.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

import celery
from celery.utils.functional import maybe_list

from celery_jobman.core import behind
from celery_jobman.runtime import bodies, limits, messages
from celery_jobman.runtime.task import MAPS, JobTask, is_recorded
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from celery import Celery

    from celery_jobman.models import Job

logger = logging.getLogger("celery_jobman")

#: A signature with its rows' ids, the first of these rows, and the last.
Placed: TypeAlias = "tuple[dict[str, Any], list[Job], list[Job]]"

#: Older ones publish a map without the options of its signature: its row would not be found.
MAPS_KEEP_OPTIONS = celery.VERSION[:2] >= (5, 7)

#: Options of a call that carry what follows it.
FOLLOWERS = ("chain", "link")


class NoJob(Exception):
    """A signature makes no job, or not only jobs."""


def taken_from(options: dict[str, Any]) -> dict[str, list[Any]]:
    """Take what follows a call out of its options; empty if nothing does.

    The body of a chord that the call is a part of stays: all parts carry the very same one.
    """
    taken = {name: list(maybe_list(options.pop(name, None)) or ()) for name in FOLLOWERS}
    if options.get("chord"):
        taken["chord"] = [options["chord"]]
    return {name: found for name, found in taken.items() if found}


def place(
    job: Job, followers: Mapping[str, list[Any]], options: dict[str, Any], app: Celery
) -> list[Job]:
    """Give rows to what follows a job, as far as it can be known to end with it.

    Args:
        job: The unsaved job; it learns which link is next, and what its message carries.
        followers: What :func:`taken_from` took from its options.
        options: Are given it back, each signature with its row's id.
        app: The Celery app.

    Returns:
        The new rows, unsaved.
    """
    placing = _Placing(app, job)
    links = list(reversed(followers.get("chain", ())))  # Celery keeps them in reverse
    callbacks = followers.get("link", [])
    if links and not _is_placed(links[0]):
        links = placing.sequence(links)
    if callbacks:
        callbacks = placing.callbacks(callbacks, job)
    options |= {"chain": links[::-1]} if links else {}
    options |= {"link": callbacks} if callbacks else {}
    placing.body(options.get("chord"), job)
    bodies.recall_carried_by([{"options": options}])
    following = next(behind.rows_after(options), None)
    job.next_id = UUID(following) if following else None
    if links or callbacks or placing.rows:
        job.message = messages.encode_options(options)
    return placing.finish()


def is_handed_on(request: Any, options: Mapping[str, Any]) -> bool:
    """Whether a call, with these options, is followed by what follows the job that makes it."""
    mine = {"chain": request.chain, "link": request.callbacks, "chord": request.chord}
    return not set(behind.rows_after(mine)).isdisjoint(behind.rows_after(options))


def _is_placed(signature: Any) -> bool:
    return next(behind.rows_in(signature, chords=False), None) is not None


class _Placing:
    """Rows for the signatures that follow one job."""

    def __init__(self, app: Celery, job: Job) -> None:
        self._app = app
        self._job = job
        #: How many headers of chords it is in; their members do not lead to the body one by one.
        self._headers = 0
        self._after: defaultdict[UUID, list[str]] = defaultdict(list)
        self.rows: list[Job] = []

    def sequence(self, links: list[Any]) -> list[Any]:
        """Return the links of the job's chain, as many of them with rows as can be."""
        start = self._job.position = self._job.position or 0
        placed, before = [], [self._job]
        for number, link in enumerate(links, 1):
            if _is_placed(link):  # what stands in for a task has links of its own before these
                for each in before:
                    self._after[each.id] += behind.rows_in(link)
                break
            found = self._tried(link, before, start + number)
            if found is None:
                bodies.close_carried_by(links[number - 1 :])
                break
            placed.append(found[0])
            before = found[2]
        return [*placed, *links[len(placed) :]]

    def callbacks(self, signatures: list[Any], before: Job) -> list[Any]:
        """Return callbacks of a row, with their own rows."""
        placed = []
        for each in signatures:
            found = None if _is_placed(each) else self._tried(each, [before], None)
            placed.append(found[0] if found else each)
        return placed

    def body(self, body: Any, before: Job) -> None:
        """Give rows to the body of a chord, in place, unless a part of its header did before."""
        if not body or self._headers:
            return
        if _is_placed(body) or bodies.recall(body):
            self._after[before.id] += behind.rows_in(body)
        elif bodies.is_open(body):
            found = self._tried(body, [before], None)
            if found:
                body.update(found[0])
                bodies.remember(body)
            else:
                bodies.close(body)

    def finish(self) -> list[Job]:
        """Return the rows; one that several follow keeps all of these in mind."""
        for row in self.rows:
            after = self._after[row.id]
            if after:
                row.next_id = UUID(after[0])
            if len(after) > 1:
                row.message = behind.with_next(row.message, after)
        return self.rows

    def _tried(self, given: Any, before: list[Job], position: int | None) -> Placed | None:
        known = len(self.rows)
        try:
            return self._link(given, before, position)
        except Exception as error:  # noqa: BLE001 - Celery publishes it as it is, when its turn comes
            if not isinstance(error, NoJob):
                logger.warning("Link has no row yet job=%s error=%r", self._job.id, error)
            gone = {str(row.id) for row in self.rows[known:]}
            del self.rows[known:]
            for row in before:
                self._after[row.id] = [each for each in self._after[row.id] if each not in gone]
            return None

    def _link(self, given: Any, before: list[Job], position: int | None) -> Placed:
        name, parts = given["task"], given.get("kwargs") or {}
        if name == "celery.chain":
            changed, first, last = self._chain(parts, before, position)
        elif name == "celery.group":
            changed, first, last = self._group(parts, "tasks", before)
        elif name == "celery.chord":
            changed, first, last = self._chord(parts, before, position)
        else:
            return self._single(given, before, position)
        if not first:
            raise NoJob(name)
        return {**given, "kwargs": {**parts, **changed}}, first, last

    def _chain(self, parts: Any, before: list[Job], position: int | None) -> Placed:
        placed: list[Any] = []
        first: list[Job] = []
        for each in parts["tasks"]:
            signature, heads, before = self._link(each, before, position)
            first = first or heads
            placed.append(signature)
        return {"tasks": placed}, first, before

    def _group(self, parts: Any, name: str, before: list[Job]) -> Placed:
        found = [self._link(each, before, at) for at, each in enumerate(parts[name])]
        first = [row for _, heads, _ in found for row in heads]
        last = [row for _, _, tails in found for row in tails]
        return {name: [each for each, _, _ in found]}, first, last

    def _chord(self, parts: Any, before: list[Job], position: int | None) -> Placed:
        header: Any = parts["header"]
        self._headers += 1
        try:
            if isinstance(header, dict):
                header, first, last = self._link(header, before, None)
            else:
                found, first, last = self._group(parts, "header", before)
                header = found["header"]
        finally:
            self._headers -= 1
        body, _, last = self._link(parts["body"], last, position)
        return {"header": header, "body": body}, first, last

    def _single(self, given: Any, before: list[Job], position: int | None) -> Placed:
        options = dict(given.get("options") or {})
        task = self._app.tasks.get(given["task"])
        if given["task"] in MAPS and not MAPS_KEEP_OPTIONS:
            raise NoJob(given["task"])
        if not is_recorded(task, given.get("kwargs")) or not options.get("track", True):
            raise NoJob(given["task"])
        row = _row(task, given, {**options, "root_id": self._job.root_id})
        row.position = position if row.position is None else row.position
        row.parent_id = row.follows_id = before[0].id
        for each in before:
            self._after[each.id].append(str(row.id))
        self.rows.append(row)
        options |= {behind.KEY: str(row.id), "task_id": row.task_id}
        if options.get("link"):
            options["link"] = self.callbacks(list(maybe_list(options["link"])), row)
        self.body(options.get("chord"), row)
        if options.get("link") or options.get("chord"):
            row.message = messages.encode_options(options)
        return {**given, "options": options}, [row], [row]


def _row(task: JobTask, given: Any, options: dict[str, Any]) -> Job:
    """Return the row of a call that has not been made yet."""
    wanted = {**task._get_exec_options(), **options}  # noqa: SLF001 - as apply_async takes them
    wanted.pop("expires", None)  # counted from the publish
    delay = wanted.pop("countdown", None)
    args, kwargs = given.get("args"), given.get("kwargs")
    row = messages.compose(task, args, kwargs, wanted.pop("task_id", None), wanted)
    row.state, row.delay = State.BLOCKED, limits.duration("countdown", delay) if delay else None
    row.takes_result = not given.get("immutable", False)
    return row
