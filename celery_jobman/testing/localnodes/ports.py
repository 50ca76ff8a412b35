"""Free TCP ports on the loopback interface.

They are taken from below the range that systems hand out to outgoing connections, so that a
server which is stopped for a while finds its port free when it comes back.
"""

from __future__ import annotations

import contextlib
import random
import socket

LOOPBACK = "127.0.0.1"
_RANGE = range(20_000, 32_000)


def free_port() -> int:
    """Return a port that nobody listens on at the moment.

    Another process may take it before it is used; the caller then fails to start and says so.
    """
    candidates = random.SystemRandom().sample(_RANGE, k=len(_RANGE))
    return next(port for port in candidates if _is_free(port))


def is_listening(port: int) -> bool:
    """Whether something accepts connections on ``port``."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _is_free(port: int) -> bool:
    with contextlib.suppress(OSError), socket.socket() as probe:
        probe.bind((LOOPBACK, port))
        return True
    return False
