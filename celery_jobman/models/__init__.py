"""The tables, and the questions that may be asked of them."""

from __future__ import annotations

from celery_jobman.models.action import JobAction
from celery_jobman.models.attempt import Attempt, Outcome, Trigger
from celery_jobman.models.batch import Batch, Kind, Stopping
from celery_jobman.models.job import Job, Role
from celery_jobman.models.log import LogLine
from celery_jobman.models.queue import Queue
from celery_jobman.models.step import Step, StepState
from celery_jobman.models.trouble import Duty, Trouble
from celery_jobman.models.worker import Worker

__all__ = [
    "Attempt",
    "Batch",
    "Duty",
    "Job",
    "JobAction",
    "Kind",
    "LogLine",
    "Outcome",
    "Queue",
    "Role",
    "Step",
    "StepState",
    "Stopping",
    "Trigger",
    "Trouble",
    "Worker",
]
