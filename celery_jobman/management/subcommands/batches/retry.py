"""``manage.py jobman batch retry``: run members of a workflow again, and what follows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from celery_jobman import actions
from celery_jobman.core.resumption import Scope
from celery_jobman.insight.wording import counted
from celery_jobman.management import arguments, selection

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from uuid import UUID

    from celery_jobman.core.resumption import Plan
    from celery_jobman.management.console import Console
    from celery_jobman.models import Batch

HELP = "Run members of a workflow again; what waited for them goes on."


def add_arguments(parser: ArgumentParser) -> None:
    arguments.add_batch(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--scope",
        choices=list(map(str, Scope)),
        default=str(Scope.FAILED),
        help="the members that failed, those and every link after them, or all"
        " (default: %(default)s)",
    )
    what.add_argument(
        "--from", dest="member", metavar="MEMBER", help="this job or batch, and every link after it"
    )
    arguments.add_dry_run(parser)
    arguments.add_yes(parser)
    arguments.add_reason(parser)


def run(options: dict[str, Any], console: Console) -> None:
    batch = selection.batch(options["batch"])
    member = None if options["member"] is None else _member(options["member"], batch)
    plan = _plan(batch, member, options["scope"])
    if options["dry_run"]:
        _preview(batch, plan, console)
        return
    if member is not None or options["scope"] != Scope.FAILED:
        count = counted(plan.again_count + plan.waiting_count, "job")
        question = f"Run {count} of {batch.id} again, also what succeeded?"
        console.confirm(question, yes=options["yes"])
    done = _retry(batch, member, options)
    batch.refresh_from_db()
    text = f"{console.word(batch.state, 9)}  {told(done)}"
    console.fact(f"{batch.id}  {text}", id=batch.id, state=batch.state, **values(done))
    total = done.again_count + done.waiting_count
    console.fact(f"{counted(total, 'job')} retried", total=total)


def _member(reference: str, batch: Batch) -> UUID:
    """Return the id of a member of the same workflow, a job or a batch.

    Raises:
        CommandError: It belongs to another.
    """
    member_id, batch_id = selection.member(reference)
    if batch_id is None or selection.batch(str(batch_id)).root_id != batch.root_id:
        raise CommandError(f"{member_id} is no member of the workflow of batch {batch.id}")
    return member_id


def _plan(batch: Batch, member: UUID | None, scope: str) -> Plan:
    if member is not None:
        return actions.plan_link_retry(member)
    return actions.plan_batch_retry(batch.id, scope)


def _retry(batch: Batch, member: UUID | None, options: dict[str, Any]) -> Plan:
    reason = options["reason"]
    if member is not None:
        return actions.retry_from_link(member, reason=reason)
    scope, finishes = options["scope"], batch.finishes
    return actions.retry_batch(batch.id, scope, finishes=finishes, reason=reason)


def _preview(batch: Batch, plan: Plan, console: Console) -> None:
    for job_id, name in plan.again:
        console.fact(f"{job_id}  {name}", kind="again", id=job_id, name=name)
    unnamed = plan.again_count - len(plan.again)
    if unnamed:
        console.note(f"  and {unnamed:,} more")
    console.fact(f"{batch.id}  {told(plan)}", kind="plan", id=batch.id, **values(plan))
    total = plan.again_count + plan.waiting_count
    console.fact(f"{counted(total, 'job')} would be retried", total=total)


def told(plan: Plan) -> str:
    """Return what a retry does, in one line."""
    words = [f"runs {counted(plan.again_count, 'job')} again"]
    words += [f"then {plan.waiting_count:,} after them"] if plan.waiting_count else []
    words += [f"keeps {plan.reused_count:,} as they are"]
    again = ", ".join(plan.callbacks)
    words += [f"when it finishes, runs {again} again"] if again else []
    return "; ".join(words)


def values(plan: Plan) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        "again": plan.again_count,
        "waiting": plan.waiting_count,
        "reused": plan.reused_count,
        "callbacks": plan.callbacks,
    }
