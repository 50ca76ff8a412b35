"""What a mail server's refusal means to the shop."""

from __future__ import annotations

import smtplib

import pytest
from django.core import mail

from example_project.shop import post

pytestmark = pytest.mark.usefixtures("shop")

TO = "ann@example.org"


def test_a_mail_has_its_key_for_an_id() -> None:
    post.send("Hello", ["one", "two"], to=[TO], key="cart-7")

    (sent,) = mail.outbox
    assert (sent.subject, sent.body, sent.to) == ("Hello", "one\ntwo", [TO])
    assert str(sent.message()["Message-ID"]) == "<cart-7@shop.example.org>"


def test_an_address_where_nobody_is_bounces(replies: dict[str, int]) -> None:
    replies[TO] = 550

    with pytest.raises(post.Bounced, match=r"ann@example.org: 550 no"):
        post.send("Hello", [], to=[TO], key=1)


def test_a_refusal_for_now_is_an_error_to_try_again_after(replies: dict[str, int]) -> None:
    replies[TO] = 451

    with pytest.raises(smtplib.SMTPRecipientsRefused):
        post.send("Hello", [], to=[TO], key=1)


def test_a_bounce_is_no_such_error() -> None:
    assert not issubclass(post.Bounced, OSError)
