"""Renewal: new ids of Celery's for links that run again.

A message names the Celery ids of all that follows it.  Result backends keep the first success
of an id for ever, and take each member of a chord into account once.  So whatever has succeeded
gets a new id when it runs again, and every group that had begun gets new ones throughout, its
own included: to Celery it is another group.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from celery_jobman.core import behind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

#: Signatures made of signatures, and those of them whose members run side by side.
COMPOSED = frozenset({"celery.chain", "celery.group", "celery.chord"})
GROUPS = frozenset({"celery.group", "celery.chord"})


def renewed(message: str, ran: Collection[str], ids: dict[str, str]) -> str:
    """Return a job's message with new ids for what follows it.

    Args:
        message: The job's message.
        ran: Ids of the rows behind it that have run.
        ids: New Celery ids by their old ones; those that are found to be needed are added.
    """
    options = json.loads(message)
    following = [*(options.get("chain") or ()), *_listed(options.get("link"))]
    for signature in following:
        _collect(signature, frozenset(ran), ids, inside=False)
    for signature in following:
        _replace(signature, ids)
    return json.dumps(options)


def _collect(signature: Any, ran: frozenset[str], ids: dict[str, str], *, inside: bool) -> None:
    """Find the ids that must be new: ``inside`` a group that had begun, all of them."""
    if signature["task"] in GROUPS and not inside:
        inside = not ran.isdisjoint(behind.rows_in(_members(signature), chords=False))
    old = (signature.get("options") or {}).get("task_id")
    if inside and old:
        ids.setdefault(old, str(uuid4()))
    for part in _members(signature):
        _collect(part, ran, ids, inside=inside)
    for part in _others(signature):
        _collect(part, ran, ids, inside=False)


def _replace(signature: Any, ids: Mapping[str, str]) -> None:
    options = signature.get("options") or {}
    for name in ("task_id", "group_id"):
        if options.get(name) in ids:
            options[name] = ids[options[name]]
    for part in (*_members(signature), *_others(signature)):
        _replace(part, ids)


def _members(signature: Any) -> list[Any]:
    """Return what a signature consists of; of a chord, the header."""
    if signature["task"] not in COMPOSED:
        return []
    parts = signature.get("kwargs") or {}
    return [*_listed(parts.get("tasks")), *_listed(parts.get("header"))]


def _others(signature: Any) -> Iterator[Any]:
    """Yield what follows a signature: the body of a chord, and callbacks."""
    if signature["task"] in COMPOSED:
        yield from _listed((signature.get("kwargs") or {}).get("body"))
    options = signature.get("options") or {}
    for name in ("chain", "link"):
        yield from _listed(options.get(name))


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
