"""What the tests of batches' pages share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.test import RequestFactory
from django.urls import reverse

from celery_jobman.admin.batch.regions import Subject
from celery_jobman.models import Batch
from tests.factories import NOON

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User


@pytest.fixture
def url() -> Callable[..., str]:
    """Return the address of a page of a batch."""

    def url(batch: Batch, name: str = "change", **parts: Any) -> str:
        if name == "change":
            return reverse("admin:jobman_batch_change", args=[batch.pk])
        return reverse(f"admin:jobman_batch_{name}", kwargs={"pk": batch.pk, **parts})

    return url


@pytest.fixture
def seen_by(admin_user: User) -> Callable[..., Subject]:
    """Return a batch as a user sees it at noon, as an address asks for it."""

    def seen_by(batch: Batch, query: str = "", user: User | None = None) -> Subject:
        request = RequestFactory().get(f"/?{query}")
        request.user = user or admin_user
        model_admin = admin.site.get_model_admin(Batch)
        return Subject(model_admin, request, Batch.objects.get(pk=batch.pk), NOON)

    return seen_by
