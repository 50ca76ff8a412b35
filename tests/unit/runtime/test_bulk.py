"""What is sent in bulk is what Celery's own call for one message sends."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from celery import Celery, signals
from celery.backends.rpc import RPCBackend
from django.utils import timezone

from celery_jobman.runtime import broker, bulk
from tests.factories import LATER, queued_job
from tests.unit.runtime.mail import messages_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Task

    from celery_jobman.models import Job

pytestmark = pytest.mark.django_db


@pytest.fixture
def taken() -> list[Job]:
    """Return what is filled with the jobs that have left."""
    return []


@pytest.fixture
def one() -> Mock:
    """Return what stands for Celery's call for one message."""
    return Mock()


def seen(message: Any) -> dict[str, Any]:
    """Return what a consumer sees of a message, but for what numbers its deliveries."""
    properties = {k: v for k, v in message.properties.items() if k != "delivery_tag"}
    envelope = (message.content_type, message.content_encoding, message.delivery_info)
    return {
        "headers": message.headers,
        "properties": properties,
        "body": message.payload,
        "envelope": envelope,
    }


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"args": "[1, [2, {}]]", "kwargs": '{"y": "' + "long" * 1000 + '"}'},
        {"priority": 3, "retries": 2, "label": "a name of its own"},
        {"message": '{"ignore_result": true, "reply_to": "somewhere", "parent_id": "p"}'},
        {"message": '{"time_limit": 9, "soft_time_limit": 7, "group_id": "g", "group_index": 4}'},
        {"message": '{"serializer": "json", "compression": "zlib", "delivery_mode": 1}'},
        {"message": '{"headers": {"trace": "00-1"}}'},
    ],
)
def test_a_message_is_the_one_that_celery_sends(
    app: Celery, task: Task, queue: str, one: Mock, columns: dict[str, Any], taken: list[Job]
) -> None:
    job = queued_job(task=task.name, queue=queue, **columns)
    broker._send(app, job, None)

    bulk.send(app, [job], taken, one)

    theirs, ours = map(seen, messages_in(app, queue))
    assert ours == theirs
    assert taken == [job]
    one.assert_not_called()


def test_one_whose_task_nobody_knows_here_is_sent(app: Celery, queue: str, one: Mock) -> None:
    job = queued_job(task="elsewhere.task", queue=queue)

    bulk.send(app, [job], [], one)

    (message,) = messages_in(app, queue)
    assert message.headers["task"] == "elsewhere.task"


@pytest.mark.parametrize(
    "columns",
    [
        {"expires_at": LATER},
        {"message": '{"link": [{"task": "demo.add"}]}'},
        {"message": '{"exchange": "x", "routing_key": "y"}'},
        {"message": '{"retry": false}'},
        {"message": '{"stamped_headers": ["trace"], "trace": "1"}'},
    ],
)
def test_anything_else_takes_celerys_way(
    app: Celery, task: Task, one: Mock, columns: dict[str, Any], taken: list[Job]
) -> None:
    job = queued_job(task=task.name, **columns)

    bulk.send(app, [job], taken, one)

    assert one.call_args.args == (app, job, None)
    assert "producer" in one.call_args.kwargs
    assert taken == [job]


def test_who_wraps_send_task_has_seen_the_message_when_its_row_was_written(
    queue: str, one: Mock
) -> None:
    class Traced(Celery):  # type: ignore[misc]
        def send_task(self, *_: Any, **__: Any) -> Any:
            pytest.fail("it is asked again, with nothing of the caller's around it")

    app = Traced("traced", broker="memory://", set_as_current=False)

    bulk.send(app, [queued_job(queue=queue)], [], one)

    assert len(messages_in(app, queue)) == 1
    one.assert_not_called()


def test_a_reply_queue_is_made_by_celery(one: Mock) -> None:
    app = Celery("replies", broker="memory://", backend="rpc://", set_as_current=False)
    assert isinstance(app.backend, RPCBackend)

    bulk.send(app, [queued_job()], [], one)

    one.assert_called_once()


def test_routes_are_asked(queue: str, one: Mock) -> None:
    app = Celery("routed", broker="memory://", set_as_current=False)
    app.conf.task_routes = {"demo.*": {"priority": 7}}

    bulk.send(app, [queued_job(task="demo.add", queue=queue)], [], one)

    (message,) = messages_in(app, queue)
    assert message.properties["priority"] == 7


def test_receivers_of_publishes_are_not_told_again(
    app: Celery, task: Task, queue: str, one: Mock
) -> None:
    receiver = Mock()
    signals.before_task_publish.connect(receiver, weak=False)
    signals.after_task_publish.connect(receiver, weak=False)
    try:
        bulk.send(app, [queued_job(task=task.name, queue=queue)], [], one)
    finally:
        signals.before_task_publish.disconnect(receiver)
        signals.after_task_publish.disconnect(receiver)

    receiver.assert_not_called()
    assert len(messages_in(app, queue)) == 1


def test_no_setting_is_read_that_only_the_newest_celery_has(
    app: Celery, one: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf, seen = app.conf, list[str]()

    class Noting:
        def __getattr__(self, name: str) -> Any:
            seen.append(name)
            return getattr(conf, name)

    monkeypatch.setattr(app, "_conf", Noting())
    monkeypatch.setattr(app.amqp, "create_task_message", Mock())

    bulk._Sender(app, Mock(), one)._message(queued_job(), [], {}, {})

    assert "task_send_sent_event" in seen
    assert "task_repr_maxlevels" not in seen  # 5.5 and 5.6 raise AttributeError


class Pipeline:
    """A producer that keeps what it is given until its pipeline ends, or breaks then."""

    supports_batch_publish = True

    def __init__(self, *, breaks: bool = False) -> None:
        self.kept: list[tuple[str, Any]] = []
        self.sent: list[str] = []
        self.breaks = breaks
        self.open = False

    @contextmanager
    def batch(self, max_size: int) -> Iterator[None]:
        assert max_size == bulk.TOGETHER
        self.open = True
        try:
            yield
        finally:
            self.open = False
        if self.breaks:
            raise ConnectionError("uncertain")
        self.sent += [name for name, _ in self.kept]

    def publish(self, _body: Any, **how: Any) -> None:
        name = how["headers"]["id"]
        if self.open:
            self.kept.append((name, how))
        else:
            self.sent.append(name)


@pytest.fixture
def piped(app: Celery, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """Give the app a producer with a pipeline."""
    producer = Pipeline()
    monkeypatch.setattr(app, "producer_or_acquire", lambda: nullcontext(producer))
    return producer


def test_they_leave_in_a_pipeline(
    app: Celery, queue: str, one: Mock, piped: Pipeline, taken: list[Job]
) -> None:
    jobs = [queued_job(queue=queue) for _ in range(3)]

    bulk.send(app, jobs, taken, one)

    assert piped.sent == [job.task_id for job in jobs]
    assert taken == jobs
    # The queue is declared with the first, and a broken connection is not renewed in between.
    assert [[q.name for q in how["declare"]] for _, how in piped.kept] == [[queue], [], []]
    assert {how["retry"] for _, how in piped.kept} == {False}


def test_should_the_pipeline_fail_they_leave_one_by_one(
    app: Celery, queue: str, one: Mock, piped: Pipeline, taken: list[Job]
) -> None:
    piped.breaks = True
    jobs = [queued_job(queue=queue) for _ in range(3)]

    bulk.send(app, jobs, taken, one)

    assert piped.sent == [job.task_id for job in jobs]
    assert taken == jobs


def test_it_ends_with_the_first_that_is_refused(
    app: Celery, one: Mock, piped: Pipeline, taken: list[Job]
) -> None:
    jobs = [queued_job(), queued_job(expires_at=LATER), queued_job()]
    one.side_effect = ValueError("cannot be sent")

    with pytest.raises(ValueError, match="cannot be sent"):
        bulk.send(app, jobs, taken, one)

    assert taken == jobs[:1]
    assert piped.sent == [jobs[0].task_id]


def test_a_delay_that_the_database_held_is_told(app: Celery, queue: str, one: Mock) -> None:
    now = timezone.now()
    job: Job = queued_job(queue=queue, available_at=now)

    bulk.send(app, [job], [], one)

    (message,) = messages_in(app, queue)
    assert message.headers["jobman"]["eta"] == now.isoformat()
