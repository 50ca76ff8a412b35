"""A message leaves as Celery sends it, and nobody is told."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from celery import Celery, signals
from celery.app.amqp import AMQP

from celery_jobman.runtime import sending
from tests.unit.runtime.mail import messages_in

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def receiver() -> Iterator[Mock]:
    """Return what is told of every publish."""
    receiver = Mock()
    told = (signals.before_task_publish, signals.after_task_publish, signals.task_sent)
    for signal in told:
        signal.connect(receiver, weak=False)
    yield receiver
    for signal in told:
        signal.disconnect(receiver)


def sent(app: Celery, queue: str, **options: Any) -> dict[str, Any]:
    """Return the headers of the message that is sent with these options."""
    sending.send_task(app, "demo.add", (1,), {"y": 2}, queue=queue, **options)
    (message,) = messages_in(app, queue)
    return message.headers  # type: ignore[no-any-return]


def test_it_is_the_message_that_celery_sends(app: Celery, queue: str) -> None:
    options = {"task_id": "one", "headers": {"trace": "t"}, "retries": 2, "shadow": "a label"}
    app.send_task("demo.add", (1,), {"y": 2}, queue=queue, **options)
    (theirs,) = messages_in(app, queue)

    ours = sent(app, queue, **options)

    assert ours == theirs.headers


def test_no_signal_is_sent(app: Celery, queue: str, receiver: Mock) -> None:
    sent(app, queue)

    receiver.assert_not_called()
    app.send_task("demo.add", queue=queue)
    assert receiver.call_count == 3  # Celery's own sender is what it was


def test_who_has_wrapped_send_task_is_not_asked(
    app: Celery, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Celery.send_task

    @wraps(own)
    def traced(*args: Any, **options: Any) -> Any:
        return own(*args, **{**options, "headers": {"trace": "of the wrong context"}})

    monkeypatch.setattr(Celery, "send_task", traced)

    assert "trace" not in sent(app, queue)


def test_an_app_with_a_way_of_its_own_is_not_asked(queue: str) -> None:
    class Traced(Celery):  # type: ignore[misc]
        def send_task(self, *_: Any, **__: Any) -> Any:
            pytest.fail("it is asked")

    app = Traced("traced", broker="memory://", set_as_current=False)

    assert sent(app, queue, task_id="one")["id"] == "one"


def test_an_amqp_class_of_its_own_may_have_a_sender_of_its_own(queue: str) -> None:
    seen: list[str] = []

    app = Celery("noting", broker="memory://", set_as_current=False)

    class Own(AMQP):  # type: ignore[misc]
        def _create_task_sender(self) -> Any:
            sender = super()._create_task_sender()

            def note(producer: Any, name: str, *args: Any, **how: Any) -> Any:
                seen.append(name)
                return sender(producer, name, *args, **how)

            return note

    app.amqp.__class__ = Own

    assert sent(app, queue)["task"] == "demo.add"
    assert seen == ["demo.add"]
