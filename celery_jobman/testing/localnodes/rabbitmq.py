"""A RabbitMQ node of the tests' own, beside any that the machine runs already.

Two nodes on one machine need different node names, ports for clients, ports for one another,
data folders and Erlang cookies.  The port mapper (epmd) is shared.  Distributions install
a wrapper that insists on the machine's own account and settings; the script behind it is
started here, with an empty environment file, so that it works as root and as anybody else.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from celery_jobman.testing.localnodes.availability import ServerUnavailable, program
from celery_jobman.testing.localnodes.container import LocalContainer
from celery_jobman.testing.localnodes.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CONFIGURATION = """\
listeners.tcp.1 = {host}:{port}
loopback_users.guest = false
log.console = true
log.console.level = info
log.file = false
disk_free_limit.absolute = 10MB
"""
_ERLANG_OPTIONS = "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2"


class LocalRabbitMQ(LocalContainer):
    """A broker on a free port, with the user ``guest`` and the virtual host ``/``."""

    kind: ClassVar[str] = "rabbitmq"
    vhost: ClassVar[str] = "/"
    start_timeout: ClassVar[float] = 120
    stop_timeout: ClassVar[float] = 30

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self._peer_port = free_port()

    def prepare(self) -> None:
        """Write the configuration: one listener, no plugins, nothing of the machine's own."""
        configuration = _CONFIGURATION.format(host=LOOPBACK, port=self.port)
        (self.folder / "rabbitmq.conf").write_text(configuration, encoding="utf-8")
        (self.folder / "rabbitmq-env.conf").touch()
        (self.folder / "enabled_plugins").write_text("[].\n", encoding="utf-8")

    def argv(self) -> Sequence[str]:
        """Return the command line."""
        return [rabbitmq_script("rabbitmq-server")]

    def env(self) -> Mapping[str, str]:
        """Return the program's whole environment."""
        return {
            "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/bin",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_NODENAME": f"{self.name}@localhost",
            "RABBITMQ_DIST_PORT": str(self._peer_port),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG_OPTIONS,
        }

    def answers(self) -> bool:
        """Whether the node says that it has started up."""
        return "Server startup complete" in self.recent_logs()

    @property
    def url(self) -> str:
        """Address for Celery."""
        return f"amqp://guest:guest@{LOOPBACK}:{self.port}/{self.vhost}"

    @property
    def celeryconfig(self) -> dict[str, Any]:
        """Values that a Celery app needs to use this node."""
        return {
            "url": self.url,
            "host_url": self.url,
            "hostname": LOOPBACK,
            "port": self.port,
            "vhost": self.vhost,
        }


def rabbitmq_script(name: str) -> str:
    """Return the path of RabbitMQ's own script ``name``, not of a distribution's wrapper.

    Raises:
        ServerUnavailable: RabbitMQ is not installed.
    """
    found = Path(program(name)).resolve()
    if found.name != "rabbitmq-script-wrapper":
        return str(found)
    scripts = sorted(found.parents[1].glob(f"lib/rabbitmq_server-*/sbin/{name}"))
    if not scripts:
        raise ServerUnavailable(f"{found} wraps a {name} that cannot be found")
    return str(scripts[-1])
