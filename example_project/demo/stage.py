"""What the story is played on: a folder, a broker, a mailbox, processes, and their settings."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import django
from celery import current_app
from django.db import connections
from kombu.exceptions import OperationalError

from example_project.demo import broker as brokers
from example_project.demo import ports
from example_project.demo.mailbox import Mailbox
from example_project.demo.processes import Crew, Process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from example_project.demo.broker import Broker
    from example_project.demo.screen import Screen

#: The folder that holds ``example_project``.
ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything the story needs."""

    screen: Screen
    crew: Crew
    broker: Broker
    mailbox: Mailbox
    #: Where the site listens.
    port: int

    def start_worker(self, name: str) -> Process:
        """Start a plain Celery worker with two pool processes."""
        return self.crew.start(
            name,
            *(sys.executable, "-m", "celery", "-A", "example_project", "worker"),
            *("--loglevel", "INFO", "--concurrency", "2", "--hostname", f"{name}@%h"),
        )

    def start_site(self) -> Process:
        """Start the site and wait until it answers."""
        site = self.crew.start(
            "site",
            *(sys.executable, "-m", "example_project", "runserver", "--noreload"),
            f"{ports.HOST}:{self.port}",
        )
        site.wait_until(lambda: ports.answers(self.port))
        return site


@contextmanager
def built(screen: Screen, port: int) -> Iterator[Stage]:
    """Build a stage, set up Django on it, and take everything down at the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jobman-demo-")))
        mailbox = Mailbox()
        stack.callback(mailbox.switch_off)
        at_rest = stack.enter_context(ExitStack())  # closed when the crew has gone
        crew = stack.enter_context(Crew(folder, os.environ))
        broker = brokers.start(crew, folder)
        _set_up(folder, broker, mailbox)
        stack.callback(connections.close_all)
        if broker.is_shared:
            at_rest.callback(_forget_queue)
        yield Stage(screen=screen, crew=crew, broker=broker, mailbox=mailbox, port=port)


def _set_up(folder: Path, broker: Broker, mailbox: Mailbox) -> None:
    """Put the settings where this process and those it starts read them."""
    os.environ.update(
        DJANGO_SETTINGS_MODULE="example_project.settings",
        PYTHONPATH=os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        PYTHONUNBUFFERED="1",
        TMPDIR=str(folder),  # a worker that is killed cannot clear up what it put there
        JOBMAN_DEMO_FOLDER=str(folder),
        JOBMAN_DEMO_BROKER_URL=broker.url,
        JOBMAN_DEMO_QUEUE=f"jobman-demo-{secrets.token_hex(4)}",
        JOBMAN_DEMO_SMTP_PORT=str(mailbox.port),
        JOBMAN_DEMO_OPTIMISER=str(folder / "jpegoptim"),  # not there, until the story makes it
    )
    django.setup()


def _forget_queue() -> None:
    """Delete this run's queue from a broker that serves others too."""
    with (
        suppress(OperationalError, OSError),  # it is away; so is the queue, then
        current_app.connection_for_write(connect_timeout=5) as connection,
    ):
        name = current_app.conf.task_default_queue
        queue = current_app.amqp.queues[name](connection.default_channel)
        queue.declare()  # so that this process knows what belongs to it
        queue.delete()
        queue.exchange.delete()
