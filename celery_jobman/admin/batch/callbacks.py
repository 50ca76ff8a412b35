"""Callbacks: what is told of the batch, and the jobs that were."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils.translation import gettext_lazy

from celery_jobman.admin import badges
from celery_jobman.admin.page.wire import visible
from celery_jobman.insight.wording import at
from celery_jobman.models.job import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery_jobman.admin.badges import Badge
    from celery_jobman.admin.batch.regions import Subject

#: Jobs of callbacks that are shown, the newest.
SHOWN = 20
#: Jobs of callbacks that are looked at.
LOOKED = 1_000
#: When the callbacks of each kind are called.
WHEN = {
    Role.THEN: gettext_lazy("when it succeeds"),
    Role.CATCH: gettext_lazy("when a first member fails"),
    Role.FINALLY: gettext_lazy("when it finishes, however it ends"),
    Role.PROGRESS: gettext_lazy("when more members have ended"),
}


class Callback(NamedTuple):
    """One callback: the job that was told, or what will be."""

    role: str
    when: str
    name: str
    href: str = ""
    badge: Badge | None = None
    at: str = ""


def callbacks(subject: Subject) -> dict[str, Any]:
    """Return the callbacks; nothing when the batch has none."""
    declared = _declared(subject)
    if not declared:
        return {}
    sent = list(_sent(subject))
    told = {one.role for one in sent}
    unsent = [one for one in declared if one.role not in told]
    return {"callbacks": [*sent, *unsent], "limit": SHOWN if len(sent) >= SHOWN else 0}


def _declared(subject: Subject) -> list[Callback]:
    kept: Any = json.loads(subject.batch.callbacks)
    found = kept.items() if isinstance(kept, dict) else ()
    return [
        Callback(str(Role(role).label), str(WHEN[Role(role)]), _name(columns))
        for role, jobs in found
        if role in Role.values and role
        for columns in jobs
    ]


def _name(columns: Any) -> str:
    known = columns if isinstance(columns, dict) else {}
    return visible(str(known.get("label") or known.get("task") or "?"))


def _sent(subject: Subject) -> Iterator[Callback]:
    mine = subject.jobs.rows.filter(batch_id=subject.batch.pk).exclude(role=Role.MEMBER)
    # Sorted here: a database that is asked for the newest few may walk all jobs for them.
    newest = sorted(mine.order_by().values_list("pk", flat=True)[:LOOKED], reverse=True)[:SHOWN]
    rows = {row.pk: row for row in subject.jobs.seen(subject.jobs.rows.filter(pk__in=newest))}
    for row in (rows[pk] for pk in newest if pk in rows):
        role = Role(row.role)
        name, href = subject.jobs.called(row), subject.jobs.page(row.pk)
        yield Callback(
            str(role.label),
            str(WHEN[role]),
            name,
            href,
            badges.of(row, subject.now),
            at(row.created_at),
        )
