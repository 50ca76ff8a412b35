from __future__ import annotations

import getpass
from typing import Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model

from celery_jobman.core.actions import name_of, record
from celery_jobman.models import Job, JobAction
from tests.factories import NOON, finished_job

pytestmark = pytest.mark.django_db


def test_an_action_is_recorded_with_who_what_when_why() -> None:
    job_id = uuid4()

    record(
        "retry", job_id, actor="ana", reason="network is back", now=NOON, changes={"step": "load"}
    )

    row = JobAction.objects.get()
    assert (row.verb, row.job_id, row.actor, row.reason, row.at) == (
        "retry", job_id, "ana", "network is back", NOON,
    )  # fmt: skip
    assert (row.changes, row.user) == ({"step": "load"}, None)


def test_a_user_is_recorded_as_one_and_by_name() -> None:
    user = get_user_model().objects.create(username="ana")

    action = record("retry", None, actor=user, reason="", now=NOON)

    assert (action.user, action.actor, action.changes) == (user, "ana", {})


def test_the_record_outlives_the_user() -> None:
    user = get_user_model().objects.create(username="ana")
    record("retry", None, actor=user, reason="", now=NOON)

    user.delete()

    row = JobAction.objects.get()
    assert (row.user, row.actor) == (None, "ana")


def test_the_record_outlives_the_job() -> None:
    job = finished_job()
    record("forget", job.id, actor="ana", reason="", now=NOON)

    Job.objects.filter(pk=job.id).delete()

    assert JobAction.objects.get().job_id == job.id


def test_nobody_is_the_operating_systems_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "deploy")

    assert name_of(None) == "deploy (system)"


@pytest.mark.parametrize("error", [OSError, KeyError])
def test_a_system_without_users_is_just_the_system(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    monkeypatch.setattr(getpass, "getuser", Mock(side_effect=error))

    assert name_of(None) == "system"


@pytest.mark.parametrize("actor", ["x" * 500, "a\x00b", "a\ud800b"])
def test_any_name_can_be_recorded(actor: Any) -> None:
    action = record("retry", None, actor=actor, reason=f"because {actor}", now=NOON)

    assert 0 < len(action.actor) <= 200
