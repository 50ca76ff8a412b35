"""Facts: what is known of the batch, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from celery_jobman.admin.batch.links import neighbours
from celery_jobman.admin.batch.naming import called, kind_of
from celery_jobman.admin.page.facts import LONGEST, Fact
from celery_jobman.admin.page.wire import visible
from celery_jobman.insight.wording import at, lasting, number

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from celery_jobman.admin.batch.regions import Subject
    from celery_jobman.models import Batch


def facts(subject: Subject) -> dict[str, Any]:
    """Return the facts that there are; what is empty is left out."""
    groups = (_names(subject), _times(subject), _rules(subject.batch), _places(subject))
    return {"facts": [fact for group in groups for fact in group if fact.value]}


def _names(subject: Subject) -> Iterator[Fact]:
    batch = subject.batch
    yield Fact(_("ID"), str(batch.pk), copied=True)
    yield Fact(_("Kind"), kind_of(batch))
    yield Fact(_("Name"), visible(batch.name, LONGEST))
    yield Fact(_("Owner"), visible(str(batch.owner), LONGEST) if batch.owner_id else "")
    tags = batch.tags if isinstance(batch.tags, list) else [batch.tags]
    yield Fact(_("Tags"), visible(", ".join(map(str, tags)), LONGEST))


def _times(subject: Subject) -> Iterator[Fact]:
    batch = subject.batch
    yield Fact(_("Created"), at(batch.created_at))
    yield Fact(_("First start"), _moment(batch.started_at))
    yield Fact(_("Cancel asked"), _moment(batch.cancel_requested_at))
    yield Fact(_("Last finish"), _moment(batch.finished_at))
    yield Fact(_("Times finished"), number(batch.finishes) if batch.finishes else "")
    if batch.started_at:
        yield Fact(_("Lasted"), lasting((batch.finished_at or subject.now) - batch.started_at))


def _rules(batch: Batch) -> Iterator[Fact]:
    yield Fact(_("Allowed failures"), allowed(batch))
    yield Fact(_("On failure"), on_failure(batch))
    yield Fact(_("If it fails"), _("what follows goes on") if batch.allow_failure else "")
    yield Fact(_("Excused"), number(batch.excused) if batch.excused else "")


def _places(subject: Subject) -> Iterator[Fact]:
    for row in subject.above:
        name = _("Member of") if row.pk == subject.batch.batch_id else _("Workflow")
        yield Fact(name, called(row), subject.batches.page(row.pk))
    for name, link in neighbours(subject.batch, subject.jobs, subject.batches, subject.now):
        yield Fact(name, link.name, link.href)


def allowed(batch: Batch) -> str:
    """Return how many members may fail."""
    if batch.allow_failures == "all":
        return _("any number")
    if batch.allow_failures.endswith("%"):
        share = visible(batch.allow_failures)
        return _("%(share)s, now %(count)s") % {"share": share, "count": number(batch.allowed)}
    return visible(batch.allow_failures) if batch.allow_failures not in {"", "0"} else _("none")


def on_failure(batch: Batch) -> str:
    """Return what the first failure too many does."""
    if batch.on_failure == "continue":
        return _("the others go on")
    return _("members that wait are cancelled")


def _moment(moment: datetime | None) -> str:
    return at(moment) if moment else ""
