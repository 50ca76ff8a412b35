from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from celery import Celery, Task
from kombu import Exchange, Queue, binding
from kombu.exceptions import OperationalError
from kombu.transport import memory, virtual

from celery_jobman import JobTask
from celery_jobman.models import Job
from celery_jobman.runtime import broker, messages, queues
from celery_jobman.runtime.messages import compose
from tests.factories import queued_job
from tests.unit.runtime.mail import messages_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import DjangoCaptureOnCommitCallbacks as Commit

pytestmark = pytest.mark.django_db

MEDIA = Exchange("media", type="topic")
ROUTES = {
    "by_exchange": {"exchange": "media", "routing_key": "video.hd"},
    "by_queue": {"queue": "videos", "routing_key": "video.sd"},
    "by_name": {"queue": "images"},
}
QUEUES = [
    Queue("celery", Exchange("celery"), routing_key="celery"),
    Queue("videos", MEDIA, routing_key="video.#"),
    Queue("images", MEDIA, routing_key="*.jpeg"),
    Queue("both", [binding(Exchange("other"), "a"), binding(Exchange("else"), "b")]),
    Queue("all", Exchange("everybody", type="fanout")),
]


@pytest.fixture
def routed() -> Iterator[Celery]:
    """Return an app whose messages go to exchanges."""
    _forget_all_messages()  # the broker in memory is one for all tests of a process
    app = Celery("routed", broker="memory://", set_as_current=False)
    app.conf.update(task_queues=QUEUES, task_routes=ROUTES)
    with app.connection_for_write() as connected:
        for queue in app.amqp.queues.values():
            queue(connected.channel()).declare()
    yield app
    _forget_all_messages()
    app.close()


def _forget_all_messages() -> None:
    memory.Transport.global_state.clear()
    memory.Channel.queues.clear()


#: How a call may name where it goes, and which queue gets it.
WAYS: list[tuple[str, dict[str, Any], str]] = [
    ("free", {}, "celery"),
    ("by_exchange", {}, "videos"),
    ("by_queue", {}, "videos"),
    ("by_name", {}, "images"),
    ("free", {"queue": "videos"}, "videos"),
    ("free", {"queue": "videos", "routing_key": "video.x"}, "videos"),
    ("free", {"queue": "images", "routing_key": "video.x"}, "videos"),
    ("free", {"queue": "images", "exchange": "media", "routing_key": "video.x"}, "videos"),
    ("free", {"routing_key": "video.x"}, "celery"),
    ("free", {"exchange": "", "routing_key": "video.x"}, "celery"),
    ("free", {"exchange": "media"}, "celery"),
    ("free", {"exchange": "media", "routing_key": "a.jpeg"}, "images"),
    ("free", {"exchange": "media", "routing_key": "video.a.b"}, "videos"),
    ("free", {"exchange": "else", "routing_key": "b"}, "both"),
    ("free", {"exchange": "everybody", "routing_key": "whatever"}, "all"),
    ("by_exchange", {"queue": "images"}, "videos"),
]


@pytest.fixture
def name() -> str:
    return "free"


@pytest.fixture
def call(routed: Celery, name: str) -> Task:
    """Return a job's task of the app."""

    def nothing() -> None:
        pass

    return routed.task(name=name, base=JobTask, shared=False)(nothing)


def with_messages(app: Celery) -> list[str]:
    """Take all messages out of the queues, and name those that had some."""
    return [queue.name for queue in QUEUES if messages_in(app, queue)]


@pytest.mark.parametrize(("name", "options", "queue"), WAYS)
def test_a_jobs_queue_is_the_one_that_its_message_goes_to(
    routed: Celery,
    call: Task,
    options: dict[str, Any],
    queue: str,
    django_capture_on_commit_callbacks: Commit,
) -> None:
    Task.apply_async(call, (), {}, **options)
    by_celery = with_messages(routed)
    with django_capture_on_commit_callbacks(execute=True):
        call.apply_async((), {}, **options)
    by_us = with_messages(routed)
    job = Job.objects.get()
    broker.publish(job, app=routed)

    assert by_celery == by_us == with_messages(routed) == [queue]
    assert job.queue == queue
    assert "video.hd" not in routed.amqp.queues


def test_the_queue_of_an_unknown_exchange_is_called_by_the_key(call: Task) -> None:
    job = compose(call, (), {}, None, {"exchange": "theirs", "routing_key": "their.key"})

    assert job.queue == "their.key"
    assert messages.publish_options(job)["exchange"] == "theirs"


def test_an_exchange_of_the_headers_is_not_guessed(routed: Celery, call: Task) -> None:
    routed.amqp.queues.add(Queue("some", Exchange("heads", type="headers"), routing_key="x"))

    assert compose(call, (), {}, None, {"exchange": "heads", "routing_key": "k"}).queue == "k"


@pytest.mark.parametrize(
    ("delivery", "expected"),
    [
        ({"exchange": "", "routing_key": "slow"}, {"queue": "slow"}),
        ({"routing_key": "slow"}, {"queue": "slow"}),
        ({"exchange": "media", "routing_key": "v"}, {"exchange": "media", "routing_key": "v"}),
        ({}, {"queue": ""}),
    ],
)
def test_a_message_can_go_back_where_it_came_from(
    delivery: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert queues.route_of(delivery) == expected


@pytest.mark.parametrize(
    ("pattern", "takes", "refuses"),
    [
        ("a.b", ["a.b"], ["a", "a.b.c", "axb"]),
        ("a.*", ["a.b", "a.c"], ["a", "a.b.c"]),
        ("a.#", ["a", "a.b", "a.b.c"], ["ab", "b.a"]),
        ("#.a", ["a", "b.a", "c.b.a"], ["a.b"]),
        ("#", ["", "a", "a.b"], []),
    ],
)
def test_a_topic_takes_keys(pattern: str, takes: list[str], refuses: list[str]) -> None:
    def is_taken(key: str) -> bool:
        return queues._fits(Queue("q", MEDIA, routing_key=pattern), "media", key)

    assert all(map(is_taken, takes))
    assert not any(map(is_taken, refuses))


def test_the_depth_of_a_queue_is_how_many_messages_wait_there(
    app: Celery, task: Task, queue: str
) -> None:
    for _ in range(3):
        broker.publish(queued_job(queue=queue, task=task.name))

    assert queues.depth(queue, app) == 3


def test_the_depth_cannot_be_told_while_the_broker_is_away() -> None:
    with (
        Celery("away", broker="amqp://guest:guest@127.0.0.1:1//", set_as_current=False) as away,
        pytest.raises(OperationalError),
    ):
        queues.depth("celery", away)


@pytest.mark.parametrize("error", [memory.Transport.channel_errors[0], ValueError, KeyError])
def test_a_broker_that_refuses_to_tell_tells_nothing(
    app: Celery, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    monkeypatch.setattr(memory.Channel, "_size", Mock(side_effect=error))

    assert queues.depth("celery", app) is None


def test_a_transport_that_counts_nothing_tells_nothing(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory.Channel, "_size", virtual.Channel._size)

    assert queues.depth("celery", app) is None
