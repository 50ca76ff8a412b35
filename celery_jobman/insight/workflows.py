"""Workflows in words: how a batch stands, what a member waits for, why it ended unrun."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman.core import behind
from celery_jobman.insight.troubles import troubles
from celery_jobman.insight.wording import ago, number
from celery_jobman.models import Batch, Job, Stopping
from celery_jobman.models.batch import Kind
from celery_jobman.states import FINAL, State

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any
    from uuid import UUID

#: What is said of a batch that is being stopped, by the reason.
_STOPS = {
    Stopping.CANCELLED: gettext_lazy(
        "It is being cancelled: waiting members end, running ones are asked to stop."
    ),
    Stopping.FAILED: gettext_lazy(
        "More members failed than it allows: those that have not begun are cancelled, running"
        " ones go on to their end."
    ),
    Stopping.SKIPPED: gettext_lazy(
        "What it waited for failed or was cancelled: its members are skipped."
    ),
}
_SKIPPED = gettext_lazy("It was skipped %(when)s: what it waited for failed or was cancelled.")
#: The same, when it is known what that was and how it ended.
_SKIPS = {
    State.FAILED: gettext_lazy(
        "It was skipped %(when)s, because %(link)s failed %(ago)s; retry that one, and this one"
        " goes on."
    ),
    State.CANCELLED: gettext_lazy(
        "It was skipped %(when)s, because %(link)s was cancelled %(ago)s; retry that one, and this"
        " one goes on."
    ),
}
#: The same of what Celery will not take up again.
_SKIPS_OF_CELERY = {
    State.FAILED: gettext_lazy(
        "It was skipped %(when)s, because %(link)s failed %(ago)s; Celery does not take up a chord"
        " again, so retry the job before it, or call it anew."
    ),
    State.CANCELLED: gettext_lazy(
        "It was skipped %(when)s, because %(link)s was cancelled %(ago)s; Celery does not take up"
        " a chord again, so retry the job before it, or call it anew."
    ),
}


@dataclass(frozen=True, slots=True)
class Link:
    """A job or a batch, as the sentences speak of it."""

    row: Job | Batch

    @property
    def name(self) -> str:
        """What people call it."""
        if isinstance(self.row, Job):
            return self.row.label or self.row.task
        return self.row.name or str(Kind(self.row.kind).label).lower()

    def __str__(self) -> str:
        return f"{self.name} ({self.row.pk})"

    @property
    def told(self) -> str:
        """It, and how far it is."""
        if isinstance(self.row, Batch) and self.row.state == State.RUNNING:
            values = {"pending": number(self.row.pending), "total": number(self.row.total)}
            standing = _("pending: %(pending)s of %(total)s") % values
        else:
            standing = str(State(self.row.state).label).lower()
        return f"{self.name} ({self.row.pk}, {standing})"


def link(link_id: UUID | None) -> Link | None:
    """Return a job or a batch by its id; None when there is none any more."""
    if link_id is None:
        return None
    job = Job.objects.filter(pk=link_id).without_payloads().first()
    row = job or Batch.objects.filter(pk=link_id).without_payloads().first()
    return None if row is None else Link(row)


def _around(row: Job | Batch) -> Batch | None:
    if row.batch_id is None:
        return None
    return Batch.objects.filter(pk=row.batch_id).without_payloads().first()


def waits(row: Job | Batch) -> str:
    """Return what a blocked member of a workflow waits for; empty when that is not known."""
    around = _around(row)
    if around is not None and around.stopping:
        text = _("It ends with %(batch)s, which is being stopped.")
        return text % {"batch": Link(around)}
    before = link(row.follows_id)
    if before is not None:
        return _behind(row, before)
    if around is None:
        return ""
    if around.state == State.BLOCKED:
        return _("It begins with %(batch)s.") % {"batch": Link(around)} + " " + waits(around)
    return _("It begins with %(batch)s, which is being opened.") % {"batch": Link(around)}


def _behind(row: Job | Batch, before: Link) -> str:
    if before.row.state in FINAL and row.batch_id is None:
        return _unsent(before)
    if before.row.state in FINAL:
        text = _("It waits for %(link)s, which has ended; it goes on within a second or two.")
        return text % {"link": before}
    active = _at_work(row)
    if before.row.state != State.BLOCKED or active is None:
        return _("It waits for %(link)s.") % {"link": before.told}
    text = _("It waits for %(link)s; the link at work is %(active)s.")
    return text % {"link": before.told, "active": active.told}


def _unsent(before: Link) -> str:
    """Return why a link of Celery's own canvas waits, though what it follows has ended."""
    if isinstance(before.row, Job) and before.row.group_id:
        text = _("It waits for a group: %(link)s has ended, and Celery sends it when all have.")
    else:
        text = _(
            "It waits for %(link)s, which has ended, but Celery has not sent it; if that stays so,"
            " a process has died in between: retry that job."
        )
    return text % {"link": before}


def _at_work(row: Job | Batch) -> Link | None:
    """Return the link of the same element that neither waits for another nor has ended."""
    place = {"batch_id": row.batch_id, "position": row.position}
    idle = [State.BLOCKED, *FINAL]
    jobs = Job.objects.filter(**place, role="").exclude(state__in=idle).without_payloads()
    found = jobs.first() or Batch.objects.filter(**place).exclude(state__in=idle).first()
    return None if found is None else Link(found)


def skipped(row: Job | Batch, now: datetime) -> str:
    """Return why a job or a batch was skipped, and what lets it go on."""
    by = link(row.stopped_by)
    when = {"when": ago(row.finished_at or now, now)}
    if by is None or by.row.state not in _SKIPS:
        return _SKIPPED % when
    texts = _SKIPS if _comes_back(row, by) else _SKIPS_OF_CELERY
    ended = ago(by.row.finished_at or now, now)
    return texts[State(by.row.state)] % {**when, "link": by, "ago": ended}


def _comes_back(row: Job | Batch, by: Link) -> bool:
    """Whether a retry of what stopped it lets it go on: Celery takes up none of its chords."""
    of_celery = isinstance(row, Job) and row.batch_id is None
    if not of_celery or not isinstance(by.row, Job) or not by.row.delivery:
        return True
    return str(row.pk) in behind.rows_behind(by.row.message, chords=False)


def cancelled(row: Job | Batch, now: datetime) -> str:
    """Return why a member was cancelled with others; empty when it was cancelled by itself."""
    when = {"when": ago(row.finished_at or now, now)}
    by = link(row.stopped_by)
    if by is not None and by.row.state == State.FAILED:
        batch = link(by.row.batch_id)
        values = {**when, "link": by, "ago": ago(by.row.finished_at or now, now), "batch": batch}
        return (
            _(
                "It was cancelled %(when)s, because %(link)s failed %(ago)s, and %(batch)s allows"
                " no more failures; retry that one, and this one goes on."
            )
            % values
        )
    around = _around(row)
    if around is not None and _fell_with(row, around):
        return _("It was cancelled %(when)s, together with %(batch)s.") % {
            **when,
            "batch": Link(around),
        }
    return ""


def _fell_with(row: Job | Batch, around: Batch) -> bool:
    asked = around.cancel_requested_at
    own = row.cancel_requested_at
    return (
        around.stopping == Stopping.CANCELLED
        and asked is not None
        and (own is None or own >= asked)
        and (row.finished_at is None or row.finished_at >= asked)
    )


def why(batch: Batch, now: datetime) -> str:
    """Return a few words on where a batch stands, what it waits for, and its troubles."""
    return f"{_SENTENCES[State(batch.state)](batch, now)} {troubles(batch.pk, now)}".rstrip()


def _blocked(batch: Batch, now: datetime) -> str:
    if batch.stopping:
        return str(_STOPS[Stopping(batch.stopping)])
    known = waits(batch)
    return known or _("It has waited since %(when)s.") % {"when": ago(batch.created_at, now)}


def _running(batch: Batch, now: datetime) -> str:  # noqa: ARG001 - as the others
    values = {"pending": number(batch.pending), "total": number(batch.total)}
    sentences = [_("Members pending: %(pending)s of %(total)s.") % values, _failures(batch)]
    if batch.stopping:
        sentences.insert(0, str(_STOPS[Stopping(batch.stopping)]))
    elif batch.opening:
        sentences.insert(0, _("Its first members are being released."))
    return " ".join(filter(None, sentences))


def _failures(batch: Batch) -> str:
    """Return how many members failed and which was the first; empty when none did."""
    if not batch.failed:
        return ""
    values: dict[str, Any] = {"failed": number(batch.failed), "total": number(batch.total)}
    first = link(batch.error_job_id)
    if first is None:
        return _("Members failed: %(failed)s of %(total)s.") % values
    values |= {"link": first, "error": batch.error_message}
    return _("Members failed: %(failed)s of %(total)s, the first: %(link)s: %(error)s") % values


def _succeeded(batch: Batch, now: datetime) -> str:
    text = _("It succeeded %(when)s.") % {"when": ago(batch.finished_at or now, now)}
    if not batch.failed:
        return text
    values = {"failed": number(batch.failed), "total": number(batch.total)}
    allowed = _("Members failed, as is allowed: %(failed)s of %(total)s.") % values
    return f"{text} {allowed}"


def _failed(batch: Batch, now: datetime) -> str:
    values = {"when": ago(batch.finished_at or now, now), "error": batch.error_message}
    failures = _failures(batch)
    if failures or not batch.error_message:
        text = _("It failed %(when)s.") % values
        return f"{text} {failures}".rstrip()
    return _("It failed %(when)s: %(error)s") % values


def _cancelled(batch: Batch, now: datetime) -> str:
    values = {
        "when": ago(batch.finished_at or now, now),
        "done": number(batch.succeeded),
        "total": number(batch.total),
    }
    text = _("It was cancelled %(when)s.") % values
    before = _("Members that had succeeded: %(done)s of %(total)s.") % values
    return f"{cancelled(batch, now) or text} {before}"


_SENTENCES = {
    State.BLOCKED: _blocked,
    State.RUNNING: _running,
    State.SUCCEEDED: _succeeded,
    State.FAILED: _failed,
    State.CANCELLED: _cancelled,
    State.SKIPPED: skipped,
}
