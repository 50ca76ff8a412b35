"""A mail server that keeps what it receives, and an address where none answers yet."""

from __future__ import annotations

import email
import socket
from email import policy
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller

from example_project.demo import ports

if TYPE_CHECKING:
    from email.message import EmailMessage


class Mailbox:
    """A real SMTP server on this machine, at first switched off.

    Its port is taken from the beginning and answered by nobody, so that whoever connects is
    refused, until :meth:`switch_on`.
    """

    def __init__(self) -> None:
        self.received: list[EmailMessage] = []
        #: Addresses at which there is nobody.
        self.unknown: set[str] = set()
        self._reserved: socket.socket | None = socket.socket()
        self._reserved.bind((ports.HOST, 0))
        self.port: int = self._reserved.getsockname()[1]
        self._controller: Controller | None = None

    def to(self, address: str) -> list[EmailMessage]:
        """Return what was received for one address."""
        return [mail for mail in self.received if address in str(mail["To"])]

    def switch_on(self) -> None:
        """Begin to take mail."""
        self._release()
        self._controller = Controller(_Keeper(self), hostname=ports.HOST, port=self.port)
        self._controller.start()

    def switch_off(self) -> None:
        """Stop, and give the port back."""
        self._release()
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def _release(self) -> None:
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None


class _Keeper:
    """What ``aiosmtpd`` calls for every mail."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address in self._mailbox.unknown:
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self._mailbox.received.append(
            email.message_from_bytes(envelope.original_content, policy=policy.default)
        )
        return "250 OK"
