from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from celery.app.task import Context
from django.contrib.auth import get_user_model
from django.utils import timezone

from celery_jobman.core import jobs, terms
from celery_jobman.exceptions import UnencodableValue
from celery_jobman.models import Job
from celery_jobman.runtime.messages import (
    HEADER,
    changed_by_retry,
    compose,
    decode,
    due,
    encode,
    from_request,
    header,
    header_of,
    publish_options,
)
from celery_jobman.states import State
from tests.factories import EARLIER, LATER, NOON, queued_job, unsaved_job

if TYPE_CHECKING:
    from celery import Task
    from pytest_django import Settings as Project

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOON)


def composed(task: Task, **options: Any) -> Any:
    return compose(task, (1,), {"y": 2}, None, options)


def test_a_call_becomes_a_queued_job(task: Task) -> None:
    job = composed(task)

    assert (job.task, job.state, job.queue) == ("demo.add", State.QUEUED, "celery")
    assert (job.args, job.kwargs, job.preview) == ("[1]", '{"y": 2}', "1, y=2")
    assert job.task_id == job.root_id == str(job.id)


def test_the_caller_may_choose_the_task_id(task: Task) -> None:
    job = compose(task, (1,), {}, "nightly", {})

    assert job.task_id == job.root_id == "nightly"
    assert str(job.id) != "nightly"


@pytest.mark.parametrize(
    ("options", "column", "value"),
    [
        ({"queue": "slow"}, "queue", "slow"),
        ({"routing_key": "slow", "exchange": ""}, "queue", "celery"),
        ({"priority": 3}, "priority", 3),
        ({"retries": 2}, "retries", 2),
        ({"root_id": "r1"}, "root_id", "r1"),
        ({"group_id": "g1"}, "group_id", "g1"),
        ({"shadow": "Nightly import"}, "label", "Nightly import"),
        ({"tags": ["nightly"]}, "tags", ["nightly"]),
        ({"attribs": {"shop": 7}}, "attribs", {"shop": 7}),
        ({"owner": 5}, "owner_id", 5),
        ({"expires": 60}, "expires_at", NOON + timedelta(seconds=60)),
        ({"expires": LATER}, "expires_at", LATER),
        ({"expires": LATER.isoformat()}, "expires_at", LATER),
    ],
)
def test_an_option_becomes_a_column(
    task: Task, options: dict[str, Any], column: str, value: Any
) -> None:
    assert getattr(composed(task, **options), column) == value


def test_an_owner_may_be_a_user(task: Task) -> None:
    user = get_user_model().objects.create(username="ana")

    assert composed(task, owner=user).owner_id == user.pk


def test_the_tasks_own_options_are_noted(task: Task, settings: Project) -> None:
    settings.JOBMAN = {"CODE_VERSION": "1.2"}
    task.max_attempts, task.steps, task.tags = 5, ("fetch", "load"), ("nightly",)

    job = composed(task)

    assert (job.max_attempts, job.declared_steps) == (5, ["fetch", "load"])
    assert (job.tags, job.code_version) == (["nightly"], "1.2")


@pytest.mark.parametrize(
    ("options", "moment"),
    [
        ({}, None),
        ({"countdown": 0}, None),
        ({"countdown": 60}, NOON + timedelta(seconds=60)),
        ({"countdown": 1.5}, NOON + timedelta(seconds=1.5)),
        ({"eta": LATER}, LATER),
        ({"eta": LATER.isoformat()}, LATER),
        ({"eta": LATER.replace(tzinfo=None)}, LATER),
        ({"eta": EARLIER}, None),
        ({"eta": LATER, "countdown": 1}, NOON + timedelta(seconds=1)),
        ({"eta": LATER, "countdown": 0}, LATER),
        ({"eta": EARLIER, "countdown": 60}, NOON + timedelta(seconds=60)),
    ],
)
def test_when_a_call_asks_to_begin(options: dict[str, Any], moment: datetime | None) -> None:
    assert due(options, NOON) == moment


def test_a_call_for_later_is_held_in_the_database(task: Task) -> None:
    job = composed(task, countdown=60)

    assert (job.state, job.available_at) == (State.SCHEDULED, NOON + timedelta(seconds=60))


def test_a_message_can_be_sent_again_as_it_was_sent_first(task: Task) -> None:
    options = {
        "priority": 3, "shadow": "Nightly", "queue": "slow", "retries": 2, "root_id": "r1",
        "expires": LATER, "time_limit": 60, "headers": {"tenant": "t1"}, "link": task.si(1),
        "group_id": "g1", "ignore_result": True,
    }  # fmt: skip
    job = compose(task, (1,), {"y": 2}, None, options)
    job.delivery, job.created_at = 1, NOON
    job.save(force_insert=True)

    first = publish_options(job, options)
    again = publish_options(Job.objects.get(pk=job.id))

    assert again == decode(encode(first, "the options"))
    assert first["headers"] == {"tenant": "t1", HEADER: header(job)}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"queue": "celery"}),
        ({"queue": "slow"}, {"queue": "slow"}),
        ({"routing_key": "a.b", "exchange": "x"}, {"routing_key": "a.b", "exchange": "x"}),
        ({"priority": 0}, {"priority": 0}),
        ({"expires": LATER}, {"expires": LATER}),
        ({"shadow": "Nightly"}, {"shadow": "Nightly"}),
    ],
)
def test_the_message_carries_what_the_row_says(
    task: Task, options: dict[str, Any], expected: dict[str, Any]
) -> None:
    job = composed(task, **options)

    sent = publish_options(job)

    assert {name: sent[name] for name in expected} == expected
    assert (sent["task_id"], sent["root_id"], sent["retries"]) == (job.task_id, job.root_id, 0)


@pytest.mark.parametrize(
    "option",
    [
        {"producer": object()},
        {"connection": object()},
        {"router": object()},
        {"countdown": 5},
        {"eta": LATER},
        {"owner": 5},
        {"tags": ["nightly"]},
        {"attribs": {"shop": 7}},
        {"track": True},
        {"after_commit": False},
        {"add_to_parent": False},
    ],
)
def test_what_makes_sense_for_one_call_only_is_not_stored(
    task: Task, option: dict[str, Any]
) -> None:
    job = composed(task, **option)

    assert not option.keys() & decode(job.message).keys()


def test_a_message_that_names_its_exchange_names_no_queue(task: Task) -> None:
    job = composed(task, routing_key="a.b", exchange="x")

    assert "queue" not in publish_options(job)


def test_our_header_names_the_job_the_delivery_and_the_attempt() -> None:
    job = unsaved_job(delivery=3, attempt=1, trigger="operator")

    assert header(job) == {
        "v": 1, "job": str(job.id), "delivery": 3, "attempt": 2, "trigger": "operator",
        "redelivered": False,
    }  # fmt: skip


def test_the_header_of_a_delayed_job_tells_when_it_was_due() -> None:
    assert header(unsaved_job(available_at=NOON))["eta"] == NOON.isoformat()


def test_an_old_header_of_ours_is_replaced(task: Task) -> None:
    job = composed(task, headers={HEADER: {"job": "another"}, "tenant": "t1"})

    assert decode(job.message)["headers"] == {"tenant": "t1"}
    assert publish_options(job)["headers"][HEADER]["job"] == str(job.id)


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        ({HEADER: {"job": "1"}}, {"job": "1"}),
        ({"headers": {HEADER: {"job": "1"}}}, {"job": "1"}),
        ({"headers": None}, None),
        ({"headers": {}}, None),
        ({"headers": {HEADER: "forged"}}, None),
        ({"headers": {HEADER: {"delivery": 1}}}, None),
    ],
)
def test_our_header_is_found_wherever_celery_puts_it(request_: Any, found: Any) -> None:
    assert header_of(Context(request_)) == found


def test_an_option_that_cannot_be_stored_is_refused(task: Task) -> None:
    with pytest.raises(UnencodableValue, match="a message option"):
        composed(task, headers={"tenant": object()})


def test_a_foreign_message_becomes_a_job(task: Task) -> None:
    request = Context(
        {
            "id": "foreign", "args": [1], "kwargs": {"y": 2}, "root_id": "r1", "retries": 1,
            "delivery_info": {"routing_key": "slow", "priority": 3}, "timelimit": [60, None],
        }
    )  # fmt: skip

    job = from_request(task, request)

    assert (job.task_id, job.root_id, job.queue, job.priority) == ("foreign", "r1", "slow", 3)
    assert (job.arguments, job.retries) == (([1], {"y": 2}), 1)


FOREIGN: list[tuple[dict[str, Any], str, Any]] = [
    ({"shadow": "s" * 300}, "label", "s" * 254 + "…"),
    ({"shadow": "a\0b\ud800"}, "label", "a\ufffdb?"),
    ({"group": "g" * 300}, "group_id", "g" * 254 + "…"),
    ({"root_id": "r" * 300}, "root_id", "r" * 254 + "…"),
    ({"expires": "9999-12-31T23:59:59-05:00"}, "expires_at", terms.LATEST),
    ({"expires": "0001-01-01T00:00:00+05:00"}, "expires_at", terms.EARLIEST),
    ({"expires": "2030-06-01T12:00:00"}, "expires_at", datetime(2030, 6, 1, 12, tzinfo=UTC)),
]


@pytest.mark.parametrize(("fields", "column", "value"), FOREIGN)
def test_what_no_row_can_hold_of_a_foreign_message_is_bent(
    task: Task, fields: dict[str, Any], column: str, value: Any
) -> None:
    request = Context({"id": "foreign", "args": [1], "kwargs": {}, "delivery_info": {}, **fields})

    with timezone.override("Asia/Tokyo"):
        job = from_request(task, request)
    jobs.enqueue(job, now=NOON)
    job.refresh_from_db()

    assert getattr(job, column) == value


def test_a_foreign_message_goes_back_to_the_exchange_that_it_came_from(task: Task) -> None:
    delivery = {"exchange": "media", "routing_key": "video.hd"}
    request = Context({"id": "foreign", "args": [1], "kwargs": {}, "delivery_info": delivery})

    job = from_request(task, request)

    assert delivery.items() <= publish_options(job).items()
    assert "queue" not in publish_options(job)


def test_a_foreign_message_without_delivery_info_becomes_one_too(task: Task) -> None:
    request = Context({"id": "foreign", "args": [1], "kwargs": {}, "delivery_info": None})

    assert from_request(task, request).queue == "celery"


def test_a_retry_changes_what_the_next_attempt_gets(task: Task) -> None:
    options = {"retries": 2, "countdown": 60, "queue": "slow", "priority": 5, "time_limit": 9}

    columns = changed_by_retry(task, (7,), {"y": 8}, options)

    assert decode(columns.pop("message"))["time_limit"] == 9
    assert columns == {
        "retries": 2, "args": "[7]", "kwargs": '{"y": 8}', "queue": "slow", "priority": 5,
        "available_at": NOON + timedelta(seconds=60),
    }  # fmt: skip


def test_a_retry_with_bad_arguments_names_them(task: Task) -> None:
    with pytest.raises(UnencodableValue, match="argument 1"):
        changed_by_retry(task, ({7},), {}, {"retries": 1})


def test_a_job_whose_message_was_never_stored_can_be_sent() -> None:
    job = queued_job()

    assert publish_options(job)["task_id"] == job.task_id
