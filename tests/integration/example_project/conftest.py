from __future__ import annotations

import smtplib
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.mail.backends.locmem import EmailBackend

import example_project
from example_project.demo.processes import Crew
from example_project.demo.screen import Screen
from tests import celery_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_django import Settings

# To import a project makes its app the current one.  The other tests go on with theirs.
assert example_project.celery_app is not celery_app.app
celery_app.app.set_current()


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    with Crew(tmp_path, {"PATH": "/usr/bin:/bin"}) as crew:
        yield crew


@pytest.fixture
def out() -> StringIO:
    return StringIO()


@pytest.fixture
def screen(out: StringIO) -> Screen:
    return Screen(out)


@pytest.fixture
def shop(settings: Settings, tmp_path: Path) -> None:
    settings.SHOP_IMPORT_FOLDER = tmp_path
    settings.SHOP_REPORT_TO = ["buyers@example.org"]
    settings.SHOP_OPTIMISER = str(tmp_path / "jpegoptim")
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}


@pytest.fixture
def replies(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """What the mail server says at some addresses; it takes mail for all others."""
    codes: dict[str, int] = {}
    send = EmailBackend.send_messages

    def send_messages(self: EmailBackend, messages: Any) -> int:
        for message in messages:
            refused = {to: (codes[to], b"no") for to in message.to if to in codes}
            if refused:
                raise smtplib.SMTPRecipientsRefused(refused)
        return send(self, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", send_messages)
    return codes
