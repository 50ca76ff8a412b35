from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from billiard.exceptions import WorkerLostError
from celery import current_task, signals, states
from celery.app.trace import TraceInfo, build_tracer, trace_ok_t, trace_task
from celery.exceptions import Ignore, Reject, Retry
from django.db import DataError
from django.db import connection as db

from celery_jobman import JobTask
from celery_jobman.core import attempts, moments
from celery_jobman.exceptions import JobReleased, JobSkipped
from celery_jobman.models import Job, Trouble
from celery_jobman.models.ids import uuid7
from celery_jobman.runtime import broker, connection, identity, seam, supervisor
from celery_jobman.runtime.identity import Identity
from celery_jobman.runtime.messages import HEADER, header
from celery_jobman.runtime.running import active, current_job
from celery_jobman.states import State
from tests.factories import finished_job, queued_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery, Task

    from tests.unit.conftest import Budget

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:Exception raised outside body"),
]


class Story(JobTask):
    """Tells what is called, in order, and raises where it is told to."""

    told: list[str]
    bombs: dict[str, BaseException]

    def tell(self, place: str) -> None:
        job = current_job()
        self.told.append(f"{place} {job.attempt if job else '-'}")
        if place in self.bombs:
            raise self.bombs[place]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.tell("before")
        value = super().__call__(*args, **kwargs)
        self.tell("after")
        return value

    def before_start(self, *_: Any) -> None:
        self.tell("before_start")

    def on_success(self, *_: Any) -> None:
        self.tell("on_success")

    def on_failure(self, *_: Any) -> None:
        self.tell("on_failure")

    def after_return(self, *_: Any) -> None:
        self.tell("after_return")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run without a supervisor, and send nothing."""
    monkeypatch.setattr(supervisor, "wake", lambda: None)
    monkeypatch.setattr(broker, "send_if_due", lambda _: None)


@pytest.fixture
def story(app: Celery) -> Iterator[Task]:
    def body(self: Story, *_: Any) -> str:
        self.tell("body")
        return "done"

    task = app.task(
        name="demo.story", base=Story, bind=True, shared=False, track_started=True, backoff=60
    )(body)
    task.told, task.bombs = [], {}
    yield task
    app.tasks.pop("demo.story")


def execute(task: Task, row: Job | None, **request: Any) -> Any:
    """Let Celery execute a message, as a worker does."""
    uuid = row.task_id if row else request.get("id", "foreign")
    ours = {HEADER: header(row)} if row else {}
    facts = {"id": uuid, "args": [1], "kwargs": {}, "delivery_info": {}, **ours, **request}
    return trace_task(task, uuid, [1], {}, facts, app=task.app)


def end_of(row: Job) -> tuple[State, list[str]]:
    row.refresh_from_db()
    outcomes = row.attempts.order_by("number").values_list("outcome", flat=True)
    return State(row.state), list(outcomes)


def told(task: Task, row: Job) -> str:
    return str(task.app.AsyncResult(row.task_id).state)


ALL = ["before_start", "before", "body", "after", "on_success"]


def test_an_attempt_is_around_all_that_celery_and_a_base_class_do(story: Task) -> None:
    row = queued_job(task="demo.story")

    execute(story, row)

    assert story.told == [*(f"{place} 1" for place in ALL), "after_return -"]
    assert end_of(row) == (State.SUCCEEDED, ["succeeded"])
    assert told(story, row) == states.SUCCESS
    assert current_job() is None


def test_it_costs_no_statement_more_than_claim_and_end(story: Task, budget: Budget) -> None:
    row = queued_job(task="demo.story")
    # Outside of workers Celery closes the connection meanwhile; a new one of MariaDB's is set up.
    set_up = db.vendor == "mysql"

    with budget(3 + set_up):
        execute(story, row)


@pytest.mark.parametrize("place", ALL)
@pytest.mark.parametrize(
    ("error", "max_attempts", "state", "result"),
    [
        (OSError("no licence"), None, State.FAILED, states.FAILURE),
        (OSError("no licence"), 2, State.SCHEDULED, states.RETRY),
        (Retry("later", when=3), None, State.SCHEDULED, states.RETRY),
        (Reject("no", requeue=False), None, State.FAILED, states.STARTED),
        (Ignore(), None, State.SUCCEEDED, states.STARTED),
    ],
    ids=["final", "again", "retry", "rejected", "ignored"],
)
def test_what_is_raised_anywhere_ends_the_attempt(
    story: Task,
    place: str,
    error: Exception,
    max_attempts: int | None,
    state: State,
    result: str,
) -> None:
    row = queued_job(task="demo.story", max_attempts=max_attempts)
    story.bombs = {place: error}

    execute(story, row)

    assert end_of(row)[0] == state
    assert len(row.attempts.all()) == 1
    assert told(story, row) == result
    assert [each.split()[0] for each in story.told if each.endswith("1")] == ALL[
        : ALL.index(place) + 1
    ]


def test_a_job_that_is_skipped_before_it_starts_has_succeeded(story: Task) -> None:
    row = queued_job(task="demo.story")
    story.bombs = {"before_start": JobSkipped("nothing to do")}

    execute(story, row)

    assert end_of(row)[0] == State.SUCCEEDED
    assert row.completed_code == "nothing to do"
    assert told(story, row) == states.SUCCESS
    assert story.told == ["before_start 1", "on_success 1", "after_return -"]


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.CANCELLED])
def test_a_message_that_is_dropped_leaves_no_trace(
    story: Task, state: State, heard: list[str]
) -> None:
    row = finished_job(state, task="demo.story")
    story.backend.store_result(row.task_id, "the first", states.SUCCESS)

    traced = execute(story, row)

    assert traced[1].state == states.IGNORED
    assert isinstance(traced[0].exception.exc, Ignore)
    assert (story.told, heard) == ([], [])
    assert story.app.AsyncResult(row.task_id).result == "the first"


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """Return what Celery says of tasks."""
    said: list[str] = []
    named = {"prerun": signals.task_prerun, "postrun": signals.task_postrun}
    hears = {name: lambda name=name, **_: said.append(name) for name in named}
    for name, signal in named.items():
        signal.connect(hears[name], weak=False)
    yield said
    for name, signal in named.items():
        signal.disconnect(hears[name])


def test_the_claim_sees_celerys_current_task(story: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    row, seen = queued_job(task="demo.story"), list[Any]()
    monkeypatch.setattr(moments, "reached", lambda _: seen.append(current_task.request.id))

    execute(story, row)

    assert seen[0] == row.task_id
    assert not current_task


def test_a_message_without_a_job_is_adopted_before_anything_is_called(story: Task) -> None:
    execute(story, None)

    job = Job.objects.get()
    assert (job.state, job.attempt, job.task_id) == (State.SUCCEEDED, 1, "foreign")
    assert story.told[0] == "before_start 1"


def test_a_foreign_message_whose_row_cannot_be_written_is_told_as_a_failure(
    story: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "adopt", Mock(side_effect=DataError("too long")))

    execute(story, None, id="refused")

    assert story.app.AsyncResult("refused").state == states.FAILURE
    assert "body -" not in story.told


class Silent(JobTask):
    """Never calls the task's function."""

    def __call__(self, *_args: Any, **_kwargs: Any) -> str:
        return "no"


def test_a_base_that_calls_nothing_has_an_end_all_the_same(app: Celery) -> None:
    def body() -> None:
        raise NotImplementedError

    task = app.task(name="demo.silent", base=Silent, shared=False)(body)
    row = queued_job(task="demo.silent")

    execute(task, row)

    app.tasks.pop("demo.silent")
    assert end_of(row) == (State.SUCCEEDED, ["succeeded"])
    assert told(task, row) == states.SUCCESS


class Thrice(JobTask):
    """Calls itself, and is called again when all is over."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        super().__call__(*args, **kwargs)
        return super().__call__(*args, **kwargs)

    def after_return(self, *_: Any) -> None:
        self(2)


def test_calls_of_a_task_by_itself_are_one_attempt(app: Celery) -> None:
    runs: list[int] = []

    def body(self: Task, number: int) -> None:
        runs.append(number)
        if number == 1 and len(runs) == 1:
            self(3)

    task = app.task(name="demo.thrice", base=Thrice, bind=True, shared=False)(body)
    row = queued_job(task="demo.thrice")

    execute(task, row)

    app.tasks.pop("demo.thrice")
    assert end_of(row) == (State.SUCCEEDED, ["succeeded"])
    assert runs == [1, 3, 3, 1, 2, 2]


@pytest.mark.parametrize("broken", ["store_result", "on_task_init"])
def test_what_fails_outside_of_the_task_ends_the_attempt_as_celery_tells_it(
    story: Task, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    row = queued_job(task="demo.story", max_attempts=3)
    place = story.backend if broken == "store_result" else story.app.loader
    whole, calls = getattr(place, broken), iter([OSError("no disk")])

    def break_once(*given: Any, **more: Any) -> Any:
        for error in calls:
            raise error
        return whole(*given, **more)

    monkeypatch.setattr(place, broken, break_once)
    vars(story)["__trace__"] = None

    execute(story, row)

    assert end_of(row) == (State.FAILED, ["failed"])
    assert row.error_message == "no disk"
    assert told(story, row) == states.FAILURE
    assert story.told[:1] == ["on_failure -"] or "body 1" not in story.told


def test_a_hook_put_on_later_is_known_by_what_celery_tells(story: Task) -> None:
    row = queued_job(task="demo.story")
    story.before_start = Mock(side_effect=OSError("no licence"))

    execute(story, row)

    assert end_of(row) == (State.FAILED, ["failed"])
    assert told(story, row) == states.FAILURE


def test_a_hook_put_on_later_may_stop_the_job(story: Task) -> None:
    row = queued_job(task="demo.story")
    story.before_start = Mock(side_effect=JobReleased(30))

    traced = execute(story, row)

    assert end_of(row) == (State.SCHEDULED, ["released"])
    assert traced[1].state == states.IGNORED


def test_a_result_that_celery_knew_is_a_success(story: Task) -> None:
    row = queued_job(task="demo.story")
    story.__trace__ = lambda *_: (None, None, None, None)

    execute(story, row)

    story.__trace__ = None
    assert end_of(row) == (State.SUCCEEDED, ["succeeded"])


def test_a_failure_after_the_end_is_said_on_the_jobs_page(story: Task) -> None:
    """Celery before 5.7 makes one of what ``after_return`` raises."""
    row = queued_job(task="demo.story")
    tracer, error = build_tracer(story.name, story, app=story.app), OSError("no way back")

    def failing(*given: Any) -> Any:
        tracer(*given)
        return trace_ok_t(None, TraceInfo(states.FAILURE, error), 0.0, None)

    story.__trace__ = failing
    execute(story, row)
    story.__trace__ = None

    assert end_of(row) == (State.SUCCEEDED, ["succeeded"])
    trouble = Trouble.objects.get(row_id=row.id)
    text = "Celery tells of a failure after the job had succeeded: OSError: no way back"
    assert (trouble.error, trouble.again_at) == (text, None)


@pytest.mark.parametrize(
    ("max_attempts", "state", "result"),
    [(None, State.FAILED, states.FAILURE), (2, State.SCHEDULED, states.STARTED)],
)
@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_a_body_that_ends_its_process_is_told_to_celery(
    story: Task,
    error: BaseException,
    max_attempts: int | None,
    state: State,
    result: str,
) -> None:
    row = queued_job(task="demo.story", max_attempts=max_attempts)
    story.bombs = {"body": error}

    with pytest.raises(type(error)):
        execute(story, row)

    assert end_of(row)[0] == state
    assert told(story, row) == result


@pytest.mark.parametrize(("max_attempts", "result"), [(None, states.FAILURE), (2, states.RETRY)])
def test_a_pool_of_threads_has_no_process_to_end(
    story: Task, monkeypatch: pytest.MonkeyPatch, max_attempts: int | None, result: str
) -> None:
    me = Identity(uuid7(), "w1@host", "threads")
    monkeypatch.setattr(identity, "_identity", me)
    monkeypatch.setattr(connection, "is_shared", lambda: True)
    row = queued_job(task="demo.story", max_attempts=max_attempts)
    story.bombs = {"body": SystemExit(3)}

    execute(story, row)

    assert told(story, row) == result
    assert row.task_id


def test_an_exit_outside_of_the_body_is_told_too(
    story: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = queued_job(task="demo.story")
    monkeypatch.setattr(story.app.loader, "on_task_init", Mock(side_effect=SystemExit(3)))
    vars(story)["__trace__"] = None

    with pytest.raises(SystemExit):
        execute(story, row)

    assert end_of(row) == (State.FAILED, ["failed"])
    assert isinstance(story.app.AsyncResult(row.task_id).result, WorkerLostError)


def test_in_eager_mode_the_first_hook_begins_the_attempt(story: Task) -> None:
    result = story.apply([1])

    job = Job.objects.get()
    assert result.get() == "done"
    assert (job.state, job.eager) == (State.SUCCEEDED, True)
    assert story.told == [*(f"{place} 1" for place in ALL), "after_return -"]


def test_the_supervisor_is_woken_for_a_job_that_it_can_see(
    story: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[Any]] = []
    monkeypatch.setattr(supervisor, "wake", lambda: seen.append([each.id for each in active()]))
    row = queued_job(task=story.name)

    execute(story, row)

    assert seen == [[row.id]]


class Sealed(JobTask):
    """Refuses each statement that its tasks make, as a base does that allows no writes."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with db.execute_wrapper(self.refuse):
            return super().__call__(*args, **kwargs)

    @staticmethod
    def refuse(*_: Any) -> None:
        raise AssertionError("a statement of the task")


@pytest.mark.parametrize("is_eager", [True, False])
def test_a_base_that_watches_the_connection_sees_no_statement_of_ours(
    app: Celery,
    is_eager: bool,  # noqa: FBT001
) -> None:
    def quiet(*_: Any) -> str:
        return "done"

    task = app.task(name=f"sealed.{is_eager}", base=Sealed, shared=False)(quiet)

    if is_eager:
        assert task.apply().get() == "done"
    else:
        job = queued_job(task=task.name)
        execute(task, job)

    (job,) = Job.objects.all()
    assert job.state == State.SUCCEEDED


def test_a_request_may_be_copied(story: Task) -> None:
    copies: list[Any] = []
    story.on_success = lambda *_: copies.append(deepcopy(story.request))

    execute(story, queued_job(task="demo.story"))

    assert [getattr(each, seam.ATTEMPT) for each in copies] == [None]


def test_a_task_that_is_called_when_its_attempt_has_ended_is_a_plain_call(story: Task) -> None:
    row = queued_job(task="demo.story")
    story.bombs = {"before_start": OSError("no licence")}
    story.on_failure = lambda *_: story(1)

    execute(story, row)

    assert end_of(row) == (State.FAILED, ["failed"])
    assert Job.objects.count() == 1


def test_a_hook_that_is_called_as_a_function_begins_nothing(story: Task) -> None:
    story.before_start()
    story.on_success()

    assert story.told == ["before_start -", "on_success -"]
    assert not Job.objects.exists()
