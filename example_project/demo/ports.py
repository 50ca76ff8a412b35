"""Ports of this machine that nobody uses."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import Final

HOST: Final = "127.0.0.1"


def free(wanted: int = 0) -> int:
    """Return ``wanted`` if it is free, else any free port."""
    for port in (wanted, 0):
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("there is no free port")


def answers(port: int) -> bool:
    """Whether somebody takes connections on a port."""
    with closing(socket.socket()) as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
