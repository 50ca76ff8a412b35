from __future__ import annotations

from collections import deque
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from celery import chain, chord, group
from celery._state import _task_stack
from celery.exceptions import Ignore, Retry
from django.db import OperationalError, connections

from celery_jobman.core import jobs, moments
from celery_jobman.core.endings import Ending
from celery_jobman.exceptions import DatabaseUnwritable
from celery_jobman.models import Job, Outcome
from celery_jobman.runtime import arrears, broker, canvas, messages, settling, supervisor
from celery_jobman.runtime.outcomes import Verdict
from celery_jobman.states import State
from tests.factories import running_job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Celery, Task
    from pytest_django import Settings as Project

    from celery_jobman.runtime.canvas import Following
    from celery_jobman.runtime.running import RunningJob
    from tests.unit.runtime.conftest import Running

    Settle = Callable[[RunningJob, Following | None], State]
    Followed = Callable[..., tuple[RunningJob, Following | None]]

pytestmark = pytest.mark.django_db

SUCCESS = Ending(outcome=Outcome.SUCCEEDED, to=State.SUCCEEDED, changes={"result": "3"})
BACKOFF = Ending(outcome=Outcome.FAILED, to=State.SCHEDULED)


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, settings: Project) -> None:
    """Run without a supervisor, without debts and without patience."""
    monkeypatch.setattr(supervisor, "wake", lambda: None)
    monkeypatch.setattr(arrears, "_owed", deque())
    settings.JOBMAN = {"OUTAGE_PATIENCE": 0}


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Note what is given to the broker, instead."""
    jobs: list[Job] = []
    monkeypatch.setattr(broker, "publish", lambda job, **_: jobs.append(job))
    return jobs


@pytest.fixture
def settle(task: Task, django_capture_on_commit_callbacks: Callable[..., Any]) -> Iterator[Settle]:
    """End a job as its worker does: the task is still Celery's current one."""

    def end(job: RunningJob, following: Following | None) -> State:
        task.request_stack.push(job.request)
        with django_capture_on_commit_callbacks(execute=True):
            return settling.settle(job, SUCCESS, following)

    _task_stack.push(task)
    yield end
    _task_stack.pop()


@pytest.fixture
def plain(app: Celery) -> Iterator[Task]:
    """Return a task whose calls make no jobs."""
    task = app.task(name="demo.plain", shared=False, track=False)(_nothing)
    yield task
    app.tasks.pop("demo.plain")


@pytest.fixture
def followed(task: Task, running: Running) -> Followed:
    """Make a running job of a task, and what follows it when it returns 3."""

    def make(verdict: Verdict | None = None, **request: Any) -> tuple[RunningJob, Any]:
        job = running(running_job(), **request)
        return job, canvas.following(task, job, verdict or Verdict(ending=SUCCESS, value=3))

    return make


def _nothing() -> None:
    """Do nothing."""


def _others(job: RunningJob) -> list[Job]:
    return list(Job.objects.exclude(pk=job.id).order_by("id"))


def test_the_next_link_is_written_with_the_end_and_sent_after_it(
    followed: Followed, task: Task, sent: list[Job], settle: Settle
) -> None:
    last = task.s(20).set(task_id="last")
    job, following = followed(chain=[dict(last), dict(task.s(10).set(task_id="next"))])

    settle(job, following)

    link, rest = _others(job)
    assert (link.task_id, link.state, link.parent_id) == ("next", State.QUEUED, job.id)
    assert (rest.task_id, rest.state, rest.follows_id) == ("last", State.BLOCKED, link.id)
    assert messages.decode(link.args) == [3, 10]
    assert [each["options"]["task_id"] for each in messages.decode(link.message)["chain"]] == [
        "last"
    ]
    assert [each.pk for each in sent] == [link.pk]
    assert job.row.state == State.SUCCEEDED


def test_who_dies_before_the_commit_has_neither_ended_nor_gone_on(
    followed: Followed, task: Task, sent: list[Job], monkeypatch: pytest.MonkeyPatch, settle: Settle
) -> None:
    job, following = followed(chain=[dict(task.s(10))])

    def die(moment: str) -> None:
        if moment == "links written":
            raise Killed

    monkeypatch.setattr(moments, "reached", die)
    with pytest.raises(Killed):
        settle(job, following)

    assert job.row.state == State.RUNNING
    assert (_others(job), sent) == ([], [])


def test_celery_is_left_nothing_to_send(
    followed: Followed, task: Task, sent: list[Job], settle: Settle
) -> None:
    job, following = followed(chain=[dict(task.s(10))], callbacks=[dict(task.s(5))])

    settle(job, following)

    assert (job.request.chain, job.request.callbacks) == (None, None)
    assert len(sent) == 2


@pytest.mark.parametrize("count", [1, 2])
def test_callbacks_are_given_the_result(
    followed: Followed, task: Task, count: int, settle: Settle
) -> None:
    job, following = followed(callbacks=[dict(task.s(number)) for number in range(count)])

    settle(job, following)

    assert sorted(messages.decode(each.args) for each in _others(job)) == [
        [3, number] for number in range(count)
    ]
    assert len(job.request.children) == 1  # two are noted as the group they make


def test_the_members_of_a_group_are_all_written(
    followed: Followed, task: Task, sent: list[Job], settle: Settle
) -> None:
    job, following = followed(chain=[dict(group(task.s(1), task.s(2), chain(task.s(3), task.s())))])

    settle(job, following)

    called = [each for each in _others(job) if each.state == State.QUEUED]
    assert sorted(messages.decode(each.args) for each in called) == [[3, 1], [3, 2], [3, 3]]
    assert len(sent) == 3


def test_what_follows_leaves_after_the_commit_whatever_it_asks_for(
    followed: Followed, task: Task, monkeypatch: pytest.MonkeyPatch, settle: Settle
) -> None:
    job, following = followed(chain=[dict(task.s(10).set(after_commit=False))])
    seen = []
    monkeypatch.setattr(broker, "publish", lambda *_, **__: seen.append(job.row.state))
    reached: list[int] = []
    monkeypatch.setattr(moments, "reached", lambda _: reached.append(len(seen)))

    settle(job, following)

    assert set(reached[:-1]) == {0}
    assert seen == [State.SUCCEEDED]


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict(ending=None, error=Ignore()),
        Verdict(ending=BACKOFF, error=Retry("again")),
        Verdict(ending=BACKOFF),
        Verdict(ending=SUCCESS, error=Ignore("replaced")),
    ],
)
def test_nothing_follows_what_has_not_succeeded(
    followed: Followed, task: Task, verdict: Verdict
) -> None:
    _, following = followed(verdict, chain=[dict(task.s())])

    assert following is None


def test_nothing_follows_a_job_without_a_canvas(followed: Followed) -> None:
    _, following = followed()

    assert following is None


@pytest.mark.parametrize("shape", ["plain", "group", "chain", "chord", "untracked", "unknown"])
def test_what_is_not_all_jobs_is_left_to_celery(
    followed: Followed, task: Task, plain: Task, shape: str
) -> None:
    link = {
        "plain": plain.si(),
        "group": group(task.s(1), plain.si()),
        "chain": chain(plain.si(), task.s(1)),
        "chord": chord([task.s(1), task.s(2)], task.s()),
        "untracked": task.s(1).set(track=False),
        "unknown": task.app.signature("demo.unknown"),
    }[shape]

    _, following = followed(callbacks=[dict(task.s(1)), dict(link)])

    assert following is None


def test_a_job_in_the_calling_process_is_left_to_celery(followed: Followed, task: Task) -> None:
    _, following = followed(chain=[dict(task.s())], is_eager=True)

    assert following is None


def test_a_result_that_no_link_can_take_ends_the_job_and_is_left_to_celery(
    task: Task, running: Running, sent: list[Job], caplog: pytest.LogCaptureFixture, settle: Settle
) -> None:
    job = running(running_job(), chain=[dict(task.s(1))])
    following = canvas.following(task, job, Verdict(ending=SUCCESS, value=object()))

    settle(job, following)

    assert job.row.state == State.SUCCEEDED
    assert job.row.result == "3"
    assert (_others(job), sent) == ([], [])
    assert job.request.chain
    assert "left to Celery" in caplog.text


def test_what_an_outage_interrupted_is_written_once(
    followed: Followed,
    task: Task,
    sent: list[Job],
    monkeypatch: pytest.MonkeyPatch,
    settle: Settle,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    job, following = followed(callbacks=[dict(task.s(1)), dict(task.s(2))])
    write, tries = jobs.enqueue, []

    def enqueue(row: Job, **how: Any) -> Job:
        tries.append(row)
        if len(tries) == 2:
            raise DatabaseUnwritable("demo.add", OperationalError()) from OperationalError()
        return write(row, **how)

    monkeypatch.setattr(jobs, "enqueue", enqueue)
    settle(job, following)
    owed = arrears._owed.popleft()
    assert job.request.chain is None
    with django_capture_on_commit_callbacks(execute=True):
        owed.write()

    assert len(_others(job)) == len(sent) == 2
    assert job.row.state == State.SUCCEEDED
    assert len(job.request.children) == 1


@pytest.mark.django_db(transaction=True)
def test_an_end_that_is_written_later_knows_whom_it_follows(followed: Followed, task: Task) -> None:
    job, following = followed(chain=[dict(task.s(10))])
    assert following is not None

    def end() -> None:
        settling._finish(job, SUCCESS, following)
        connections.close_all()

    later = Thread(target=end)
    later.start()
    later.join()

    (link,) = _others(job)
    assert link.parent_id == job.id
