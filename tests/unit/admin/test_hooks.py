from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.urls import reverse

from celery_jobman.admin.jobs import JobAdmin
from celery_jobman.models import Job
from tests.factories import finished_job

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.test import Client

pytestmark = pytest.mark.django_db


REPLACED = "\N{REPLACEMENT CHARACTER}"


class OwnAdmin(JobAdmin):
    def display_name(self, job: Job) -> str:
        return f"<i>{job.task}</i>\x07"

    def display_value(self, job: Job, name: str, value: Any) -> Any:  # noqa: ARG002 - the hook's
        return {**value, "sku": f"{value['sku']} <b>apples"} if name == "kwargs" else value

    def extra_facts(self, job: Job) -> Iterable[tuple[str, str]]:  # noqa: ARG002 - the hook's
        return [("Shop <b>", "Berlin\x07"), ("Nothing", "")]


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the site show jobs as a project's own admin does."""
    hooked = admin.site._registry[Job]
    for name in ("display_name", "display_value", "extra_facts"):
        monkeypatch.setattr(hooked, name, getattr(OwnAdmin(Job, admin.site), name))


def _page(client: Client, job: Job) -> str:
    return client.get(reverse("admin:jobman_job_change", args=[job.pk])).content.decode()


@pytest.mark.usefixtures("own")
def test_names_values_and_facts_are_the_projects(admin_client: Client) -> None:
    job = finished_job(kwargs=json.dumps({"sku": 42, "token": "hush"}))

    page = _page(admin_client, job)

    assert "<title>&lt;i&gt;demo.add&lt;/i&gt;\N{REPLACEMENT CHARACTER} |" in page
    assert page.count("42 &lt;b&gt;apples") == 3  # the page, Python and JSON
    assert "hush" not in page
    assert "<dt>Shop &lt;b&gt;</dt><dd>Berlin\N{REPLACEMENT CHARACTER}</dd>" in page
    assert "Nothing" not in page


@pytest.mark.usefixtures("own")
def test_a_download_shows_what_the_page_shows(admin_client: Client) -> None:
    job = finished_job(kwargs='{"sku": 42}')

    answer = admin_client.get(reverse("admin:jobman_job_data", args=[job.pk, "kwargs"]))

    assert json.loads(answer.content) == {"sku": "42 <b>apples"}


@pytest.mark.usefixtures("own")
def test_who_reveals_values_sees_them_as_they_are(admin_client: Client) -> None:
    job = finished_job(kwargs='{"sku": 42}')

    answer = admin_client.post(reverse("admin:jobman_job_reveal", args=[job.pk]), {"reason": "x"})

    assert "apples" not in answer.content.decode()


def test_without_a_project_jobs_are_shown_as_they_are(admin_client: Client) -> None:
    assert "<title>Nightly |" in _page(admin_client, finished_job(label="Nightly"))


@pytest.mark.usefixtures("own")
def test_the_list_calls_jobs_so_as_well(admin_client: Client) -> None:
    finished_job()

    page = admin_client.get(reverse("admin:jobman_job_changelist")).content.decode()

    assert f">&lt;i&gt;demo.<wbr>add&lt;/i&gt;{REPLACED}</a>" in page


@pytest.mark.usefixtures("own")
def test_a_name_of_the_projects_own_is_no_further_breadcrumb(admin_client: Client) -> None:
    job = finished_job(kwargs='{"sku": 42}')

    answer = admin_client.get(reverse("admin:jobman_job_change", args=[job.pk]))

    assert [crumb.text for crumb in answer.context["crumbs"]][3:] == [
        f"demo.add {answer.context['job'].pk!s:.8}…"
    ]
