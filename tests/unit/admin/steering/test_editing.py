from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from celery_jobman import JobTask
from celery_jobman.core.redaction import MASK
from celery_jobman.models import Job, JobAction
from celery_jobman.models.ids import uuid7
from celery_jobman.states import State
from tests.factories import checkpoint, finished_job

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from celery import Celery
    from django.test import Client

pytestmark = pytest.mark.django_db

TASK = "tests.editing.send"


@pytest.fixture(autouse=True)
def task(app: Celery) -> Any:
    """A task with a signature to be checked."""

    @app.task(base=JobTask, name=TASK, shared=False)  # type: ignore[untyped-decorator]
    def send(to: str, limit: int = 1, token: str = "") -> None: ...

    yield send
    app.tasks.pop(TASK, None)


def _job(**fields: Any) -> Job:
    kwargs = json.dumps({"limit": 3, "token": "hush"})
    return finished_job(State.FAILED, **{"task": TASK, "args": '["a"]', "kwargs": kwargs, **fields})


@pytest.fixture
def edit(admin_client: Client, url: Any, send: Any) -> Callable[..., Any]:
    """Open the page, change what is given, and send it."""

    def edit(job: Job, **changes: Any) -> Any:
        form = admin_client.get(url(job, "edit_retry")).context["form"]
        fields = {name: form[name].value() or "" for name in form.fields}
        return send(admin_client, job, "edit_retry", **{**fields, **changes})

    return edit


def _fork() -> Job:
    return Job.objects.get(retry_of__isnull=False)


def test_the_page_shows_the_arguments_masked(admin_client: Client, url: Any) -> None:
    page = admin_client.get(url(_job(), "edit_retry")).content.decode()

    assert "hush" not in page
    assert MASK in page


def test_a_new_job_runs_with_the_new_arguments(edit: Any, said: Any) -> None:
    job = _job()

    answer = edit(job, kwargs=json.dumps({"limit": 4, "token": MASK}), reason="typo")

    copy = _fork()
    assert copy.arguments == (["a"], {"limit": 4, "token": "hush"})
    assert str(copy.pk) in said(answer)
    assert JobAction.objects.get().reason == "typo"


@pytest.mark.parametrize("link", [None, uuid7()])
def test_a_member_of_a_workflow_is_not_replaced_in_it(
    admin_client: Client, url: Any, link: UUID | None
) -> None:
    job = _job(next_id=link)

    page = admin_client.get(url(job, "edit_retry")).content.decode()

    assert ("It stands alone" in page) is bool(link)


def test_a_check_shows_the_changes_and_writes_nothing(edit: Any) -> None:
    answer = edit(_job(), kwargs=json.dumps({"limit": 4, "token": MASK}), check="1")

    page = answer.content.decode()
    assert [tuple(d) for d in answer.context["differences"]] == [("kwargs.limit", "3", "4")]
    assert "fit the task" in page
    assert "hush" not in page
    assert Job.objects.count() == 1


def test_a_changed_secret_is_not_shown(edit: Any) -> None:
    answer = edit(_job(), kwargs=json.dumps({"limit": 3, "token": "new"}), check="1")

    assert [d.path for d in answer.context["differences"]] == ["kwargs"]


def test_the_same_form_twice_makes_one_job(
    admin_client: Client, url: Any, send: Any, said: Any
) -> None:
    job = _job()
    form = admin_client.get(url(job, "edit_retry")).context["form"]
    fields = {name: form[name].value() or "" for name in form.fields}

    send(admin_client, job, "edit_retry", **fields)
    again = send(admin_client, job, "edit_retry", **fields)

    assert Job.objects.filter(retry_of=job.pk).count() == 1
    assert JobAction.objects.count() == 1
    assert "sent already" in said(again)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("kwargs", '{"limit": 4,\n "to": }', "Line 2, column 8"),
        ("kwargs", "[]", "are an object"),
        ("args", "{}", "are a list"),
        ("args", "[NaN]", "not JSON"),
        ("args", "[" * 100_000, "nested too deep"),
        ("args", "[" * 200 + "]" * 200, "nested too deep"),
        ("args", "[" + "1" * 5000 + "]", "not JSON"),
        ("args", '["' + "x" * 1_000_001 + '"]', "longer than 1 MB"),
        ("args", '["\x00"]', "Null characters"),
        ("kwargs", json.dumps({"limit": MASK}), "kwargs.limit"),
    ],
)
def test_what_cannot_be_read_is_the_fields_error(
    edit: Any, name: str, text: str, words: str
) -> None:
    answer = edit(_job(), **{name: text})

    assert words in str(answer.context["form"].errors[name])
    assert Job.objects.count() == 1


def test_arguments_that_do_not_fit_are_refused(edit: Any) -> None:
    answer = edit(_job(), kwargs='{"colour": "red"}')

    assert "do not fit" in answer.content.decode()
    assert Job.objects.count() == 1


@pytest.mark.parametrize("token", ["", "x", "a:b:c"])
def test_a_token_that_is_not_ours_is_refused(edit: Any, token: str) -> None:
    assert edit(_job(), token=token).context["form"].errors["token"]
    assert Job.objects.count() == 1


def test_a_token_of_another_job_is_refused(admin_client: Client, url: Any, edit: Any) -> None:
    other = admin_client.get(url(_job(), "edit_retry")).context["form"]["token"].value()

    assert edit(_job(), token=other).context["form"].errors["token"]


def test_checkpoints_before_a_step_are_reused(edit: Any) -> None:
    job = _job(declared_steps=["fetch", "load"])
    checkpoint(job, "fetch", "a file")

    edit(job, from_step="load")

    assert [step.name for step in _fork().steps.all()] == ["fetch"]


def test_half_a_surrogate_can_be_shown_and_sent_back(edit: Any) -> None:
    edit(_job(args='["\\ud800"]'))

    assert _fork().arguments[0] == ["\ud800"]


def test_dates_stay_dates(edit: Any) -> None:
    date = {"__type__": "date", "__value__": "2026-01-31"}

    edit(_job(args=json.dumps([date])))

    assert _fork().arguments[0] == [date]


def test_arguments_too_long_for_a_form_are_not_offered(admin_client: Client, url: Any) -> None:
    job = _job(args=json.dumps(["x" * 1_000_001]))

    assert "longer than 1 MB" in admin_client.get(url(job, "edit_retry")).content.decode()


def test_a_task_that_is_not_registered_cannot_be_edited(admin_client: Client, url: Any) -> None:
    page = admin_client.get(url(_job(task="gone.away"), "edit_retry")).content.decode()

    assert "not registered here" in page


def test_the_old_failure_is_marked_as_addressed(admin_client: Client, edit: Any) -> None:
    job = _job()

    edit(job)

    job.refresh_from_db()
    assert job.replaced_by == _fork().pk
    page = admin_client.get(reverse("admin:jobman_job_change", args=[job.pk])).content.decode()
    copy = admin_client.get(reverse("admin:jobman_job_change", args=[_fork().pk])).content.decode()
    assert f'Retried as <a class="jm-mono" href="/admin/jobman/job/{_fork().pk}/change/' in page
    assert f'Retry of: <a href="/admin/jobman/job/{job.pk}/change/' in copy


def test_the_old_failure_can_be_left_as_it_is(edit: Any) -> None:
    job = _job()

    edit(job, addressed="")

    job.refresh_from_db()
    assert job.replaced_by is None
    assert _fork().retry_of == job.pk


def test_only_a_failure_can_be_addressed(admin_client: Client, url: Any) -> None:
    job = _job()
    Job.objects.filter(pk=job.pk).update(state=State.SUCCEEDED)

    form = admin_client.get(url(job, "edit_retry")).context["form"]

    assert "addressed" not in form.fields
