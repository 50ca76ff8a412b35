"""A user who is deleted takes nothing along: batches finish, callbacks and hooks run.

All is committed here: PostgreSQL and SQLite look at foreign keys at the end of a transaction.
"""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model

from celery_jobman import batch
from celery_jobman.core import jobs
from celery_jobman.models import Job, Role
from celery_jobman.states import State
from celery_jobman.testing import run_jobs
from tests.celery_app import app
from tests.workflows import audit, deed, did, note

if TYPE_CHECKING:
    from pytest_django import Settings as Project

pytestmark = pytest.mark.django_db(transaction=True)

Users = get_user_model()


@app.task(name="owners.delete")
def delete_owner(user_id: int) -> None:
    Users.objects.filter(pk=user_id).delete()


@app.task(name="owners.fail")
def delete_owner_and_fail(user_id: int) -> None:
    Users.objects.filter(pk=user_id).delete()
    raise ValueError("nobody is there")


def owner() -> Any:
    return Users.objects.create_user("ana")


def test_a_batch_whose_owner_is_deleted_while_it_runs_finishes() -> None:
    user = owner()
    flow = batch([delete_owner.s(user.pk), deed.s("a")], owner=user)
    live = flow.then(note.si("then")).finally_(note.si("finally")).dispatch()

    run_jobs()

    assert live.row.state == State.SUCCEEDED
    assert sorted(did()) == ["a", "finally", "then"]
    audit(live.id)


def test_what_a_failure_calls_runs_though_its_owner_was_deleted() -> None:
    user = owner()
    flow = batch([delete_owner_and_fail.s(user.pk)], owner=user)
    live = flow.catch(note.si("catch")).finally_(note.si("finally")).dispatch()

    run_jobs()

    assert live.row.state == State.FAILED
    assert sorted(did()) == ["catch", "finally"]


def test_a_cancel_completes_though_the_owner_was_deleted() -> None:
    user = owner()
    live = batch([deed.s("a")], owner=user).finally_(note.si("finally")).dispatch()
    user.delete()

    live.cancel()
    run_jobs()

    assert live.row.state == State.CANCELLED
    assert did() == ["finally"]


def test_members_are_added_though_the_owner_was_deleted() -> None:
    user = owner()
    live = batch([deed.s("a")], owner=user).dispatch()
    user.delete()

    live.add([deed.s("b")])
    run_jobs()

    assert live.row.state == State.SUCCEEDED
    assert sorted(did()) == ["a", "b"]


def test_an_owner_who_is_deleted_in_the_middle_of_an_end_does_not_stop_it(
    monkeypatch: pytest.MonkeyPatch, settings: Project
) -> None:
    """The user goes between the question whether there is one, and the commit."""
    settings.JOBMAN = {"OUTAGE_PATIENCE": 5}
    user = owner()
    live = batch([deed.s("a")], owner=user).finally_(note.si("finally")).dispatch()
    living, asked = jobs.living, []

    def deleted_meanwhile(owner_id: Any) -> Any:
        asked.append(owner_id)
        return owner_id if len(asked) == 1 else living(owner_id)

    user.delete()
    monkeypatch.setattr(jobs, "living", deleted_meanwhile)

    run_jobs()

    callback = Job.objects.get(role=Role.FINALLY)
    assert (live.row.state, callback.state, callback.owner_id) == (
        State.SUCCEEDED, State.SUCCEEDED, None,
    )  # fmt: skip
    assert len(asked) == 2
