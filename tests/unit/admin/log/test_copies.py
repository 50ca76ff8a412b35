from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin

from celery_jobman.admin.jobs import JobAdmin
from celery_jobman.admin.log.copies import context
from celery_jobman.admin.page.regions import Subject
from celery_jobman.models import Job
from tests.factories import NOON, finished_job

if TYPE_CHECKING:
    from django.test import RequestFactory

pytestmark = pytest.mark.django_db


def _copies(rf: RequestFactory, **fields: Any) -> dict[str, Any]:
    job = finished_job(**fields)
    row = Job.objects.without_payloads().get(pk=job.pk)
    return context(Subject(JobAdmin(Job, admin.site), rf.get("/"), row, NOON))


def test_the_call_can_be_taken_along_as_python(rf: RequestFactory) -> None:
    text = _copies(rf, args='["a", 1.5, null]', kwargs='{"deep": {"n": true}}', priority=3)[
        "python"
    ]
    calls: list[dict[str, Any]] = []

    class Task:
        def apply_async(self, **call: Any) -> None:
            calls.append(call)

    class Application:
        tasks = {"demo.add": Task()}

    body = text.partition("\n")[2]
    exec(body, {"current_app": Application})  # noqa: S102 - our own text

    assert text.startswith("from celery import current_app\n")
    assert calls == [
        {
            "args": ["a", 1.5, None],
            "kwargs": {"deep": {"n": True}},
            "queue": "celery",
            "priority": 3,
        }
    ]


def test_the_call_can_be_taken_along_as_json(rf: RequestFactory) -> None:
    call = json.loads(_copies(rf, args="[12345678901234567890123]")["json"])

    assert call["args"] == [12345678901234567890123]
    assert (call["task"], call["kwargs"], call["priority"]) == ("demo.add", {}, None)


def test_secrets_stay_masked(rf: RequestFactory) -> None:
    copies = _copies(rf, kwargs='{"token": "hush", "limit": 3}')

    assert "hush" not in copies["python"] + copies["json"]
    assert json.loads(copies["json"])["kwargs"] == {"token": "••• (hidden)", "limit": 3}


@pytest.mark.parametrize("args", ["no json", json.dumps(["x" * 70_000]), "[" * 50_000])
def test_what_cannot_be_read_or_is_long_is_not_offered(rf: RequestFactory, args: str) -> None:
    assert _copies(rf, args=args) == {}
