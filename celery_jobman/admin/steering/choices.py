"""Choices: the steps at which a job may start again, with what they did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models.functions import Left, Length
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from celery_jobman import actions
from celery_jobman.admin.page.wire import visible
from celery_jobman.insight.wording import done_of, lasting, listed
from celery_jobman.models import Step, StepState
from celery_jobman.runtime import registry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from celery_jobman.models import Job

#: With more steps than this, what each choice means is not worked out.
PLANNED = 40
#: Most characters of a step's error that are shown.
ERROR_LENGTH = 300
#: States of a step at which a retry most likely begins.
OPEN = frozenset({StepState.FAILED, StepState.RUNNING, StepState.REPLAYING})


class Choice(NamedTuple):
    """One step at which the job may start again."""

    name: str
    #: The name as it is shown.
    label: str
    word: str
    #: How long it took; empty when it did not run.
    lasted: str
    #: How much it saved, or how far a loop came; empty when nothing.
    kept: str
    #: What starting here would mean; empty when it was not worked out.
    meaning: str
    #: What the task declares that it does outside; empty when nothing.
    effect: str
    #: Why it failed; empty when it did not, or the user may not see it.
    error: str = ""


def steps_of(job: Job) -> list[str]:
    """Return the names of a job's steps: those it declares, then others that it ran."""
    ran = Step.objects.filter(job_id=job.pk, superseded=0).order_by("position")
    return list(dict.fromkeys([*job.declared_steps, *ran.values_list("name", flat=True)]))


def _rows(job: Job) -> dict[str, Any]:
    error = Left("error_message", ERROR_LENGTH)
    rows = Step.objects.filter(job_id=job.pk, superseded=0)
    sized = rows.annotate(size=Length("result"), error=error)
    return {row.name: row for row in sized.defer("result", "cursor", "skipped", "error_message")}


def shown(names: Iterable[str]) -> str:
    """Return names of steps as an enumeration that a page may show."""
    return listed(map(visible, names))


def likely(job: Job, names: list[str]) -> str:
    """Return the step that failed; else the first that has not ended; else the last."""
    rows = _rows(job)
    broken = [name for name in names if name in rows and rows[name].state in OPEN]
    ended = {name for name, row in rows.items() if row.state == StepState.SUCCEEDED}
    unfinished = [name for name in names if name not in ended]
    return next(iter([*broken, *unfinished, *names[-1:]]), "")


def offered(job: Job, *, errors: bool = False) -> list[Choice]:
    """Return every step of a job, with what starting there would mean, and with errors if asked."""
    names, rows = steps_of(job), _rows(job)
    effects = registry.effects(job.task, names)
    planned = len(names) <= PLANNED
    found = []
    for name in names:
        meaning, effect = _meaning(job, name) if planned else "", visible(effects.get(name, ""))
        nothing = Choice(name, visible(name), _("Not run"), "", "", meaning, effect)
        row = rows.get(name)
        found.append(_ran(job, row, nothing, errors=errors) if row else nothing)
    return found


def _ran(job: Job, row: Any, choice: Choice, *, errors: bool) -> Choice:
    ended = row.finished_at or (job.finished_at if row.attempt == job.attempt else None)
    return choice._replace(
        word=str(StepState(row.state).label),
        lasted=lasting(ended - row.started_at) if ended else "",
        kept=_kept(row),
        error=visible(row.error, ERROR_LENGTH) if errors and row.error else "",
    )


def _kept(row: Any) -> str:
    if row.size:
        return filesizeformat(row.size)
    if row.done and row.state != StepState.SUCCEEDED:
        return done_of(row.done, row.total)
    return ""


def _meaning(job: Job, name: str) -> str:
    plan = actions.plan_retry(job.pk, name)
    values = {"reused": shown(plan.reused), "again": shown(plan.again)}
    return _("Reuses %(reused)s; runs %(again)s.") % values
