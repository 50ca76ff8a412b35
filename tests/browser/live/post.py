"""The post office: a real mail server that takes every mail, or none."""

from __future__ import annotations

from typing import Any

from aiosmtpd.controller import Controller

from celery_jobman.testing.localnodes.ports import LOOPBACK, free_port

REFUSAL = "451 The mailbox is full, try again later"


class Post:
    """A mail server of the tests' own."""

    def __init__(self) -> None:
        self.is_down = False
        self.port = free_port()
        self._controller: Controller | None = Controller(self, hostname=LOOPBACK, port=self.port)
        self._controller.start()

    async def handle_DATA(self, _server: Any, _session: Any, _envelope: Any) -> str:  # noqa: N802
        return REFUSAL if self.is_down else "250 OK"

    def close(self) -> None:
        """Stop the server; harmless when it was."""
        controller, self._controller = self._controller, None
        if controller is not None:
            controller.stop()
