"""The tables in Django's admin, to be read.

Nothing can be added, changed or deleted here: jobs are steered by
:mod:`celery_jobman.actions` and ``manage.py jobman``.
"""

from __future__ import annotations

from celery_jobman.admin import actions, batches, jobs, logs, queues, workers

__all__ = ["actions", "batches", "jobs", "logs", "queues", "workers"]
