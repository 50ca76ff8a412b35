"""Numbers that programs read stay plain, whatever the site does to those that people read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from tests.factories import log_line
from tests.languages.words import attributes

if TYPE_CHECKING:
    from django.test import Client

    from celery_jobman.models import Job

pytestmark = pytest.mark.django_db

ROUTES = ("cancel", "retry", "retry_from", "edit_retry", "priority", "reschedule")
#: Of the shapes of icons.
DRAWN = {"d", "points", "viewbox"}
DIGITS = re.compile(r"\d[.,\xa0\u202f]\d{3}\b")


@pytest.fixture(autouse=True)
def _separated(settings: Any) -> None:
    settings.USE_THOUSAND_SEPARATOR = True
    settings.LANGUAGE_CODE = "de"


def _grouped(html: str) -> list[str]:
    read = [pair for pair in attributes(html) if pair[0] not in DRAWN]
    return [f"{name}={value}" for name, value in read if DIGITS.search(value)]


def test_what_scripts_and_forms_read_is_not_grouped(visitor: Client, jobs: dict[str, Job]) -> None:
    job = jobs["running here"]
    type(job).objects.filter(pk=job.pk).update(attempt=1_234, pid=4_711)
    line = log_line(job, "ρ", attempt=1_234)
    type(line).objects.filter(pk=line.pk).update(id=12_345)
    shown = {"attempt": "1234", "level": "1000"}
    routes = [reverse(f"admin:jobman_job_{route}", kwargs={"pk": job.pk}) for route in ROUTES]
    addresses = [reverse("admin:jobman_job_change", args=[job.pk]), *routes]

    pages = [visitor.get(address, shown).content.decode() for address in addresses]
    pages.append(visitor.get(reverse("admin:jobman_job_changelist")).content.decode())

    assert 'data-cursor="12345"' in pages[0]
    assert "4.200" in pages[0]
    assert [found for page in pages for found in _grouped(page)] == []


def test_grouped_numbers_in_attributes_are_found() -> None:
    assert _grouped('<p data-cursor="12.345" title="1.204">1.204</p>') == ["data-cursor=12.345"]
