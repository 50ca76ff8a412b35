"""What the tests of pages share: members of staff with some permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User


@pytest.fixture
def user_with(db: None) -> Callable[..., User]:  # noqa: ARG001 - users are rows
    """Make a member of staff who has these permissions."""
    return _user_with


def _user_with(*names: str) -> Any:
    user = get_user_model().objects.create(username="ana", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return user


@pytest.fixture
def client_with(user_with: Callable[..., User]) -> Callable[..., Client]:
    """Log in a member of staff who has these permissions."""

    def client_with(*names: str) -> Client:
        client = Client()
        client.force_login(user_with(*names))
        return client

    return client_with
