"""The site's users, each signed in already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.test import Client

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Users of the staff by name, and what they may do with jobs.
STAFF: Final = {
    "reader": ("view_job",),
    "canceller": ("view_job", "cancel_job"),
    "retrier": ("view_job", "view_job_args", "view_job_log", "retry_job"),
    "ann": ("view_job", "view_job_args", "view_job_result", "view_job_log", "retry_job"),
    "outsider": (),
}


def make() -> dict[str, str]:
    """Make the users and return the key of each one's session by name; root may do all."""
    root = User.objects.create_superuser("root", "root@example.org", "secret")
    staff = {name: _member(name, codes) for name, codes in STAFF.items()}
    return {name: _session(user) for name, user in {"root": root, **staff}.items()}


def _member(name: str, codes: Iterable[str]) -> User:
    user = User.objects.create_user(name, is_staff=True)
    owned = Permission.objects.filter(content_type__app_label="jobman", codename__in=codes)
    user.user_permissions.set(owned)
    return user


def _session(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value
