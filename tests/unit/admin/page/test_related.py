from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib import admin
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


def test_where_it_all_began_is_linked(admin_client: Client) -> None:
    first = queued_job(label="The first", task_id="root-of-all")
    job = queued_job(root_id="root-of-all")

    page = page_of(admin_client, job)

    assert "First of its chain or group" in page
    assert "The first" in page
    assert "First of its chain or group" not in page_of(admin_client, first)


def test_what_it_was_retried_as_is_linked_from_both_sides(admin_client: Client) -> None:
    original = finished_job(label="The original")
    copy = queued_job(retry_of=original.pk, label="The copy")

    assert "Retried as" in page_of(admin_client, original)
    assert reverse("admin:jobman_job_change", args=[copy.pk]) in page_of(admin_client, original)
    assert "The original" in page_of(admin_client, copy)


def test_a_failure_that_was_addressed_says_so_once(admin_client: Client) -> None:
    copy = queued_job()
    original = finished_job(replaced_by=copy.pk)
    Job.objects.filter(pk=copy.pk).update(retry_of=original.pk)

    related = page_of(admin_client, original).partition("<h2>Related</h2>")[2]

    assert related.count("Retried as") == 1


def test_the_jobs_that_it_started_are_counted_by_state_and_listed(admin_client: Client) -> None:
    job = queued_job()
    mine = [finished_job(parent_id=job.pk) for _ in range(2)]
    queued_job(parent_id=job.pk)
    finished_job()

    page = page_of(admin_client, job)
    href = f"{reverse('admin:jobman_job_changelist')}?parent_id={job.pk}&state__exact=failed"
    listed = admin_client.get(href).context["cl"].result_list

    assert href.replace("&", "&amp;") in page
    assert {row.pk for row in listed} == {row.pk for row in mine}


def test_more_children_than_are_counted_are_said_to_be_more(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("celery_jobman.admin.page.kin.CHILDREN", 2)
    job = queued_job()
    for _ in range(3):
        queued_job(parent_id=job.pk)

    assert ">2+ <" in page_of(admin_client, job)


def test_children_that_the_admin_hides_are_not_counted(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = queued_job()
    queued_job(parent_id=job.pk, queue="secret")
    scope = Job.objects.exclude(queue="secret")
    monkeypatch.setattr(admin.site._registry[Job], "get_queryset", lambda _request: scope)

    assert "Started by it" not in page_of(admin_client, job)
