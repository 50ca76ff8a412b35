from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from celery_jobman.admin.listing import names
from celery_jobman.models import Job
from tests.factories import finished_job, queued_job, running_job, worker

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db

LIST = "admin:jobman_job_changelist"


def page(client: Client, **query: Any) -> Any:
    answer = client.get(reverse(LIST), query)
    assert answer.status_code == 200
    return answer


def shown(answer: Any) -> list[Job]:
    return list(answer.context["cl"].result_list)


def titles(answer: Any) -> list[str]:
    return [str(spec.title) for spec in answer.context["cl"].filter_specs]


def test_jobs_are_filtered_by_their_owner(admin_client: Client) -> None:
    ann = get_user_model().objects.create_user("ann <b>")
    job = queued_job(owner=ann)
    queued_job()

    answer = page(admin_client, owner="ann <b>")

    assert shown(answer) == [job]
    assert "owner=ann+%3Cb%3E" in answer.content.decode()
    assert '<option value="owner:ann &lt;b&gt;">' in answer.content.decode()


def test_jobs_are_filtered_by_the_worker_that_runs_them(admin_client: Client) -> None:
    job = running_job(worker_id=worker(hostname="w1@host").pk)
    running_job(worker_id=worker(hostname="w2@host").pk)

    answer = page(admin_client, worker="w1@host")

    assert shown(answer) == [job]
    assert "worker=w2%40host" in answer.content.decode()


@pytest.mark.parametrize("name", ["owner", "worker", "task", "queue"])
def test_a_name_of_nothing_finds_nothing_and_stays_chosen(admin_client: Client, name: str) -> None:
    queued_job()

    answer = page(admin_client, **{name: "nobody"})

    assert shown(answer) == []
    assert name in titles(answer)


def test_a_filter_without_choices_is_not_drawn(admin_client: Client) -> None:
    assert titles(page(admin_client)) == ["time of creation"]
    queued_job()
    assert titles(page(admin_client)) == ["task", "queue", "time of creation"]
    queued_job(owner=get_user_model().objects.create_user("ann"))
    worker()
    assert titles(page(admin_client)) == ["task", "queue", "owner", "worker", "time of creation"]


def test_a_list_of_some_jobs_names_only_their_owners_and_workers(admin_client: Client) -> None:
    users = [get_user_model().objects.create_user(name) for name in ("ann", "bob")]
    running_job(owner=users[0], worker_id=worker(hostname="w1@host").pk)
    running_job(owner=users[1], worker_id=worker(hostname="w2@host").pk)
    some = Job.objects.filter(owner=users[0])

    with mock.patch.object(type(admin.site._registry[Job]), "get_queryset", return_value=some):
        body = page(admin_client).content.decode()

    assert "owner:ann" in body
    assert "worker:w1@host" in body
    assert "owner:bob" not in body
    assert "w2@host" not in body


def test_names_of_owners_are_found_without_reading_the_jobs() -> None:
    users = [get_user_model().objects.create_user(name) for name in ("bob", "ann", "idle")]
    for user in (*users[:2], *users[:2], None):
        finished_job(owner=user)

    with CaptureQueriesContext(connection) as queries:
        assert names.owners() == ["ann", "bob"]

    assert len(queries) == 2
    assert not [query for query in queries if "DISTINCT" in query["sql"]]


def test_without_owners_no_user_is_asked_for() -> None:
    queued_job()

    assert names.owners() == []
    assert names.workers() == []
