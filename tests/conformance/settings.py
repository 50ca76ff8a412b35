"""Django settings for Celery's test suite when its tasks are jobs."""

from __future__ import annotations

import os
from datetime import timedelta

from tests.benchmarks.databases import django_database

DATABASES = {"default": django_database(os.environ["CONFORMANCE_DATABASE"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
if os.environ["CONFORMANCE_BASE"].startswith("celery_jobman"):
    # Any other base shows what Django alone changes.
    INSTALLED_APPS += ["celery_jobman"]
SECRET_KEY = "conformance"
USE_TZ = True

# The suite purges the queue between its tests.  To jobman these are lost messages, and it would
# send them again in the middle of later tests.
JOBMAN = {"REDELIVER_AFTER": timedelta(hours=1)}
