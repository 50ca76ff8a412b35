"""The regions of a job's page with its buttons and with its history."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from celery_jobman.admin.page.regions import Region

BUTTONS: tuple[Region, ...] = ()
HISTORY: tuple[Region, ...] = ()
