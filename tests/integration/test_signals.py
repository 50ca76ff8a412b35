from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman import actions, signals
from celery_jobman.models import Job
from celery_jobman.states import State
from tests.factories import queued_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import DjangoCaptureOnCommitCallbacks as Commit

    from tests.integration.conftest import Make

pytestmark = pytest.mark.django_db

NAMES = ("job_enqueued", "job_started", "job_failed", "job_finished")


@pytest.fixture
def heard() -> Iterator[list[tuple[Any, ...]]]:
    """Listen to every signal."""
    said: list[tuple[Any, ...]] = []
    listeners = {}
    for name in NAMES:

        def listen(name: str = name, **values: Any) -> None:
            known = Job.objects.filter(pk=values["job_id"]).exists()
            said.append((name, values.get("attempt"), values.get("state"), known))

        listeners[name] = listen
        getattr(signals, name).connect(listen)
    yield said
    for name, listener in listeners.items():
        getattr(signals, name).disconnect(listener)


def fine(_self: Any) -> int:
    return 1


def test_the_life_of_a_job_is_announced_in_order(
    make: Make,
    app: Any,
    heard: list[tuple[Any, ...]],
    django_capture_on_commit_callbacks: Commit,
) -> None:
    app.conf.task_always_eager = True
    with django_capture_on_commit_callbacks(execute=True):
        make(fine).delay()
    app.conf.task_always_eager = False

    assert heard == [
        ("job_enqueued", None, None, True),
        ("job_started", 1, None, True),
        ("job_finished", 1, State.SUCCEEDED, True),
    ]


@pytest.mark.usefixtures("eager")
def test_attempts_are_announced_and_the_failure_once(
    make: Make, heard: list[tuple[Any, ...]], django_capture_on_commit_callbacks: Commit
) -> None:
    def body(_self: Any) -> None:
        raise ValueError("no stock")

    with django_capture_on_commit_callbacks(execute=True):
        make(body, max_attempts=2).delay()

    assert [name for name, *_ in heard] == [
        "job_enqueued", "job_started", "job_started", "job_failed", "job_finished",
    ]  # fmt: skip


def test_nothing_is_announced_before_the_commit(make: Make, heard: list[tuple[Any, ...]]) -> None:
    make(fine).delay()

    assert heard == []


def test_a_cancel_is_announced_by_whoever_did_it(
    heard: list[tuple[Any, ...]], django_capture_on_commit_callbacks: Commit
) -> None:
    job = queued_job()

    with django_capture_on_commit_callbacks(execute=True):
        actions.cancel(job.id)

    assert heard == [("job_finished", 0, State.CANCELLED, True)]


@pytest.mark.usefixtures("eager")
def test_a_receiver_that_raises_does_not_fail_the_task(
    make: Make, caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: Commit
) -> None:
    def break_down(**_: Any) -> None:
        raise ValueError("broken receiver")

    for name in NAMES:
        getattr(signals, name).connect(break_down)
    with django_capture_on_commit_callbacks(execute=True):
        result = make(fine).delay()
    for name in NAMES:
        getattr(signals, name).disconnect(break_down)

    assert (result.get(), Job.objects.get().state) == (1, State.SUCCEEDED)
    assert "broken receiver" in caplog.text
