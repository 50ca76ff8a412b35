"""pretix's own test settings, with or without celery-jobman."""

from __future__ import annotations

import os

from celery import Celery

WITH_JOBS = os.environ["JOBMAN_PROJECTS_WITH_JOBS"] == "1"
if WITH_JOBS:
    Celery.task_cls = "celery_jobman:JobTask"  # what a project writes into its celery.py

from tests.settings import *  # noqa: E402, F403 - those of pretix

if WITH_JOBS:
    INSTALLED_APPS = [*INSTALLED_APPS, "celery_jobman"]  # noqa: F405
