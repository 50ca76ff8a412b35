"""Mail from the shop, and what a mail server's refusal means."""

from __future__ import annotations

import smtplib
from typing import TYPE_CHECKING, Final

from django.core.mail import EmailMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Replies of a mail server from here on are final; those below mean "not now" (RFC 5321).
_FINAL: Final = 500


class Bounced(Exception):
    """The mail server of an address says for good that it takes no mail there.

    Unlike what a server says for now, it is no :class:`OSError`: nobody need try again.
    """


def send(subject: str, lines: Iterable[str], *, to: Sequence[str], key: object) -> None:
    """Send a mail.

    Args:
        subject: Its subject.
        lines: Its text.
        to: Addresses.
        key: Makes the Message-ID: a mail that is sent twice, because the first sending was not
            noted, is one mail to the programs that show it.

    Raises:
        Bounced: Every address was refused, and one of them for good.
        OSError: The mail server cannot be reached, or takes nothing now.
    """
    mail = EmailMessage(
        subject=subject,
        body="\n".join(lines),
        to=to,
        headers={"Message-ID": f"<{key}@shop.example.org>"},
    )
    try:
        mail.send()
    except smtplib.SMTPRecipientsRefused as refusal:
        if bounce := _bounce(refusal):
            raise Bounced(bounce) from refusal
        raise


def _bounce(refusal: smtplib.SMTPRecipientsRefused) -> str:
    """Return what was said for good of an address; empty if nothing was."""
    for address, (code, reply) in refusal.recipients.items():
        if code >= _FINAL:
            return f"{address}: {code} {reply.decode(errors='replace')}"
    return ""
