"""Layout: which regions a job's page has, in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery_jobman.admin.batch.membership import MEMBERSHIP
from celery_jobman.admin.log import regions as log
from celery_jobman.admin.page.attempts import attempts
from celery_jobman.admin.page.facts import facts
from celery_jobman.admin.page.header import header
from celery_jobman.admin.page.progress import progress
from celery_jobman.admin.page.regions import Region
from celery_jobman.admin.page.related import related
from celery_jobman.admin.page.timeline import timeline
from celery_jobman.admin.steering import regions as steering

if TYPE_CHECKING:
    from celery_jobman.admin.page.regions import Subject

REGIONS: tuple[Region[Subject], ...] = (
    Region("header", header),
    *MEMBERSHIP,
    *steering.BUTTONS,
    *log.COPIES,
    Region("progress", progress),
    *log.ERROR,
    Region("facts", facts),
    Region("timeline", timeline),
    Region("attempts", attempts),
    *steering.HISTORY,
    *log.LOG,
    *log.DATA,
    Region("related", related),
)
