"""Django settings of the project that is measured; what differs is named by the environment."""

from __future__ import annotations

import os

from tests.benchmarks.contestants import CONTESTANTS
from tests.benchmarks.databases import django_database

_contestant = CONTESTANTS[os.environ["BENCH_CONTESTANT"]]

DATABASES = {"default": django_database(os.environ["BENCH_DATABASE"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", *_contestant.apps]
LOGGING_CONFIG = None
SECRET_KEY = "benchmark"
USE_TZ = True

CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_URL = os.environ["BENCH_BROKER"]
CELERY_RESULT_BACKEND = _contestant.backend.format(redis=CELERY_BROKER_URL) or None
CELERY_TASK_IGNORE_RESULT = not _contestant.backend
CELERY_TASK_TRACK_STARTED = _contestant.track_started
# The log benchmark wants no handler on the root logger but the ones of the contestant.
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
