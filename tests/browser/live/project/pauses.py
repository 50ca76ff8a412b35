"""Pauses: a job stands still where a test wants to look at it; see :mod:`tests.acceptance.gates`.

A gate's tag is the job's task id.  Its moment is a step that has just saved its cursor, or that
has done its work and not saved it yet.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from tests.acceptance import gates

MOMENTS: Final = ("iteration:checkpointed", "step:work done")


def reached(moment: str) -> None:
    """Be called at every moment of a job (``JOBMAN_MOMENTS``)."""
    from celery_jobman import current_job  # noqa: PLC0415 - it imports what names this function

    job = current_job()
    if job and moment in MOMENTS:
        stand(job.task_id, job.runner.current)


def stand(task_id: str, moment: str) -> None:
    """Stand still here if the test armed this moment for this job."""
    gate = gates.Gate(folder=Path(os.environ[gates.FOLDER]), tag=task_id, moment=moment)
    gate.pass_through()
