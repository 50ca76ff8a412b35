from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from celery_jobman.models import JobAction
from tests.factories import finished_job

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from celery_jobman.models import Job

pytestmark = pytest.mark.django_db


def _url(job: Job) -> str:
    return reverse("admin:jobman_job_reveal", args=[job.pk])


@pytest.fixture
def job() -> Job:
    return finished_job(kwargs='{"password": "s3cr3t<b>"}', result='{"token": "t0k3n"}')


@pytest.fixture
def ann() -> User:
    user = get_user_model().objects.create_user("ann", is_staff=True)
    names = ("view_job", "view_job_args", "view_job_secrets")
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return user


def test_the_values_are_shown_and_that_is_written_down(client: Client, job: Job, ann: User) -> None:
    client.force_login(ann)

    answer = client.post(_url(job), {"reason": " ticket 7 "})

    page = answer.content.decode()
    assert "s3cr3t&lt;b&gt;" in page
    assert "t0k3n" not in page  # may not see results
    assert "no-store" in answer["Cache-Control"]
    action = JobAction.objects.get()
    assert (action.verb, action.job_id, action.user_id) == ("reveal", job.pk, ann.pk)
    assert (action.reason, action.actor) == ("ticket 7", "ann")
    assert "args" in action.changes["revealed"]
    assert "s3cr3t" not in str(action.changes)
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.user_id) == (str(job.pk), ann.pk)
    assert "ticket 7" in entry.get_change_message()


def test_a_reason_full_of_control_characters_is_kept_clean(
    client: Client, job: Job, ann: User
) -> None:
    client.force_login(ann)

    assert client.post(_url(job), {"reason": "a\x00b" + "x" * 20_000}).status_code == 200
    assert "\x00" not in JobAction.objects.get().reason


def test_asking_by_get_reveals_nothing(admin_client: Client, job: Job) -> None:
    answer = admin_client.get(_url(job))

    assert answer.status_code == 405
    assert b"s3cr3t" not in answer.content
    assert not JobAction.objects.exists()


def test_a_post_from_elsewhere_is_refused(job: Job, ann: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ann)

    assert client.post(_url(job)).status_code == 403
    assert not JobAction.objects.exists()


def test_without_the_permission_there_is_no_such_page(client: Client, job: Job, ann: User) -> None:
    ann.user_permissions.remove(Permission.objects.get(codename="view_job_secrets"))
    client.force_login(ann)

    assert client.post(_url(job)).status_code == 404
    assert not JobAction.objects.exists()
