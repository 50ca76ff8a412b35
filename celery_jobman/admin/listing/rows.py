"""Rows: the cells of a job in the list."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models.functions import Left
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman.admin import badges
from celery_jobman.admin.access import Deed, may
from celery_jobman.admin.listing import asides, names
from celery_jobman.admin.markup import breakable, escaped, joined, markup
from celery_jobman.admin.page.wire import visible
from celery_jobman.admin.routes import pages
from celery_jobman.insight import wording
from celery_jobman.insight.workforce import is_dead
from celery_jobman.models import Worker
from celery_jobman.models.job import NAME_LENGTH
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime, timedelta
    from uuid import UUID

    from django.contrib.admin import ModelAdmin
    from django.db.models import QuerySet
    from django.http import HttpRequest

    from celery_jobman.admin.hooks import DisplayHooks
    from celery_jobman.models import Job

#: Columns that no list shows and that may be long.
HEAVY = ("args", "kwargs", "message", "result", "error_message", "dispatch_error")
#: Characters of an error message that are read, and of an error that are shown.
READ, SHOWN = 300, 120
#: Where a job keeps its row.
_ROW = "_jobman_row"
#: What stands where there is nothing to tell.
NOTHING = "\N{EN DASH}"
#: Django's own words, which its own catalogues translate.
CHOOSE = "Select this object for an action - {}"
#: Words before the cells that have no heading above them on a narrow screen.
LABELS = {
    "queue": gettext_lazy("Queue"),
    "priority": gettext_lazy("Priority"),
    "attempts": gettext_lazy("Attempt"),
    "waited": gettext_lazy("Waited"),
    "ran": gettext_lazy("Ran"),
    "started": gettext_lazy("Started"),
    "worker": gettext_lazy("Worker"),
    "created": gettext_lazy("Created"),
    "finished": gettext_lazy("Finished"),
    "owner_name": gettext_lazy("Owner"),
    "tags": gettext_lazy("Tags"),
}


def light(queryset: QuerySet[Job]) -> QuerySet[Job]:
    """Return the rows without what the list does not show."""
    lighter = queryset.defer(*HEAVY, "declared_steps", "attribs")
    return lighter.annotate(jobman_error=Left("error_message", READ))


def dressed(admin: DisplayHooks, request: HttpRequest, jobs: Iterable[Job]) -> list[Job]:
    """Return the jobs that the user may see, each with its :class:`Row`."""
    seen = [job for job in jobs if admin.has_view_permission(request, job)]
    held_by = {job.worker_id for job in seen if job.worker_id}
    workers = Worker.objects.in_bulk(held_by) if held_by else {}
    forks, owners = asides.forks_of(admin, request, seen), _owners(admin, request, seen)
    now, page, words = timezone.now(), pages(admin), _Words()
    for job in seen:
        held = workers.get(job.worker_id) if job.worker_id else None
        owner, copies = owners.get(job.owner_id, ""), tuple(forks.get(job.pk, ()))
        vars(job)[_ROW] = Row(admin, request, job, now, held, page, words, owner, copies)
    return seen


def _owners(admin: ModelAdmin[Any], request: HttpRequest, jobs: Iterable[Job]) -> dict[Any, str]:
    if "owner_name" not in admin.get_list_display(request):
        return {}
    return names.of_users({job.owner_id for job in jobs if job.owner_id is not None})


def of(job: Job) -> Row:
    """Return the row of a job that was dressed."""
    row: Row = vars(job)[_ROW]
    return row


class _Words:
    """Words that many rows say, looked up once in the reader's language."""

    def __init__(self) -> None:
        pattern = '<span class="jm-label">{}</span> '
        self.labels = {name: markup(pattern, word) for name, word in LABELS.items()}
        self.progress = _("Progress")
        self.choose = _(CHOOSE)


@dataclass(frozen=True)
class Row:
    """A job as one user sees it at one moment."""

    admin: DisplayHooks
    request: HttpRequest
    job: Job
    now: datetime
    #: The worker that holds the job, or held it last.
    held: Worker | None
    #: Returns the address of a job's page.
    page: Callable[[object], str]
    words: _Words
    owner: str = ""
    forks: tuple[UUID, ...] = ()

    #: Cells that change while a job runs.
    LIVE = ("state", "name", "attempts", "waited", "ran", "started", "finished", "worker")

    @cached_property
    def key(self) -> str:
        """The job's id, as text that needs no escaping."""
        return str(self.job.pk)

    def cell(self, name: str) -> SafeString:
        """Return a cell, marked so that the page's script can renew it."""
        inside, label = escaped(getattr(self, name)()), self.words.labels.get(name, "")
        return SafeString(
            f'<div data-job="{self.key}" data-cell="{name}">{label}'
            f'<div class="jm-cell">{inside}</div></div>'
        )

    def tick(self) -> SafeString:
        """Return what Django's ``action_checkbox`` does, without a form's widget for each row."""
        return markup(
            '<input type="checkbox" name="{}" value="{}" class="action-select" aria-label="{}">',
            ACTION_CHECKBOX_NAME,
            self.key,
            self.words.choose.format(self.job),
        )

    def live(self) -> dict[str, str]:
        """Return the insides of the cells that change."""
        return {name: escaped(getattr(self, name)()) for name in self.LIVE}

    def state(self) -> SafeString:
        """Return the badge."""
        orphaned = self.held is not None and is_dead(self.held, self.now)
        return badges.drawn(badges.of(self.job, self.now, orphaned=orphaned))

    def name(self) -> SafeString:
        """Return the task, its id, and what there is to tell of it."""
        job, href = self.job, self.page(self.job.pk)
        called = visible(str(self.admin.display_name(job)), NAME_LENGTH)
        title = markup(
            '<a class="jm-task" href="{0}">{1}</a> <a class="jm-quiet jm-mono jm-short"'
            ' href="{0}" tabindex="-1" aria-hidden="true" title="{2}">…{3}</a>',
            href,
            breakable(called),
            self.key,
            self.key[-8:],
        )
        aside = asides.of(self.admin, job, self.forks)
        second = (self._call(called), self._progress(), self._failure(), aside)
        return joined(title, *filter(None, second))

    def _call(self, called: str) -> SafeString | None:
        """Return the task, unless the job is called so, and a short copy of its arguments."""
        job = self.job
        parts = [] if called == job.task else [breakable(visible(job.task, NAME_LENGTH))]
        if job.preview and may(self.request.user, Deed.VIEW_ARGS, job):
            parts.append(markup("({})", visible(job.preview)))
        if not parts:
            return None
        return markup('<div class="jm-second jm-mono">{}</div>', joined(*parts))

    def _progress(self) -> SafeString | None:
        said = wording.progress(self.job) if self.job.state == State.RUNNING else ""
        if not said:
            return None
        return markup('<div class="jm-second">{}<span>{}</span></div>', self._bar(), said)

    def _bar(self) -> SafeString | str:
        job = self.job
        if not job.progress_total:
            return ""
        pattern = '<progress max="{}" value="{}" aria-label="{}"></progress> '
        return markup(pattern, job.progress_total, job.progress_current, self.words.progress)

    def _failure(self) -> SafeString | None:
        error = self._error() if self.job.state == State.FAILED else ""
        return markup('<div class="jm-second jm-fail">{}</div>', error) if error else None

    def _error(self) -> str:
        if not may(self.request.user, Deed.VIEW_LOG, self.job):
            return ""
        message = getattr(self.job, "jobman_error", "").strip().partition("\n")[0]
        line = wording.error(self.job.error_class, wording.one_line(message))
        return wording.fitted(line, SHOWN)

    def queue(self) -> str:
        """Return the queue."""
        return self.job.queue

    def priority(self) -> str:
        """Return the priority."""
        return NOTHING if self.job.priority is None else str(self.job.priority)

    def attempts(self) -> str:
        """Return the attempt, and the failures that are allowed."""
        job = self.job
        return f"{job.attempt}/{job.max_attempts}" if job.max_attempts else str(job.attempt)

    def waited(self) -> str:
        """Return how long it waited, or waits, to be started."""
        job = self.job
        since = job.queued_at or job.created_at
        if job.state == State.QUEUED:
            return self._for(self.now - since)
        return self._for(job.started_at - since) if job.started_at else NOTHING

    def ran(self) -> str:
        """Return how long its last attempt took, or takes."""
        job = self.job
        if job.started_at is None or job.state not in {State.RUNNING, *self._ended()}:
            return NOTHING
        return self._for((job.finished_at or self.now) - job.started_at)

    def _ended(self) -> set[str]:
        return {self.job.state} if self.job.finished_at else set()

    def _for(self, duration: timedelta) -> str:
        return NOTHING if duration.total_seconds() < 0 else wording.lasting(duration)

    def started(self) -> SafeString | str:
        """Return when its last attempt began."""
        return self._at(self.job.started_at)

    def finished(self) -> SafeString | str:
        """Return when it ended."""
        return self._at(self.job.finished_at)

    def created(self) -> SafeString | str:
        """Return when it was made."""
        return self._at(self.job.created_at)

    def _at(self, moment: datetime | None) -> SafeString | str:
        if moment is None:
            return NOTHING
        return markup(
            '<time datetime="{}" title="{}">{}</time>',
            moment.isoformat(),
            wording.at(moment),
            wording.ago(moment, self.now),
        )

    def owner_name(self) -> str:
        """Return whose it is."""
        return self.owner or NOTHING

    def tags(self) -> SafeString | str:
        """Return all its tags."""
        tags = asides.tags_of(self.job)
        return format_html_join(", ", "{}", ((asides.drawn(tag),) for tag in tags)) or NOTHING

    def worker(self) -> str:
        """Return the worker's name."""
        host = self.held.hostname if self.held else ""
        return host or (_("unknown") if self.job.worker_id else NOTHING)
