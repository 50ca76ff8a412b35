from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.urls import reverse

from celery_jobman.models import Job, LogLine
from celery_jobman.models.ids import uuid7
from tests.factories import finished_job, queued_job

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


def page_of(client: Client, job: Job) -> str:
    url = reverse("admin:jobman_job_change", args=[job.pk])
    return client.get(url).content.decode()


def test_the_jobs_around_it_are_linked(admin_client: Client) -> None:
    parent, original = queued_job(label="The parent"), finished_job(label="The original")
    gone = uuid7()
    job = queued_job(parent_id=parent.pk, retry_of=original.pk, replaced_by=gone)

    page = page_of(admin_client, job)

    assert "The parent" in page
    assert "The original" in page
    assert f'<span class="jm-mono">{gone}</span>' in page


def test_other_failures_like_it_are_counted_and_linked(admin_client: Client) -> None:
    job = finished_job(fingerprint="abc")
    assert "fingerprint%3Aabc" not in page_of(admin_client, job)
    for _ in range(3):
        finished_job(fingerprint="abc")

    page = page_of(admin_client, job)

    assert "3 other failures like it" in page
    assert f"{reverse('admin:jobman_job_changelist')}?q=fingerprint%3Aabc" in page


def test_the_rows_of_its_log_are_offered_to_those_who_may_read_them(
    client: Client, admin_client: Client
) -> None:
    job = queued_job()
    rows = f"{reverse('admin:jobman_logline_changelist')}?job_id={job.pk}"
    assert LogLine._meta.label == "jobman.LogLine"
    assert rows in page_of(admin_client, job)

    ann = get_user_model().objects.create_user("ann", is_staff=True)
    ann.user_permissions.set(Permission.objects.filter(codename__in=["view_job", "view_logline"]))
    client.force_login(ann)

    assert rows not in page_of(client, job)
