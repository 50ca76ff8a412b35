"""Bodies: the body of a chord whose header Celery publishes, one member after the other.

Each member of the header carries the same body, so that whichever ends last can publish it, and
no call shows the chord as a whole.  The first member that is a job gives the body its rows (see
:mod:`celery_jobman.runtime.placing`); those after it find them there.  A member that is no job
may fail without anybody here learning that the body will not come.  Such a member **closes** the
body: its rows are taken back, and it gets one when Celery publishes it.

A member that is a chord itself carries a copy of the body.  So the rows of a body are remembered
by the task id that Celery has given it.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from celery import current_task

from celery_jobman.core import behind
from celery_jobman.runtime import connection, messages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

logger = logging.getLogger("celery_jobman")

#: The task that waits for a header where the result backend does not count.  The body is among
#: its arguments, and leaves before the header does.
UNLOCK = "celery.chord_unlock"
#: Bodies that are remembered: one header is published at a time, with what is nested in it.
KEPT: Final = 1000

#: The rows of bodies, by the task ids of their calls, by name; none of a body that is closed.
_known: OrderedDict[str | None, dict[str, str]] = OrderedDict()


def is_open(body: Any) -> bool:
    """Whether a body may be given rows: everybody who carries it is still to be published."""
    name = _name(body)
    return name not in _known and name not in _handed_on()


def remember(body: Any) -> None:
    """Keep in mind which rows a body has, for its copies."""
    _keep(
        body,
        {
            task_id: options[behind.KEY]
            for task_id, options in _calls(body)
            if behind.KEY in options
        },
    )


def recall(body: Any) -> bool:
    """Let a body name the rows that a copy of it was given; return whether one was."""
    rows = _known.get(_name(body), {})
    for task_id, options in _calls(body):
        if task_id in rows:
            options.setdefault(behind.KEY, rows[task_id])
    return bool(rows)


def recall_carried_by(signatures: Any) -> None:
    """Do so of all bodies that signatures carry."""
    for body in list(_carried_by(signatures)):
        recall(body)


def close(body: Any) -> None:
    """Take back the rows of a body, and of the bodies that it carries itself."""
    ids: list[str] = []
    for each in (body, *_carried_by(body)):
        ids += [*behind.rows_in(each), *_known.get(_name(each), {}).values()]
        _strip(each)
        _keep(each, {})
    if ids:
        with connection.enqueueing():
            behind.forget(list(dict.fromkeys(ids)))


def close_carried_by(signatures: Any) -> None:
    """Close the bodies that signatures carry which nobody here will see end."""
    for body in list(_carried_by(signatures)):
        close(body)


def note_published(sender: str, body: Any, headers: Mapping[str, Any], **_: Any) -> None:
    """Look for bodies in what Celery publishes without us (``before_task_publish``)."""
    if messages.HEADER in headers or not isinstance(body, tuple):
        return
    args, _kwargs, embedded = body
    try:
        if sender == UNLOCK:
            close(args[1])
        elif embedded.get("chord") or embedded.get("chain"):
            close_carried_by([{"options": embedded}, embedded.get("chain")])
    except Exception:
        logger.exception("Rows of a chord's body could not be taken back task=%s", sender)


def _carried_by(given: Any) -> Iterator[Any]:
    """Yield the bodies of the chords that a signature is a part of, and those that they are."""
    if isinstance(given, list | tuple):
        for each in given:
            yield from _carried_by(each)
    elif isinstance(given, dict):
        yield from _carried_by(behind.parts_of(given))
        body = (given.get("options") or {}).get("chord")
        if body:
            yield body
            yield from _carried_by(body)


def _keep(body: Any, rows: dict[str, str]) -> None:
    name = _name(body)
    if name is None:
        return
    _known[name] = rows
    _known.move_to_end(name)
    while len(_known) > KEPT:
        _known.popitem(last=False)


def _calls(signature: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the task ids and the options of the calls that a signature consists of."""
    if isinstance(signature, list | tuple):
        for each in signature:
            yield from _calls(each)
    elif isinstance(signature, dict):
        options = signature.get("options") or {}
        if not behind.parts_of(signature) and "task_id" in options:
            yield options["task_id"], options
        yield from _calls([*behind.parts_of(signature), options.get("link")])


def _strip(signature: Any) -> None:
    """Let a signature name no rows any more."""
    if isinstance(signature, list | tuple):
        for each in signature:
            _strip(each)
    elif isinstance(signature, dict):
        options = signature.get("options") or {}
        options.pop(behind.KEY, None)
        _strip([*behind.parts_of(signature), options.get("link")])


def _name(body: Any) -> str | None:
    """Return the task id by which a body is known; Celery has given it one before the header."""
    parts = behind.parts_of(body)
    if not parts or "task_id" in body["options"]:
        return (body.get("options") or {}).get("task_id")
    last = parts[-1]
    return _name(last[-1] if isinstance(last, list | tuple) else last)


def _handed_on() -> set[str | None]:
    """Return the names of the bodies that the task carries which runs here.

    It hands them to what stands in for it, or joins it in the header; the others in the header
    have left long ago.
    """
    request = getattr(current_task, "request", None)
    if request is None or request.called_directly:
        return set()
    carried = [{"options": {"chord": request.chord}}, request.chain]
    return {_name(body) for body in _carried_by(carried)} - {None}
