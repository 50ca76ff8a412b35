from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.test import RequestFactory

from celery_jobman.admin.jobs import JobAdmin
from celery_jobman.admin.page.facts import facts
from celery_jobman.admin.page.regions import Subject
from celery_jobman.models import Job
from celery_jobman.models.ids import uuid7
from tests.factories import EARLIER, NOON, finished_job, queued_job, worker

if TYPE_CHECKING:
    from celery_jobman.admin.page.facts import Fact

pytestmark = pytest.mark.django_db


def shown(job: Job) -> dict[str, Fact]:
    subject = Subject(JobAdmin(Job, admin.site), RequestFactory().get("/"), job, NOON)
    return {fact.name: fact for fact in facts(subject)["facts"]}


def test_what_is_empty_is_left_out() -> None:
    told = shown(queued_job())

    assert set(told) == {"ID", "Task", "Queue", "Created", "Waited"}
    assert told["Waited"].value == "5m"


def test_what_there_is_is_told() -> None:
    parent = uuid7()
    job = finished_job(
        task_id="celery-id",
        priority=0,
        owner=get_user_model().objects.create_user("ann"),
        tags=["nightly", "eu"],
        queued_at=EARLIER - timedelta(seconds=3),
        worker_id=worker(hostname="w3@host").pk,
        pid=7,
        parent_id=parent,
        code_version="1.4.2",
    )

    told = {name: fact.value for name, fact in shown(job).items()}

    assert told["Task ID"] == "celery-id"
    assert told["Priority"] == "0"
    assert (told["Owner"], told["Tags"]) == ("ann", "nightly, eu")
    assert (told["Waited"], told["Ran"]) == ("3s", "5m")
    assert (told["Worker"], told["Process ID"], told["Code version"]) == ("w3@host", "7", "1.4.2")
    assert str(parent) in shown(job)["Parent"].href


def test_attributes_are_shown_and_secrets_are_masked() -> None:
    told = shown(queued_job(attribs={"supplier": "ACME", "rows": [1], "password": "hunter2"}))

    assert told["supplier"].value == "ACME"
    assert told["rows"].value == "[1]"
    assert "hunter2" not in str(told)


@pytest.mark.parametrize("odd", [[], "text", None, 7])
def test_odd_attributes_do_no_harm(odd: object) -> None:
    job = queued_job()
    job.attribs, job.tags, job.declared_steps = odd, odd, odd

    assert "ID" in shown(job)
