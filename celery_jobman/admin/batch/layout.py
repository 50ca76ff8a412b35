"""Layout: which regions a batch's page has, in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery_jobman.admin.batch.callbacks import callbacks
from celery_jobman.admin.batch.facts import facts
from celery_jobman.admin.batch.failures import failures
from celery_jobman.admin.batch.header import header
from celery_jobman.admin.batch.members import members
from celery_jobman.admin.batch.offers import buttons, past
from celery_jobman.admin.page.regions import Region

if TYPE_CHECKING:
    from celery_jobman.admin.batch.regions import Subject

REGIONS: tuple[Region[Subject], ...] = (
    Region("header", header),
    Region("buttons", buttons),
    Region("failures", failures),
    Region("facts", facts),
    Region("callbacks", callbacks),
    Region("members", members),
    Region("history", past),
)
