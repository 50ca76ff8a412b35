"""Workflows, hooks and retries in Celery's eager mode: everything runs here, without a broker."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction
from django.utils import timezone

from celery_jobman import JobTask, actions, batch, chain, chord, current_batch
from celery_jobman.core import errands
from celery_jobman.models import Job
from celery_jobman.states import State
from tests.workflows import broken, deed, did, given_to, note, states, trace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import Settings as Project

    from tests.integration.conftest import Make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("eager")]


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    trace.clear()
    broken.clear()
    yield
    trace.clear()
    broken.clear()


def test_a_chain_runs_to_its_end_with_its_results() -> None:
    flow = chain(deed.s("a"), deed.s("b"), deed.si("c")).dispatch()

    assert flow.row.state == State.SUCCEEDED
    assert (did(), given_to("b"), given_to("c")) == (["a", "b", "c"], ["a"], [])
    assert set(Job.objects.values_list("eager", flat=True)) == {True}


def test_a_chord_is_given_all_results() -> None:
    chord([deed.s("a"), deed.s("b")])(deed.s("z"))

    assert given_to("z") == [["a", "b"]]


def test_callbacks_run() -> None:
    batch([deed.s("a"), [deed.s("b"), deed.s("c")]]).then(note.si("then")).finally_(
        note.si("finally")
    ).dispatch()

    assert did()[:3] == ["a", "b", "c"]
    assert sorted(did()[3:]) == ["finally", "then"]


def test_a_failure_ends_what_waits_and_a_retry_goes_on() -> None:
    broken.add("b")
    flow = chain(deed.s("a"), deed.s("b"), deed.s("c")).dispatch()
    assert states(flow.id) == {"a": "succeeded", "b": "failed", "c": "skipped"}

    broken.clear()
    flow.retry_failed()

    assert set(states(flow.id).values()) == {"succeeded"}
    assert did() == ["a", "b", "b", "c"]


def test_attempts_follow_one_another_at_once(make: Make) -> None:
    def flaky(self: Any) -> int:
        if self.attempts < 3:
            raise ValueError("not yet")
        return int(self.attempts)

    task = make(flaky, name="eager.flaky", max_attempts=3, backoff=3600)
    flow = batch([task.s()]).dispatch()

    assert flow.row.state == State.SUCCEEDED
    assert Job.objects.get().attempt == 3


def test_a_job_that_never_ends_is_left(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    def restless(self: Any) -> None:
        self.release(1)

    task = make(restless, name="eager.restless")
    flow = batch([task.s(), deed.s("a")], on_failure="continue").dispatch()

    assert (flow.row.state, did()) == (State.RUNNING, ["a"])
    assert "Job still wants to run after 100 attempts" in caplog.text


def test_a_delay_is_passed_over() -> None:
    flow = chain(deed.s("a").set(countdown=60), deed.s("b").set(countdown=3600)).dispatch()

    assert flow.row.state == State.SUCCEEDED


def test_it_begins_with_the_commit() -> None:
    with transaction.atomic():
        chain(deed.s("a"), deed.s("b")).dispatch()
        assert did() == []

    assert did() == ["a", "b"]


def test_a_long_chain_is_no_deep_recursion() -> None:
    flow = chain(*(deed.si(str(number)) for number in range(300))).dispatch()

    assert flow.row.state == State.SUCCEEDED


def test_many_members_are_all_released(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errands, "SLICE", 2)
    inner = batch([deed.s(str(number)) for number in range(50)])

    flow = chain(deed.s("a"), inner).dispatch()

    assert flow.row.state == State.SUCCEEDED
    assert len(did()) == 51


def test_members_that_are_added_run(make: Make) -> None:
    def adding(_self: Any) -> None:
        around = current_batch()
        assert around is not None
        around.add([deed.s("added")])

    task = make(adding, name="eager.adding")
    flow = batch([task.s()]).dispatch()

    assert (flow.row.state, did()) == (State.SUCCEEDED, ["added"])


def test_its_progress_is_seen_while_it_runs(make: Make, settings: Project) -> None:
    settings.JOBMAN = {"FLUSH_EVERY": 0}
    seen: list[int | None] = []

    def counting(self: Any) -> None:
        for number in (1, 2):
            self.progress(number, 2)
            seen.append(self.job.row.progress_current)

    make(counting, name="eager.counting").delay()

    assert seen == [1, 2]


def test_the_hook_of_a_failed_job_runs(make: Make) -> None:
    class Hooked(JobTask):
        def failed(self, exception: BaseException) -> None:
            trace.append((str(exception), [self.request.id]))

    def breaking(self: Any) -> None:
        raise ValueError(f"no {self.name}")

    task = make(breaking, name="eager.hooked", base=Hooked)
    task.delay()

    job = Job.objects.get(task="eager.hooked")
    assert trace == [("no eager.hooked", [job.task_id])]


def test_a_single_job_that_is_retried_runs() -> None:
    broken.add("a")
    deed.delay("a")
    broken.clear()

    actions.retry(Job.objects.get().pk)

    assert Job.objects.get().state == State.SUCCEEDED


def test_a_retry_for_later_is_not_run_now() -> None:
    broken.add("a")
    deed.delay("a")
    broken.clear()

    actions.retry(Job.objects.get().pk, when=timezone.now() + timedelta(hours=1))

    assert (Job.objects.get().state, did()) == (State.SCHEDULED, ["a"])
