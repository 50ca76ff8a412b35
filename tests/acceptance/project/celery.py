from __future__ import annotations

import os

from celery import Celery

from tests.acceptance import executions

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.acceptance.project.settings")

if "JOBMAN_ACCEPTANCE_TRACER" in os.environ:
    from tests.acceptance import traces  # it takes its time

    traces.install()
app = Celery("acceptance", task_cls="celery_jobman:JobTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["tests.acceptance.project"])
app.autodiscover_tasks(["tests.acceptance.project"], related_name="toil")
app.autodiscover_tasks(["tests.acceptance.project"], related_name="parts")
app.autodiscover_tasks(["tests.acceptance.project"], related_name="ways")
executions.install()
