"""The regions of a job's page that show its log, its data and its error."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from celery_jobman.admin.page.regions import Region

#: In the order of the page.
ERROR: tuple[Region, ...] = ()
LOG: tuple[Region, ...] = ()
DATA: tuple[Region, ...] = ()
