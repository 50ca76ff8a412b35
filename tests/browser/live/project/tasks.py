"""What the shop's own task cannot be made to do."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import time

from celery import shared_task

from celery_jobman import JobTask, current_job
from tests.browser.live.project.pauses import stand


@shared_task(base=JobTask)
def nap(seconds: float) -> None:
    """Sleep in one call, without any checkpoint."""
    if job := current_job():
        stand(job.task_id, "awake")
    time.sleep(seconds)
