"""History: what people did to a job, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils.dateparse import parse_datetime
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman.admin.batch.scopes import SCOPES
from celery_jobman.admin.log.payloads import KINDS
from celery_jobman.admin.steering.arguments import written
from celery_jobman.insight.wording import at
from celery_jobman.models import JobAction
from celery_jobman.states import State

if TYPE_CHECKING:
    from datetime import datetime

    from celery_jobman.models import Batch, Job

#: Most actions shown.
LIMIT = 50
#: Longest value shown of a change, in characters.
LENGTH = 200

#: The verbs as people read them.
VERBS = {
    "cancel": gettext_lazy("Cancelled"),
    "retry": gettext_lazy("Retried"),
    "retry from": gettext_lazy("Retried from a step"),
    "replay": gettext_lazy("Skipped items replayed"),
    "fork": gettext_lazy("Run again as a new job"),
    "reschedule": gettext_lazy("Rescheduled"),
    "change priority": gettext_lazy("Priority changed"),
    "reveal": gettext_lazy("Masked values revealed"),
    "prune": gettext_lazy("Deleted by age"),
    "trim": gettext_lazy("Logs and steps deleted"),
    "flush": gettext_lazy("Failed jobs deleted"),
    "forget": gettext_lazy("Deleted for good"),
    "cancel batch": gettext_lazy("Batch cancelled"),
    "retry batch": gettext_lazy("Batch retried"),
    "retry from here": gettext_lazy("Retried from here on"),
}
#: What may have changed, as people read it.
NAMES = {
    "available_at": gettext_lazy("time"),
    "priority": gettext_lazy("priority"),
    "queue": gettext_lazy("queue"),
    "arguments": gettext_lazy("arguments"),
    "step": gettext_lazy("step"),
    "reused": gettext_lazy("reused"),
    "again": gettext_lazy("runs again"),
    "fork": gettext_lazy("new job"),
    "items": gettext_lazy("items"),
    "replaces": gettext_lazy("the failure counts as addressed"),
    "revealed": gettext_lazy("revealed"),
    "count": gettext_lazy("jobs"),
    "logs_only": gettext_lazy("logs only"),
    "scope": gettext_lazy("what"),
    "waiting": gettext_lazy("after that"),
}
#: What the verb itself tells.
TOLD = frozenset({"state", "force"})
#: Those whose value is one before and one after.
PAIRS = frozenset({"available_at", "priority", "queue", "arguments"})


class Event(NamedTuple):
    """One action of one person."""

    at: datetime
    who: str
    verb: str
    reason: str
    #: What changed; one sentence part each.
    changes: list[str]


def of(job: Job | Batch) -> list[Event]:
    """Return the last actions on a job or a batch, the newest first."""
    rows = JobAction.objects.filter(job_id=job.pk).order_by("-id")[:LIMIT]
    return [_event(row) for row in rows]


def _event(row: JobAction) -> Event:
    return Event(row.at, row.actor, done(row), row.reason, list(changed(row.changes)))


def done(row: JobAction) -> str:
    """Return what was done, as people read it; of a cancel, how far it got at once."""
    changes = row.changes if isinstance(row.changes, dict) else {}
    if row.verb == "cancel" and changes.get("state") == State.RUNNING:
        forced = changes.get("force")
        return _("Asked to stop by force") if forced else _("Asked to stop")
    return str(VERBS.get(row.verb, row.verb))


def changed(changes: Any) -> list[str]:
    """Return what an audit row says of changes, in words."""
    if not isinstance(changes, dict):
        return []
    found = [_change(str(name), value) for name, value in changes.items()]
    return [text for text in found if text]


def _change(name: str, value: Any) -> str:
    if (
        name in TOLD
        or (name, value) == ("scope", "here")
        or value is None
        or value is False
        or value == []
    ):
        return ""
    label = str(NAMES.get(name, name))
    if value is True:
        return label
    if name in PAIRS and isinstance(value, list) and len(value) == 2:  # noqa: PLR2004
        old, new = (_value(name, item) for item in value)
        return _("%(name)s: %(old)s → %(new)s") % {"name": label, "old": old, "new": new}
    return _("%(name)s: %(value)s") % {"name": label, "value": _value(name, value)}


def _value(name: str, value: Any) -> str:
    if value is None:
        return _("none")
    if name == "scope":
        return str(SCOPES.get(value, value))
    if name == "revealed" and isinstance(value, list):
        return ", ".join(str(KINDS[item].title) if item in KINDS else str(item) for item in value)
    if name == "available_at" and isinstance(value, str):
        moment = parse_datetime(value)
        return at(moment) if moment else value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        text = ", ".join(value)
    else:
        text = value if isinstance(value, str) else written(value, indent=None)
    return Truncator(text).chars(LENGTH)
