"""The site: where it is, who may enter, and whether it answers."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.error import URLError
from urllib.request import urlopen

from django.contrib.auth.models import User
from django.urls import NoReverseMatch, reverse

from example_project.demo import ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

#: Not ``admin``: the database may be somebody's own, with an ``admin`` in it.
_NAME: Final = "jobman-demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A superuser of the site."""

    user: User
    name: str
    password: str


@contextmanager
def login() -> Iterator[Login]:
    """Let a superuser in with a new password, and lock him out at the end."""
    password = secrets.token_hex(4)
    user, _ = User.objects.get_or_create(username=_NAME)
    user.is_staff = user.is_superuser = user.is_active = True
    user.set_password(password)
    user.save()
    try:
        yield Login(user=user, name=_NAME, password=password)
    finally:
        User.objects.filter(pk=user.pk).update(is_active=False)


def address(port: int, model: str = "") -> str:
    """Return the address of the admin, or of its list of a model's rows."""
    page = f"admin:{model}_changelist" if model else "admin:index"
    return f"http://{ports.HOST}:{port}{reverse(page)}"


def page_of(row_id: UUID | None, port: int, model: str = "job") -> str:
    """Return the address of a job's page in the admin, or a batch's; empty if there is none."""
    try:
        path = reverse(f"admin:jobman_{model}_change", args=[row_id])
    except NoReverseMatch:
        return ""
    return f"http://{ports.HOST}:{port}{path}"


def status(port: int) -> int:
    """Return the HTTP status of the admin's login page; 0 if the site does not answer."""
    try:
        with urlopen(address(port), timeout=10) as answer:  # noqa: S310 - our own address
            return int(answer.status)
    except URLError:
        return 0
