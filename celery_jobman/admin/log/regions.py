"""The regions of a job's page that show its log, its data and its error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery_jobman.admin.access import Deed
from celery_jobman.admin.log import box, copies, data, failure
from celery_jobman.admin.page.regions import Region

if TYPE_CHECKING:
    from celery_jobman.admin.page.regions import Subject

#: In the order of the page.
ERROR: tuple[Region[Subject], ...] = (Region("error", failure.context, deed=Deed.VIEW_LOG),)
LOG: tuple[Region[Subject], ...] = (Region("log", box.context, deed=Deed.VIEW_LOG, live=False),)
#: Neither live: the call never changes.
COPIES: tuple[Region[Subject], ...] = (
    Region("copies", copies.context, deed=Deed.VIEW_ARGS, live=False),
)
#: Not live: arguments never change, and may be large.
DATA: tuple[Region[Subject], ...] = (Region("data", data.context, live=False),)
