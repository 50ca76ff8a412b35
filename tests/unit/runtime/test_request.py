from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from billiard.einfo import ExceptionInfo
from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery.worker import state
from celery.worker.request import Request
from django.core.exceptions import ImproperlyConfigured

from celery_jobman.runtime import keeping, losses
from celery_jobman.runtime.messages import HEADER
from celery_jobman.runtime.request import JobRequest, combined

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery, Task
    from kombu import Message

    from celery_jobman.runtime.losses import Loss

HEADER_OF_OURS = {"v": 1, "job": "j1", "delivery": 1, "attempt": 1}


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the notes that the keeper is left."""
    notes: list[Any] = []
    monkeypatch.setattr(keeping, "note", notes.append)
    return notes


@pytest.fixture
def celerys(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Stand in for what Celery's own request would do."""
    celerys = Mock()
    monkeypatch.setattr(Request, "on_failure", celerys.on_failure)
    monkeypatch.setattr(Request, "on_timeout", celerys.on_timeout)
    return celerys


@pytest.fixture
def received(app: Celery, task: Task) -> Callable[..., JobRequest]:
    """Make the request of a message that a worker received."""

    def make() -> JobRequest:
        message = app.amqp.as_task_v2("t1", task.name, (1,), {})
        headers = {**message.headers, HEADER: HEADER_OF_OURS}
        carrier = SimpleNamespace(
            headers=headers, body=message.body, delivery_info={}, properties={}, acknowledged=False,
            content_type="application/json", content_encoding="utf-8", payload=message.body,
        )  # fmt: skip
        return received_as(carrier, app, task)

    return make


def received_as(message: Message, app: Celery, task: Task) -> JobRequest:
    request = JobRequest(
        message, app=app, task=task, decoded=True, headers=message.headers, body=message.body,
        on_ack=Mock(), hostname="w1@host",
    )  # fmt: skip
    request.worker_pid = 4711
    state.task_reserved(request)
    return request


def failure(error: BaseException) -> Any:
    def fail() -> None:
        raise error

    try:
        fail()
    except BaseException:  # noqa: BLE001 - any
        return ExceptionInfo()


def loss_in(notes: list[Any]) -> Loss:
    (note,) = notes
    assert note.func is losses.settle
    loss: Loss = note.args[0]
    return loss


@pytest.mark.parametrize("error", [WorkerLostError("signal 9"), SystemExit(1), KeyboardInterrupt()])
def test_a_lost_process_is_left_to_the_keeper(
    received: Any, notes: list[Any], celerys: Mock, error: BaseException
) -> None:
    request = received()

    request.on_failure(failure(error))

    loss = loss_in(notes)
    assert (loss.task_id, loss.pid, loss.header) == ("t1", 4711, HEADER_OF_OURS)
    assert isinstance(loss.error, WorkerLostError)
    celerys.on_failure.assert_not_called()
    assert request not in state.reserved_requests


def test_any_other_failure_is_left_to_celery(
    received: Any, notes: list[Any], celerys: Mock
) -> None:
    received().on_failure(failure(ValueError("no stock")))

    assert notes == []
    celerys.on_failure.assert_called_once()


@pytest.mark.parametrize("flag", ["_already_cancelled", "_already_revoked"])
def test_a_process_that_celery_killed_itself_is_left_to_celery(
    received: Any, notes: list[Any], celerys: Mock, flag: str
) -> None:
    request = received()
    setattr(request, flag, True)

    request.on_failure(failure(WorkerLostError()))

    assert notes == []
    celerys.on_failure.assert_called_once()


def test_a_terminated_process_is_left_to_celery(
    received: Any, notes: list[Any], celerys: Mock
) -> None:
    received().on_failure(failure(Terminated("signal 15")))

    assert notes == []
    celerys.on_failure.assert_called_once()


def test_a_plain_task_is_left_to_celery(
    received: Any, task: Task, notes: list[Any], celerys: Mock
) -> None:
    task.track = False
    request = received()

    request.on_failure(failure(WorkerLostError()))
    request.on_timeout(soft=False, timeout=60)

    assert notes == []
    celerys.on_failure.assert_called_once()
    celerys.on_timeout.assert_called_once()


def test_a_task_out_of_memory_does_not_end_its_worker(
    received: Any, notes: list[Any], celerys: Mock
) -> None:
    request = received()

    request.on_failure(failure(MemoryError()))

    assert (notes, request in state.reserved_requests) == ([], False)
    celerys.on_failure.assert_not_called()


def test_a_hard_time_limit_is_left_to_the_keeper_once(
    received: Any, notes: list[Any], celerys: Mock
) -> None:
    request = received()

    request.on_timeout(soft=False, timeout=60)
    request.on_failure(failure(TimeLimitExceeded(60)))

    loss = loss_in(notes)
    assert (loss.why, loss.pid) == ("its hard time limit of 60 s ran out", 4711)
    assert isinstance(loss.error, TimeLimitExceeded)
    assert celerys.mock_calls == []


def test_a_soft_time_limit_is_celerys(received: Any, notes: list[Any], celerys: Mock) -> None:
    received().on_timeout(soft=True, timeout=60)

    assert notes == []
    celerys.on_timeout.assert_called_once()


def test_while_the_worker_is_torn_down_a_time_limit_is_celerys(
    received: Any, notes: list[Any], celerys: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "should_terminate", True)

    received().on_timeout(soft=False, timeout=60)

    assert notes == []
    celerys.on_timeout.assert_called_once()


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("error", [WorkerLostError(), MemoryError()])
@pytest.mark.usefixtures("notes", "celerys")
def test_a_message_that_is_acknowledged_late_is_acknowledged_then(
    received: Any,
    task: Task,
    late: bool,  # noqa: FBT001
    error: Exception,
) -> None:
    task.acks_late = late
    request = received()

    request.on_failure(failure(error))

    assert request.acknowledged is late


class Own(Request):  # type: ignore[misc]
    """What a project wants to be told."""

    def on_failure(self, *given: Any, **more: Any) -> Any:
        heard.append("own")
        return super().on_failure(*given, **more)


heard: list[str] = []


@pytest.mark.parametrize("own", [Own, f"{__name__}:Own"])
def test_a_request_of_the_projects_own_has_ours_below(
    own: Any, received: Callable[..., JobRequest], task: Task, notes: list[Any], celerys: Mock
) -> None:
    task.Request = own
    kind = combined(task)
    request = received()
    request.__class__ = kind

    request.on_failure(failure(WorkerLostError("gone")))

    assert issubclass(kind, Own)
    assert kind is combined(task)
    assert len(heard) == len(notes) == 1
    assert not celerys.on_failure.called
    heard.clear()


def test_a_request_of_ours_or_of_celerys_is_ours(task: Task) -> None:
    ours = combined(task)
    task.Request = Request

    assert combined(task) is ours is JobRequest


@pytest.mark.parametrize("own", [dict, object(), "celery.worker.request:task_ready"])
def test_what_is_no_request_is_refused_by_name(task: Task, own: Any) -> None:
    task.Request = own

    with pytest.raises(
        ImproperlyConfigured, match=r"demo\.add\.Request is .*, which is no subclass"
    ):
        combined(task)


def test_a_worker_takes_messages_with_the_combined_request(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    task.Request = Own
    monkeypatch.setattr(type(task), "Strategy", Mock(return_value="strategy"))

    assert task.start_strategy(task.app, None) == "strategy"
    assert issubclass(task.Request, JobRequest)
