from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from celery_jobman.states import State
from tests.factories import begun_batch, linked, member, nested

if TYPE_CHECKING:
    from django.test import Client

    from celery_jobman.models import Job

pytestmark = pytest.mark.django_db


def flow_of(client: Client, job: Job) -> str:
    page = client.get(reverse("admin:jobman_job_change", args=[job.pk])).content.decode()
    found = re.search(r'data-jobman-region="flow"[^>]*>(.*?)</section>', page, re.DOTALL)
    return found[1] if found else ""


def test_a_link_tells_its_workflow_its_place_and_its_neighbours(
    admin_client: Client, url: Any
) -> None:
    root = begun_batch(name="nightly", total=1)
    chain = nested(root, kind="chain", name="regions", total=3, succeeded=1)
    links = [
        member(chain, State.SUCCEEDED, task="demo.before"),
        member(chain, State.FAILED, task="demo.this"),
        member(chain, State.BLOCKED, task="demo.after"),
    ]
    linked(*links)

    told = flow_of(admin_client, links[1])

    assert "(link 2 of 3)" in told
    text = re.sub(r"<[^>]+>|\s+", " ", told)
    assert text.index("nightly") < text.index("regions")
    assert url(root) in told
    assert url(chain) in told
    assert re.search(r"After <a [^>]*>demo.before", told)
    assert re.search(r"Before <a [^>]*>demo.after", told)
    assert url(chain, "retry_from", member=links[1].pk) in told


def test_a_job_that_runs_cannot_be_started_from_again(admin_client: Client) -> None:
    told = flow_of(admin_client, member(begun_batch(total=1), State.RUNNING))

    assert "link" not in re.sub(r"<[^>]+>", "", told)
    assert 'aria-disabled="true"' in told
    assert "This is possible once it has ended." in told


def test_a_callback_says_what_it_is(admin_client: Client) -> None:
    told = flow_of(admin_client, member(begun_batch(total=1), State.SUCCEEDED, role="then"))

    assert "(callback: Then)" in told
    assert "Retry from here" not in told


def test_a_workflow_that_may_not_be_seen_is_not_named(client_with: Any) -> None:
    job = member(begun_batch(name="secret", total=1))

    assert not flow_of(client_with("view_job"), job)


def test_without_the_permission_nothing_is_offered(client_with: Any) -> None:
    job = member(begun_batch(name="nightly", total=1), State.FAILED)

    told = flow_of(client_with("view_job", "view_batch"), job)

    assert "nightly" in told
    assert "Retry from here" not in told
