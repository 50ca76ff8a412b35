from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from celery_jobman.admin.page import live, screen
from celery_jobman.core import progress
from celery_jobman.models.ids import uuid7
from tests.factories import NOON, attempt, checkpoint, finished_job, queued_job, running_job

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries

    from celery_jobman.models import Job

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ages would differ from one answer to the next."""

    class Noon:
        @staticmethod
        def now() -> Any:
            return NOON

    monkeypatch.setattr(live, "timezone", Noon)
    monkeypatch.setattr(screen, "timezone", Noon)


def asked(client: Client, job_id: object, **versions: str) -> Any:
    return client.get(reverse("admin:jobman_job_state", args=[job_id]), versions)


def versions_of(answer: Any) -> dict[str, str]:
    return {name: part["version"] for name, part in answer.json()["regions"].items()}


def test_only_what_changed_comes_again(admin_client: Client) -> None:
    job = running_job(progress_current=1, progress_total=10, progress_at=NOON)
    first = asked(admin_client, job.pk)
    held = {name: version for name, version in versions_of(first).items() if version}

    assert asked(admin_client, job.pk, **held).json()["regions"] == {}

    report = progress.Progress(7, 10)
    progress.write(job.pk, 1, now=NOON, report=report, step="")
    changed = asked(admin_client, job.pk, **held).json()["regions"]

    assert list(changed) == ["progress"]
    assert "7 of 10" in changed["progress"]["html"]


def test_the_page_and_the_live_answer_agree(admin_client: Client) -> None:
    job = finished_job(progress_current=3)
    attempt(job)
    page = admin_client.get(reverse("admin:jobman_job_change", args=[job.pk])).content.decode()

    for name, part in asked(admin_client, job.pk).json()["regions"].items():
        shown = f'data-jobman-region="{name}" data-jobman-version="{part["version"]}"'
        assert shown in page, name


def test_a_region_that_is_gone_comes_empty(admin_client: Client) -> None:
    answer = asked(admin_client, queued_job().pk, progress="0123", nonsense="\x00")

    assert answer.json()["regions"]["progress"] == {"version": "", "html": ""}
    assert "nonsense" not in answer.json()["regions"]


def test_it_says_whether_the_job_has_ended(admin_client: Client) -> None:
    assert asked(admin_client, finished_job().pk).json()["final"] is True
    assert asked(admin_client, running_job().pk).json()["final"] is False
    assert asked(admin_client, running_job().pk).json()["at"] == NOON.isoformat()


def test_unknown_and_forbidden_jobs_look_the_same(client: Client, admin_client: Client) -> None:
    assert asked(admin_client, uuid7()).status_code == 404
    ann = get_user_model().objects.create_user("ann", is_staff=True)
    client.force_login(ann)

    assert asked(client, queued_job().pk).status_code == 404
    assert asked(client, uuid7()).status_code == 404


def test_it_is_only_read(admin_client: Client) -> None:
    url = reverse("admin:jobman_job_state", args=[queued_job().pk])

    assert admin_client.post(url).status_code == 405


def test_it_is_never_cached(admin_client: Client) -> None:
    assert "no-store" in asked(admin_client, queued_job().pk).headers["Cache-Control"]


def test_it_costs_the_same_however_much_the_job_did(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    def cost(job: Job) -> int:
        with django_assert_max_num_queries(25) as queries:
            asked(admin_client, job.pk)
        return len(queries.captured_queries)

    small = running_job(attempt=2)
    attempt(small, number=1)
    checkpoint(small, "a")
    big = running_job(attempt=21)
    for number in range(1, 21):
        attempt(big, number=number)
        checkpoint(big, f"step {number}", attempt=number)
    cost(small)

    assert cost(big) == cost(small)
