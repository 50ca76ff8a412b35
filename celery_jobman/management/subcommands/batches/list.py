"""``manage.py jobman batch list``: the newest workflows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from celery_jobman.insight.wording import ago, counted, fitted, one_line
from celery_jobman.management import arguments, facts, selection
from celery_jobman.models import Batch, Kind
from celery_jobman.states import FINAL, State

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from datetime import datetime

    from celery_jobman.management.console import Console
    from celery_jobman.models.batch import BatchQuerySet

HELP = "List workflows, the newest first; not the batches inside others."

#: The states that a batch may have.
STATES = [state.value for state in State if state in FINAL | {State.BLOCKED, State.RUNNING}]


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--state",
        choices=STATES,
        action="append",
        metavar="STATE",
        help="workflows in this state; may be given several times",
    )
    parser.add_argument(
        "--kind", choices=Kind.values, metavar="KIND", help=f"only this kind: {', '.join(Kind)}"
    )
    parser.add_argument("--name", metavar="TEXT", help="workflows whose name contains this text")
    parser.add_argument("--owner", metavar="USER", help="workflows of the user with this name")
    arguments.add_limit(parser, 20, "list at most N workflows")


def run(options: dict[str, Any], console: Console) -> None:
    limit, now = options["limit"], timezone.now()
    found = list(_filtered(options).order_by("-id")[: limit + 1])
    for batch in found[:limit]:
        console.fact(_line(batch, now, console), **facts.batch(batch))
    more = len(found) > limit
    hint = "; there are more, see --limit" if more else ""
    shown = min(len(found), limit)
    console.fact(f"{counted(shown, 'workflow')}{hint}", total=shown, more=more)


def _filtered(options: dict[str, Any]) -> BatchQuerySet:
    found = Batch.objects.roots().without_payloads()
    if options["state"]:
        found = found.filter(state__in=options["state"])
    if options["kind"]:
        found = found.filter(kind=options["kind"])
    if options["name"]:
        found = found.filter(name__icontains=options["name"])
    if options["owner"] is not None:
        found = found.filter(owner_id=selection.user(options["owner"]).pk)
    return found


def _line(batch: Batch, now: datetime, console: Console) -> str:
    age = ago(batch.created_at, now)
    # Colours have no width; so the rest is fitted before they are added.
    head = f"{batch.id}  {batch.state:<9}  {age:<7}  "
    room = None if console.width is None else console.width - len(head)
    rest = fitted(summary(batch), room)
    return f"{batch.id}  {console.word(batch.state, 9)}  {age:<7}  {rest}"


def summary(batch: Batch) -> str:
    """Return progress, name and counts of a batch, in one line."""
    name = f"{batch.kind} {one_line(batch.name)}".rstrip()
    return f"{batch.progress:>3}%  {name}: {counts(batch)}"


def counts(batch: Batch) -> str:
    """Return how many members a batch has, and how many of them stand where."""
    names = ("pending", "succeeded", "failed", "cancelled", "skipped")
    parts = [f"{getattr(batch, name):,} {name}" for name in names if getattr(batch, name)]
    return f"{counted(batch.total, 'member')}" + (f", {', '.join(parts)}" if parts else "")
