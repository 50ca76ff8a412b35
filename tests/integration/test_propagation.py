"""One request, and every attempt of every job that comes of it, for the libraries that trace it.

The tracer is installed in the web process and in the worker, as it is in a project; here both
are this process, and the tasks run in other threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import celery
import pytest
from django.db import transaction

from celery_jobman import JobTask, actions, batch, chain, current_batch
from celery_jobman.models import Batch, Job
from celery_jobman.runtime import broker
from celery_jobman.states import State
from tests.integration.tracers import Guid, OpenTelemetry, Sentry, StructLog, Tracer
from tests.integration.workers import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Task

    from tests.integration.conftest import Make

TRACERS = (OpenTelemetry, Sentry, StructLog, Guid)


@pytest.fixture(params=TRACERS, ids=lambda kind: kind.__name__)
def tracer(request: pytest.FixtureRequest) -> Iterator[Tracer]:
    tracer: Tracer = request.param()
    with tracer.installed():
        yield tracer


@pytest.fixture
def ask(tracer: Tracer, employ: Make) -> Callable[..., Task]:
    """Make a task that returns which request it belongs to."""

    def made(name: str = "demo.ask", **options: Any) -> Task:
        def body(_self: Any, *_given: Any) -> str | None:
            return tracer.current()

        return employ(body, name, **options)

    return made


def all_ended(count: int) -> list[Job]:
    """Return all jobs once there are so many, and all have ended."""
    eventually(lambda: Job.objects.exclude(finished_at=None).count() == count)
    return list(Job.objects.order_by("id"))


def seen(count: int) -> list[Any]:
    return [job.return_value for job in all_ended(count)]


def test_a_job_belongs_to_its_request(tracer: Tracer, ask: Callable[..., Task]) -> None:
    task = ask()

    with tracer.request() as request, transaction.atomic():
        task.delay()

    assert seen(1) == [request]


def test_a_delayed_one_does_when_the_request_is_over(
    tracer: Tracer, ask: Callable[..., Task]
) -> None:
    task = ask()

    with tracer.request() as request:
        task.apply_async(countdown=0.05)

    assert seen(1) == [request]


def test_one_whose_message_was_lost_does(
    tracer: Tracer, ask: Callable[..., Task], app: celery.Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = ask()
    monkeypatch.setattr(broker, "_send", lambda *_, **__: None)
    with tracer.request() as request:
        result = task.delay()
    monkeypatch.undo()

    broker.publish(Job.objects.get(task_id=result.id), app=app)

    assert seen(1) == [request]


def test_members_links_and_callbacks_of_a_workflow_do(
    tracer: Tracer, ask: Callable[..., Task]
) -> None:
    task = ask()

    with tracer.request() as request:
        flow = batch([task.si(), chain(task.si(), task.si())]).then(task.si())
        flow.dispatch()

    assert seen(4) == [request] * 4


def test_members_that_are_added_in_a_task_do(
    tracer: Tracer, ask: Callable[..., Task], employ: Make
) -> None:
    task = ask()

    def adding(_self: Any) -> str | None:
        found = current_batch()
        assert found is not None
        found.add([task.si()])
        return tracer.current()

    first = employ(adding, "demo.adding")
    with tracer.request() as request:
        batch([first.si()]).dispatch()

    assert seen(2) == [request] * 2


def test_links_of_celerys_own_chain_do(tracer: Tracer, ask: Callable[..., Task]) -> None:
    task = ask()

    with tracer.request() as request:
        celery.chain(task.si(), task.si(), task.si())()

    assert seen(3) == [request] * 3


def test_later_attempts_do(tracer: Tracer, employ: Make) -> None:
    requests: list[Any] = []

    def flaky(self: Any) -> None:
        requests.append(tracer.current())
        if self.attempts < 3:
            raise ValueError

    task = employ(flaky, "demo.flaky", max_attempts=3, backoff=0)
    with tracer.request() as request:
        task.delay()

    (job,) = all_ended(1)
    assert (job.attempt, requests) == (3, [request] * 3)


def test_celerys_own_retries_do(tracer: Tracer, employ: Make) -> None:
    requests: list[Any] = []

    def busy(self: Any) -> None:
        requests.append(tracer.current())
        if self.request.retries < 2:
            raise self.retry(countdown=0.02)

    task = employ(busy, "demo.busy")
    with tracer.request() as request:
        task.delay()

    all_ended(1)
    assert requests == [request] * 3


def test_what_a_person_retries_does(tracer: Tracer, ask: Callable[..., Task]) -> None:
    task = ask()
    with tracer.request() as request:
        task.delay()
    (job,) = all_ended(1)

    with tracer.request():
        actions.retry(job.id, confirm_succeeded=True)

    eventually(lambda: Job.objects.filter(attempt=2, state=State.SUCCEEDED).exists())
    assert seen(1) == [request]


def test_the_hook_of_a_failed_job_does(tracer: Tracer, employ: Make) -> None:
    requests: list[Any] = []

    class Told(JobTask):
        abstract = True

        def failed(self, exception: BaseException) -> None:
            del self, exception
            requests.append(tracer.current())

    def fail(_self: Any) -> None:
        raise ValueError

    task = employ(fail, "demo.fail", base=Told)
    with tracer.request() as request:
        task.delay()

    all_ended(2)
    assert requests == [request]


def test_a_plain_job_of_a_job_does(tracer: Tracer, ask: Callable[..., Task], employ: Make) -> None:
    task = ask()

    def parent(_self: Any) -> str | None:
        task.apply_async(countdown=0.02)
        return tracer.current()

    outer = employ(parent, "demo.parent")
    with tracer.request() as request:
        outer.delay()

    assert seen(2) == [request] * 2


def test_spans_of_opentelemetry_are_a_tree(employ: Make) -> None:
    tracer = OpenTelemetry()

    def flaky(self: Any) -> None:
        if self.attempts < 2:
            raise ValueError

    with tracer.installed():
        task = employ(flaky, "demo.flaky", max_attempts=2, backoff=0)
        with tracer.request():
            task.delay()
        all_ended(1)
        eventually(lambda: len(tracer.spans()) == 4)

    request, enqueue, first, second = tracer.spans()
    names = [span.name for span in (request, enqueue, first, second)]
    assert names == ["GET /", "apply_async/demo.flaky", "run/demo.flaky", "run/demo.flaky"]
    assert enqueue.parent.span_id == request.context.span_id
    assert first.parent.span_id == second.parent.span_id == enqueue.context.span_id


def test_sentry_has_a_transaction_for_each_attempt(employ: Make) -> None:
    tracer = Sentry()

    def flaky(self: Any) -> None:
        if self.attempts < 2:
            raise ValueError

    with tracer.installed():
        task = employ(flaky, "demo.flaky", max_attempts=2, backoff=0)
        with tracer.request() as request:
            task.delay()
        all_ended(1)
        eventually(lambda: len(tracer.transactions("demo.flaky")) == 2)

    (web,) = tracer.transactions("GET /")
    submits = [span for span in web["spans"] if span["op"] == "queue.submit.celery"]
    contexts = [each["contexts"]["trace"] for each in tracer.transactions("demo.flaky")]
    assert len(submits) == 1
    assert {each["trace_id"] for each in contexts} == {request}
    assert {each["parent_span_id"] for each in contexts} == {submits[0]["span_id"]}


def test_a_fan_out_may_begin_traces_of_its_own(employ: Make) -> None:
    tracer = Sentry()

    def body(_self: Any) -> str:
        return tracer.current()

    with tracer.installed():
        task = employ(body, "demo.alone")
        with tracer.request() as request:
            alone = task.si().set(headers={"sentry-propagate-traces": False})
            batch([alone, alone]).dispatch()
        assert request not in seen(2)

    assert Batch.objects.get().state == State.SUCCEEDED
