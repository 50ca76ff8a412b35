"""The live site: ``python -m tests.browser.live.project``.

Prints one line of JSON as soon as it can be visited.  Each line of its input is a JSON object
``{"task", "args", "kwargs", …}``, a job to enqueue with these options; the answer is the job's
id.  It ends when its input closes.
"""

from __future__ import annotations

import json
import sys
import threading

import django
from celery import current_app
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections

from example_project import celery_app
from tests.browser.site.__main__ import Handler


def main() -> None:
    celery_app.set_default()  # for the threads that answer
    django.setup()
    from tests.browser.site import people  # noqa: PLC0415 - models, so after the set-up

    celery_app.autodiscover_tasks(force=True)
    call_command("migrate", verbosity=0)
    server = ThreadedWSGIServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.set_app(StaticFilesHandler(get_wsgi_application()))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _say({"sessions": people.make(), "port": server.server_port})
    for line in sys.stdin:
        _say(_enqueue(**json.loads(line)))
    server.shutdown()


def _enqueue(task: str, **options: object) -> str:
    """Do as a view that enqueues a job."""
    close_old_connections()
    from celery_jobman.models import Job  # noqa: PLC0415 - as above

    result = current_app.tasks[task].apply_async(**options)
    return str(Job.objects.values_list("pk", flat=True).get(task_id=result.id))


def _say(what: object) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201 - a command


if __name__ == "__main__":
    main()
