"""Pages and commands stand that rows of a workflow were deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command
from django.urls import reverse

from celery_jobman import batch, group
from celery_jobman.models import Batch, Job
from celery_jobman.testing import run_jobs
from tests.workflows import broken, deed

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("end", ["waits", "succeeded", "failed"])
@pytest.mark.parametrize("gone", ["root", "inner", "a", "b", "x"])
def test_what_is_left_of_a_workflow_is_shown(gone: str, end: str, admin_client: Client) -> None:
    chain, nested = [deed.s("a"), deed.s("b"), deed.s("c")], group([deed.si("x"), deed.si("y")])
    root = batch([chain, [nested, deed.si("z")]]).dispatch()
    rows: dict[str, Job | Batch] = {job.arguments[0][-1]: job for job in Job.objects.all()}
    rows |= {"root": root.row, "inner": Batch.objects.get(batch_id=root.id)}
    broken.update("ax" if end == "failed" else "")
    if end != "waits":
        run_jobs()

    rows[gone].delete()

    for job in Job.objects.all():
        page = reverse("admin:jobman_job_change", args=[job.pk])
        assert admin_client.get(page).status_code == 200
        call_command("jobman", "show", str(job.pk))
    for row in Batch.objects.all():
        page = reverse("admin:jobman_batch_change", args=[row.pk])
        assert admin_client.get(page).status_code == 200
        call_command("jobman", "batch", "show", str(row.pk))
    for name in ("job", "batch"):
        page = reverse(f"admin:jobman_{name}_changelist")
        assert admin_client.get(page).status_code == 200
