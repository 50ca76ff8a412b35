"""Settings of the acceptance project; the tests choose the servers through the environment."""

from __future__ import annotations

import json
import os

from tests import routers
from tests.acceptance import troubles
from tests.acceptance.project import databases

SECRET_KEY = "only for tests"
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": databases.entry(os.environ["JOBMAN_ACCEPTANCE_DATABASE_URL"]),
    "replica": routers.REPLICA,
}
DATABASE_ROUTERS = ["tests.routers.ToReplica"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "celery_jobman",
    "tests.acceptance.project.effects",
]

JOBMAN = json.loads(os.environ.get("JOBMAN_ACCEPTANCE_SETTINGS", "{}"))

CELERY_BROKER_URL = os.environ["JOBMAN_ACCEPTANCE_BROKER_URL"]
CELERY_RESULT_BACKEND = os.environ.get("JOBMAN_ACCEPTANCE_RESULT_URL") or None
CELERY_TASK_DEFAULT_QUEUE = os.environ.get("JOBMAN_ACCEPTANCE_QUEUE", "celery")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True

globals().update(json.loads(os.environ.get("JOBMAN_ACCEPTANCE_MORE_SETTINGS", "{}")))
troubles.install()
