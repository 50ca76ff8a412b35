from __future__ import annotations

import smtplib
from email.message import EmailMessage
from typing import TYPE_CHECKING

import pytest

from example_project.demo import ports
from example_project.demo.mailbox import Mailbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    mailbox = Mailbox()
    yield mailbox
    mailbox.switch_off()


def send(port: int) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Grüße", "a@example.org", "b@example.org"
    message.set_content("Hello.")
    with smtplib.SMTP(ports.HOST, port, timeout=5) as client:
        client.send_message(message)


def test_at_first_it_refuses_and_keeps_its_port(mailbox: Mailbox) -> None:
    with pytest.raises(ConnectionRefusedError):
        send(mailbox.port)

    assert ports.free(mailbox.port) != mailbox.port


def test_switched_on_it_keeps_what_it_receives(mailbox: Mailbox) -> None:
    mailbox.switch_on()

    send(mailbox.port)

    assert [str(mail["Subject"]) for mail in mailbox.received] == ["Grüße"]
    assert mailbox.received[0].get_content().strip() == "Hello."


def test_it_knows_who_is_not_there(mailbox: Mailbox) -> None:
    mailbox.unknown = {"b@example.org"}
    mailbox.switch_on()

    with pytest.raises(smtplib.SMTPRecipientsRefused, match="550"):
        send(mailbox.port)

    assert mailbox.received == []


def test_switched_off_it_is_gone(mailbox: Mailbox) -> None:
    mailbox.switch_on()

    mailbox.switch_off()

    assert not ports.answers(mailbox.port)
