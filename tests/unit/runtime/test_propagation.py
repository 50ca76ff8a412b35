"""What the caller's context puts into a message is kept with the row."""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import wraps
from threading import current_thread, local
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import celery
import pytest
import wrapt
from celery import Celery, signals
from celery.app.task import Context
from django.db import connection, transaction

from celery_jobman import JobTask, batch, chain
from celery_jobman.exceptions import DatabaseUnwritable
from celery_jobman.models import Job
from celery_jobman.runtime import broker, bulk, messages, propagation
from celery_jobman.runtime.running import RunningJob, running
from celery_jobman.states import State
from tests.factories import run_of, running_job
from tests.unit.runtime.mail import messages_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Task
    from pytest_django import DjangoCaptureOnCommitCallbacks as Commit

    from tests.unit.conftest import Budget

    Wrap = Callable[[Any, str], list[str]]

pytestmark = pytest.mark.django_db

#: What a library keeps of the request that is served: no ContextVar, so no thread inherits it.
served_now = local()


@pytest.fixture(autouse=True)
def served() -> Iterator[None]:
    served_now.id = "r1"
    yield
    del served_now.id


@contextmanager
def connected(receiver: Callable[..., object], *where: Any) -> Iterator[None]:
    signals_ = where or (signals.before_task_publish,)
    for signal in signals_:
        signal.connect(receiver, weak=False)
    try:
        yield
    finally:
        for signal in signals_:
            signal.disconnect(receiver)


def stamping(headers: dict[str, Any], **_: Any) -> None:
    headers["X-Request"] = getattr(served_now, "id", "nobody's")


@pytest.fixture
def stamped() -> Iterator[None]:
    """Let a receiver of Celery's signal give each message the request's id."""
    with connected(stamping):
        yield


def kept(job: Job) -> Any:
    return json.loads(job.message).get("headers")


def headers_in(app: Celery, queue: str) -> list[dict[str, Any]]:
    return [message.headers for message in messages_in(app, queue)]


@pytest.fixture
def call(task: Task, queue: str) -> Callable[..., Job]:
    """Call the task and return its row."""

    def enqueued(*args: Any, **options: Any) -> Job:
        result = task.apply_async(args or (1,), queue=queue, **options)
        return Job.objects.get(task_id=result.id)

    return enqueued


def test_nobody_watches_a_celery_as_it_is(task: Task) -> None:
    assert not propagation.is_watched(task)


@pytest.mark.parametrize("name", ["before_task_publish", "after_task_publish", "task_sent"])
def test_a_receiver_watches(task: Task, name: str) -> None:
    with connected(Mock(), getattr(signals, name)):
        assert propagation.is_watched(task)


@pytest.mark.usefixtures("stamped")
class TestReceivers:
    def test_their_headers_are_kept_and_sent(
        self, call: Callable[..., Job], app: Celery, queue: str, commit: Commit
    ) -> None:
        with commit(execute=True):
            job = call()

        assert kept(job) == {"X-Request": "r1"}
        (sent,) = headers_in(app, queue)
        assert (sent["X-Request"], sent["jobman"]["job"]) == ("r1", str(job.id))
        assert "X-Request" not in sent["jobman"]

    def test_a_later_message_has_them_too(
        self, call: Callable[..., Job], app: Celery, queue: str
    ) -> None:
        job = call(countdown=60)
        served_now.id = "of somebody else"

        broker.publish(job)
        bulk.send(app, [job], [], Mock())

        assert [sent["X-Request"] for sent in headers_in(app, queue)] == ["r1", "r1"]

    def test_the_callers_own_headers_are_kept_beside_them(self, call: Callable[..., Job]) -> None:
        job = call(headers={"shop": 7})

        assert kept(job) == {"shop": 7, "X-Request": "r1"}

    def test_stamps_of_celerys_and_what_follows_are_kept_as_they_are(
        self, call: Callable[..., Job], task: Task
    ) -> None:
        job = call(stamped_headers=["who"], who="me", link=task.si(2), expires=60)

        message = json.loads(job.message)
        assert (message["stamped_headers"], message["who"]) == (["who"], "me")
        assert len(message["link"]) == 1
        assert message["headers"] == {"X-Request": "r1"}
        assert job.expires_at is not None

    def test_a_job_costs_no_statement_more(self, task: Task, queue: str, budget: Budget) -> None:
        with budget(1):
            task.apply_async((1,), queue=queue, countdown=60)

    def test_members_of_a_flow_have_them(self, task: Task, queue: str) -> None:
        signature = task.s(1).set(queue=queue)
        flow = batch([signature, chain(signature, task.si(2)), signature]).then(task.si(3))

        live = flow.dispatch()

        members = Job.objects.filter(root_id=str(live.id))
        assert [kept(job) for job in members] == [{"X-Request": "r1"}] * 4
        (callback,) = json.loads(live.row.callbacks)["then"]
        assert json.loads(callback["message"])["headers"] == {"X-Request": "r1"}

    def test_a_link_of_celerys_own_is_published_in_the_context_of_who_comes_before(
        self, task: Task, queue: str
    ) -> None:
        celery.chain(task.s(1), task.s(2)).apply_async(queue=queue)

        first, link = Job.objects.order_by("id")
        assert kept(first) == {"X-Request": "r1"}
        assert (link.state, kept(link)) == (State.BLOCKED, None)

    def test_celerys_own_retry_is_published_in_the_context_of_the_attempt(
        self, task: Task, queue: str
    ) -> None:
        job = running_job(task=task.name, queue=queue)
        came_with = {"jobman": {}, "X-Request": "r0", "tenant": "a"}
        context = Context({"id": job.task_id, "retries": 0, **came_with})

        with running(RunningJob(run_of(job), context)) as here:
            task.apply_async((1,), task_id=job.task_id, retries=1, queue=queue)

        assert here.next_attempt is not None
        message = json.loads(here.next_attempt["message"])
        assert message["headers"] == {"X-Request": "r1", "tenant": "a"}


@pytest.fixture
def commit(django_capture_on_commit_callbacks: Commit) -> Commit:
    return django_capture_on_commit_callbacks


def test_receivers_are_called_once_in_the_callers_thread_and_transaction(
    call: Callable[..., Job], app: Celery, queue: str, commit: Commit
) -> None:
    seen: list[Any] = []

    def note(headers: dict[str, Any], body: Any, **facts: Any) -> None:
        inside = connection.in_atomic_block
        told = (headers["task"], headers["id"], body[0], facts["routing_key"])
        seen.append((current_thread(), inside, told))

    with (
        connected(note, signals.before_task_publish, signals.after_task_publish),
        commit(execute=True),
        transaction.atomic(),
    ):
        job = call()
        assert len(seen) == 2

    told = (job.task, job.task_id, [1], queue)
    assert seen == [(current_thread(), True, told)] * 2
    assert len(headers_in(app, queue)) == 1


def test_after_the_publish_means_after_the_row_is_written(call: Callable[..., Job]) -> None:
    seen: list[int] = []

    def count(**_: Any) -> None:
        seen.append(Job.objects.count())

    with connected(count, signals.before_task_publish, signals.after_task_publish):
        call()

    assert seen == [0, 1]


def test_of_a_row_that_is_refused_only_the_beginning_is_told(
    call: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse = Mock(side_effect=DatabaseUnwritable("demo.add", ValueError("read-only")))
    monkeypatch.setattr("celery_jobman.core.jobs.enqueue", refuse)
    before, after = Mock(), Mock()

    with (
        connected(before),
        connected(after, signals.after_task_publish),
        pytest.raises(DatabaseUnwritable),
    ):
        call()

    before.assert_called_once()
    after.assert_not_called()


def test_what_a_receiver_changes_in_the_arguments_or_the_priority_is_kept(
    call: Callable[..., Job],
) -> None:
    def change(body: Any, properties: dict[str, Any], **_: Any) -> None:
        body[1]["y"] = 5
        properties["priority"] = 9

    with connected(change):
        job = call(priority=3)

    assert (job.arguments, job.priority) == (([1], {"y": 5}), 9)


def test_a_receiver_sees_when_a_delayed_job_is_to_begin(call: Callable[..., Job]) -> None:
    seen = Mock()

    with connected(seen):
        job = call(countdown=60)

    assert job.available_at is not None
    assert seen.call_args.kwargs["headers"]["eta"] == job.available_at.isoformat()


def test_a_header_that_cannot_be_written_does_not_keep_the_job_back(
    call: Callable[..., Job], caplog: pytest.LogCaptureFixture
) -> None:
    def add(headers: dict[str, Any], **_: Any) -> None:
        headers.update(odd=object(), trace="t")

    with connected(add):
        job = call()

    assert kept(job) == {"trace": "t"}
    assert "Header is not kept name=odd" in caplog.text


class Tenants(Celery):  # type: ignore[misc]
    """An app as those that find the tenant by the state of the database connection."""

    def send_task(self, *args: Any, headers: Any = None, **options: Any) -> Any:
        tenant = getattr(connection, "schema_name", "public")
        return super().send_task(*args, headers={**(headers or {}), "tenant": tenant}, **options)


@pytest.fixture
def tenants(queue: str) -> Iterator[Task]:
    """Return a task of such an app."""
    del queue
    app = Tenants("tenants", broker="memory://", task_cls=JobTask, set_as_current=False)
    connection.schema_name = "shop_7"  # type: ignore[attr-defined]

    def nothing() -> None:
        pass

    yield app.task(name="demo.tenants")(nothing)
    del connection.schema_name  # type: ignore[attr-defined]
    app.close()


def test_an_app_that_sends_in_a_way_of_its_own_does_so_in_the_callers_context(
    tenants: Task, queue: str, commit: Commit
) -> None:
    with commit(execute=True):
        tenants.apply_async(queue=queue)
        connection.schema_name = "of somebody else"  # type: ignore[attr-defined]

    job = Job.objects.get()
    assert kept(job) == {"tenant": "shop_7"}
    assert [sent["tenant"] for sent in headers_in(tenants.app, queue)] == ["shop_7"]


@pytest.fixture
def wrap(monkeypatch: pytest.MonkeyPatch) -> Wrap:
    """Wrap a method as libraries do; return what notes the calls."""

    def wrapped(owner: Any, name: str) -> list[str]:
        seen: list[str] = []
        own = getattr(owner, name)

        @wraps(own)
        def method(*args: Any, headers: Any = None, **options: Any) -> Any:
            seen.append(name)
            return own(*args, headers={**(headers or {}), name: served_now.id}, **options)

        monkeypatch.setattr(owner, name, method)
        return seen

    return wrapped


@pytest.mark.parametrize(("owner", "name"), [(Celery, "send_task"), (celery.Task, "apply_async")])
def test_a_method_of_celerys_that_was_wrapped_is_called_once(
    wrap: Wrap, commit: Commit, task: Task, queue: str, owner: Any, name: str
) -> None:
    seen = wrap(owner, name)

    with commit(execute=True):
        task.apply_async((1,), queue=queue)

    assert (seen, kept(Job.objects.get())) == ([name], {name: "r1"})
    assert [sent[name] for sent in headers_in(task.app, queue)] == ["r1"]


@pytest.mark.parametrize(("owner", "name"), [(Celery, "send_task"), (celery.Task, "apply_async")])
def test_a_proxy_of_a_method_is_a_wrapper_too(
    task: Task, queue: str, commit: Commit, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    def traced(wrapped: Any, _self: Any, args: Any, options: Any) -> Any:
        headers = {**(options.get("headers") or {}), name: getattr(served_now, "id", "nobody's")}
        return wrapped(*args, **{**options, "headers": headers})

    monkeypatch.setattr(owner, name, wrapt.FunctionWrapper(getattr(owner, name), traced))

    with commit() as callbacks:
        task.apply_async((1,), queue=queue)
    served_now.id = "of somebody else"
    for callback in callbacks:
        callback()

    assert [sent[name] for sent in headers_in(task.app, queue)] == ["r1"]


class Shop:
    """A mix-in that stands behind ``JobTask``."""

    def apply_async(self, *args: Any, headers: Any = None, **options: Any) -> Any:
        apply_async: Any = super().apply_async  # type: ignore[misc]
        return apply_async(*args, headers={**(headers or {}), "shop": 7}, **options)


def test_a_class_behind_ours_has_its_say(app: Celery, queue: str) -> None:
    class Own(JobTask):
        abstract = True

    class Mixed(Own, Shop, celery.Task):  # type: ignore[misc]
        abstract = True

    def nothing() -> None:
        pass

    mixed = app.task(name="demo.mixed", base=Mixed, shared=False)(nothing)
    try:
        mixed.apply_async(queue=queue, countdown=60)
    finally:
        app.tasks.pop("demo.mixed")

    assert kept(Job.objects.get()) == {"shop": 7}


def test_what_will_be_given_a_result_is_a_complete_call_for_who_wraps(
    wrap: Wrap, task: Task
) -> None:
    wrap(celery.Task, "apply_async")

    live = chain(task.s(1), task.s()).dispatch()

    first, link = Job.objects.filter(root_id=str(live.id)).order_by("follows_id")
    first, link = (first, link) if link.takes_result else (link, first)
    assert (first.args, link.args) == ("[1]", "[]")
    assert kept(first) == kept(link) == {"apply_async": "r1"}


def test_who_wraps_both_is_asked_once(wrap: Wrap, call: Callable[..., Job]) -> None:
    seen = [wrap(celery.Task, "apply_async"), wrap(Celery, "send_task")]

    call()

    assert seen == [[], ["send_task"]]


def test_who_does_not_go_on_with_a_call_keeps_it_from_being_made(
    task: Task, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Celery, "send_task", lambda *_, **__: None)

    task.apply_async((1,), queue=queue)

    assert not Job.objects.exists()


def test_what_a_wrapper_raises_is_raised_to_the_caller(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Celery, "send_task", Mock(side_effect=LookupError("no tenant")))

    with pytest.raises(LookupError, match="no tenant"):
        task.delay(1)

    assert not Job.objects.exists()


def test_a_wrapper_may_choose_the_queue(
    task: Task, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Celery.send_task

    def elsewhere(*args: Any, **options: Any) -> Any:
        return own(*args, **{**options, "queue": queue})

    monkeypatch.setattr(Celery, "send_task", elsewhere)

    task.apply_async((1,), countdown=60)

    assert Job.objects.get().queue == queue


@pytest.mark.usefixtures("stamped")
def test_a_result_backend_that_is_away_is_not_asked(
    call: Callable[..., Job], app: Celery, monkeypatch: pytest.MonkeyPatch, commit: Commit
) -> None:
    subscribe, unsubscribe = Mock(), Mock()
    monkeypatch.setattr(app.backend, "on_task_call", subscribe)
    monkeypatch.setattr(app.backend, "remove_pending_result", unsubscribe)

    with commit() as callbacks:
        job = call()
        subscribe.assert_not_called()
        unsubscribe.assert_not_called()
    for callback in callbacks:
        callback()

    assert subscribe.call_args.args[1] == job.task_id


def test_sentrys_copies_of_the_headers_do_not_hold_ours(call: Callable[..., Job]) -> None:
    def copy(headers: dict[str, Any], **_: Any) -> None:
        headers["headers"] = {"sentry-trace": "t", "jobman": headers["jobman"]}

    with connected(copy):
        job = call()

    assert kept(job) == {"headers": {"sentry-trace": "t"}}


def test_eager_calls_publish_nothing(task: Task, app: Celery) -> None:
    receiver = Mock()
    app.conf.task_always_eager = True
    try:
        with connected(receiver):
            task.delay(1)
            batch([task.s(1)]).dispatch()
    finally:
        app.conf.task_always_eager = False

    receiver.assert_not_called()


def test_headers_of_a_message_are_found_wherever_celery_puts_them() -> None:
    top = {"traceparent": "00-1", "jobman": {"job": "j"}, "id": "i", "retries": 1}
    nested = {**top, "headers": {"sentry-trace": "s"}, "_started": object()}

    assert messages.foreign_headers(Context(top)) == {"traceparent": "00-1"}
    assert messages.foreign_headers(Context(nested)) == {
        "traceparent": "00-1",
        "sentry-trace": "s",
    }
