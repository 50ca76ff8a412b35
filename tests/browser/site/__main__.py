"""The site in a process of its own: ``python -m tests.browser.site``.

Prints one line of JSON as soon as it can be visited, and ends when its input closes.
"""

from __future__ import annotations

import json
import sys
import threading

import django
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

from tests.celery_app import app


class Handler(WSGIRequestHandler):
    """Does not name every request."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - Python's signature
        """Leave out what Django's would write."""


def main() -> None:
    django.setup()
    from tests.browser.site import people, rows  # noqa: PLC0415 - models, so after the set-up

    app.set_default()  # for the threads that answer
    app.autodiscover_tasks(["example_project.shop"], force=True)
    call_command("migrate", verbosity=0)
    facts = {"sessions": people.make(), "jobs": rows.make()}
    server = ThreadedWSGIServer(("127.0.0.1", 0), Handler)
    server.set_app(StaticFilesHandler(get_wsgi_application()))
    threading.Thread(target=_end_with_input, args=(server,), daemon=True).start()
    print(json.dumps({**facts, "port": server.server_port}), flush=True)  # noqa: T201 - a command
    server.serve_forever()


def _end_with_input(server: ThreadedWSGIServer) -> None:
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
