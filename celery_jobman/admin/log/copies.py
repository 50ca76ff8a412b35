"""Copies: a job's call as text to be taken along, as Python and as JSON; secrets stay masked."""

from __future__ import annotations

import json
from pprint import pformat
from typing import TYPE_CHECKING, Any

from django.db.models import Case, F, TextField, When
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

from celery_jobman.admin.log.payloads import INLINE, Unreadable, Value, parsed, plainly
from celery_jobman.models import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from celery_jobman.admin.page.regions import Subject

#: Columns of a line of Python.
WIDTH = 88


def context(subject: Subject) -> dict[str, Any]:
    """Return both texts; nothing when the arguments are long, or cannot be read."""
    job = subject.job
    arguments = {
        name: subject.admin.display_value(job, name, value)
        for name, value in _arguments(job).items()
    }
    if not arguments:
        return {}
    return {"python": python(job, arguments), "json": as_json(job, arguments)}


def _arguments(job: Job) -> Mapping[str, Any]:
    rows = Job.objects.filter(pk=job.pk).annotate(first=_short("args"), second=_short("kwargs"))
    texts = rows.values_list("first", "second").first() or (None, None)
    if None in texts:
        return {}
    found = dict(zip(("args", "kwargs"), map(parsed, texts), strict=True))
    if any(isinstance(value, Unreadable) for value in found.values()):
        return {}
    try:
        return {name: plainly(name, Value(value))[0] for name, value in found.items()}
    except RecursionError:
        return {}


def _short(name: str) -> Case:
    """Return a column, or NULL if it is too long to be put twice into a page."""
    fits = When(LessThanOrEqual(Length(name), INLINE), then=F(name))
    return Case(fits, output_field=TextField(null=True))


def python(job: Job, arguments: Mapping[str, Any]) -> str:
    """Return the call that makes a job like this one."""
    options = {**arguments, "queue": job.queue, "priority": job.priority}
    lines = [
        f"    {name}={_indented(pformat(value, width=WIDTH, sort_dicts=False))},"
        for name, value in options.items()
        if value is not None
    ]
    call = f"current_app.tasks[{job.task!r}].apply_async("
    return "\n".join(["from celery import current_app", "", call, *lines, ")", ""])


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")


def as_json(job: Job, arguments: Mapping[str, Any]) -> str:
    """Return the same for programs."""
    call = {"id": str(job.pk), "task": job.task, **arguments}
    call |= {"queue": job.queue, "priority": job.priority}
    return json.dumps(call, indent=2, ensure_ascii=False, default=str)
