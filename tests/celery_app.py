"""The test-suite's Celery app: every task of it is a job."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

app = Celery("tests", task_cls="celery_jobman:JobTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
