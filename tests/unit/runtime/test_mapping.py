"""Celery's map, starmap and chunks, as jobs."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery, chain, group
from celery.canvas import xmap

from celery_jobman import JobTask, actions, batch
from celery_jobman.models import Job, Step
from celery_jobman.runtime import messages, placing
from celery_jobman.runtime.running import current_job
from celery_jobman.runtime.task import MAPS
from celery_jobman.states import State
from celery_jobman.testing import crash_at_every_checkpoint, run_job, run_jobs
from tests.celery_app import app

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db

#: What the mapped tasks did, and the items that make them fail.
done: list[Any] = []
bad: set[Any] = set()


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    done.clear()
    bad.clear()


@app.task(name="mapping.add", tags=["sums"])
def add(x: int, y: int) -> int:
    if x in bad:
        raise ValueError(f"no {x}")
    done.append((x, y))
    return x + y


@app.task(name="mapping.half")
def half(x: int) -> Decimal:
    return Decimal(x) / 2


@app.task(bind=True, name="mapping.stepping")
def stepping(self: Any, x: int) -> int:
    if x in bad:
        self.step("first", done.append, x)
        raise ValueError(f"no {x}")
    return self.step("first", lambda: x * 10)  # type: ignore[no-any-return]


@app.task(bind=True, name="mapping.coded")
def coded(self: Any, x: int) -> Any:
    return self.complete(x, code="odd")


@app.task(name="mapping.untracked", track=False)
def untracked(x: int) -> int:
    return x


@app.task(name="mapping.opaque", ignore_result=True)
def opaque(x: int) -> object:
    done.append(x)
    return object()


def steps(job: Job) -> list[tuple[str, str, int | None, int | None]]:
    return list(Step.objects.filter(job=job).values_list("name", "state", "done", "total"))


def test_a_starmap_is_one_job_named_after_what_it_calls() -> None:
    result = add.starmap([(1, 2), (3, 4)]).delay()

    job = Job.objects.get()
    assert (job.task_id, job.task, job.label) == (
        result.id,
        "celery.starmap",
        "mapping.add.starmap",
    )
    assert (job.state, job.preview, job.tags) == (State.QUEUED, "[1, 2], [3, 4]", ["sums"])


def set_routes(routes: dict[str, Any] | None) -> None:
    app.conf.task_routes = routes
    app.amqp.flush_routes()
    vars(app.amqp).pop("router", None)


def test_it_is_sent_where_calls_of_the_task_are_sent() -> None:
    set_routes({"mapping.add": {"queue": "sums"}})
    try:
        add.starmap([(1, 2)]).delay()
    finally:
        set_routes(None)

    assert Job.objects.get().queue == "sums"


@pytest.mark.parametrize(
    ("signature", "wanted"),
    [
        (add.starmap([(1, 2), (3, 4)]), [3, 7]),
        (add.starmap(zip(range(2), range(2), strict=True)), [0, 2]),
        (half.map([2, 4]), [Decimal(1), Decimal(2)]),
        (half.map(iter([2])), [Decimal(1)]),
        (half.map([]), []),
        (coded.map([1, 2]), [1, 2]),
    ],
)
def test_it_returns_what_celery_returns(signature: Any, wanted: list[Any]) -> None:
    job = run_job(signature.delay())

    assert job.state == State.SUCCEEDED
    assert messages.decode(job.result or "") == wanted


def test_results_that_nobody_wants_may_be_anything() -> None:
    job = run_job(opaque.map([1, 2]).apply_async(ignore_result=True))

    assert (job.state, done) == (State.SUCCEEDED, [1, 2])


def test_it_runs_eagerly() -> None:
    assert add.starmap([(1, 2), (3, 4)]).apply().get() == [3, 7]

    job = Job.objects.get()
    assert (job.state, job.eager, job.label) == (State.SUCCEEDED, True, "mapping.add.starmap")


def test_chunks_are_a_group_of_them() -> None:
    add.chunks(zip(range(6), range(6), strict=True), 2)()

    rows = list(Job.objects.order_by("position"))
    assert [(row.task, row.position) for row in rows] == [("celery.starmap", n) for n in range(3)]
    assert len({row.group_id for row in rows}) == 1
    assert [row.return_value for row in run_jobs()] == [[0, 2], [4, 6], [8, 10]]


def test_its_progress_counts_items() -> None:
    job = run_job(add.starmap([(1, 2), (3, 4)]).delay())

    assert (job.progress_current, job.progress_total) == (2, 2)
    assert steps(job) == [("items", "succeeded", 2, 2)]


def test_another_attempt_goes_on_with_the_item_that_failed() -> None:
    bad.add(3)
    job = run_job(add.starmap([(1, 1), (2, 2), (3, 3), (4, 4)]).delay())
    assert (job.state, job.error_message, steps(job)) == (
        State.FAILED,
        "no 3",
        [("items", "failed", 2, 4)],
    )

    bad.clear()
    actions.retry(job.pk)
    job = run_job(job.pk)

    assert (job.state, job.return_value) == (State.SUCCEEDED, [2, 4, 6, 8])
    assert done == [(1, 1), (2, 2), (3, 3), (4, 4)]


def test_results_that_are_kept_have_their_types_again() -> None:
    crash_at_every_checkpoint(app.tasks["celery.map"], kwargs={"task": half.s(), "it": [1, 3]})


def test_each_item_has_steps_of_its_own() -> None:
    bad.add(2)
    job = run_job(stepping.map([1, 2]).delay())
    names = [name for name, *_ in steps(job)]

    assert sorted(names) == ["items", "items/0/first", "items/1/first"]
    bad.clear()
    actions.retry(job.pk)
    assert run_job(job.pk).return_value == [10, None]  # the step of the second had been done


def test_a_cancel_takes_effect_between_two_items(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(x: int, y: int) -> int:
        done.append((x, y))
        current_job().ask()  # type: ignore[union-attr]
        return x

    result = add.starmap([(1, 1), (2, 2)]).delay()
    job = Job.objects.get(task_id=result.id)

    def cancelling(x: int, y: int) -> int:
        Job.objects.filter(pk=job.pk).update(cancel_requested_at=job.created_at)
        return stop(x, y)

    monkeypatch.setattr(add, "run", cancelling)

    assert run_job(job).state == State.CANCELLED
    assert done == [(1, 1)]


@pytest.mark.parametrize(
    "signature",
    [
        untracked.map([1]),
        untracked.starmap([(1,)]),
        untracked.chunks([(1,)], 1),
        xmap(half.s().set(track=False), [1], app=app),
        xmap(app.signature("mapping.unknown"), [1], app=app),
    ],
)
def test_what_makes_no_job_makes_none_when_it_is_mapped(signature: Any) -> None:
    signature.apply_async()

    assert not Job.objects.exists()


def test_results_that_are_not_json_are_celerys_business() -> None:
    assert app.backend is not None  # a backend that is made below would stay one of pickle's
    app.conf.result_serializer = "pickle"
    try:
        job = run_job(opaque.map([1, 2]).delay())
    finally:
        app.conf.result_serializer = "json"

    assert (job.state, job.result, steps(job)) == (State.SUCCEEDED, None, [])


def test_a_result_that_cannot_be_kept_fails_the_job() -> None:
    job = run_job(opaque.map([1]).apply_async(ignore_result=False))

    assert (job.state, job.error_class) == (
        State.FAILED,
        "celery_jobman.exceptions.UnencodableValue",
    )
    assert "result 0" in job.error_message


def test_in_a_chain_it_waits_like_any_link() -> None:
    chain(add.s(1, 1), add.starmap([(1, 2)]), half.map([2]))()

    kept = placing.MAPS_KEEP_OPTIONS
    assert Job.objects.filter(state=State.BLOCKED).count() == (2 if kept else 0)
    assert [job.state for job in run_jobs()] == [State.SUCCEEDED] * 3


def test_in_a_workflow_of_ours_it_is_a_member() -> None:
    flow = batch([
        add.starmap(iter([(1, 2)])),
        add.chunks([(1, 1), (2, 2), (3, 3)], 2),
        group(half.map([2]), half.map([4])),
    ]).dispatch()  # fmt: skip

    run_jobs()
    members = Job.objects.filter(task__startswith="celery.")
    assert Counter(job.label for job in members) == {
        "mapping.add.starmap": 3,
        "mapping.half.map": 2,
    }
    assert flow.row.state == State.SUCCEEDED


def twice(x: int) -> int:
    return 2 * x


@pytest.fixture
def mixed() -> Iterator[Celery]:
    """Return an app in which not all tasks are jobs; no check is to find it afterwards."""
    app = Celery("mixed", broker="memory://", set_as_current=False)
    yield app
    app.close()


@pytest.mark.parametrize("is_late", [True, False])
def test_maps_may_be_jobs_where_only_some_tasks_are(mixed: Celery, is_late: bool) -> None:  # noqa: FBT001
    plain = mixed.task(name="mixed.plain", shared=False)(twice)
    if is_late:
        mixed.finalize()
    ours = mixed.task(name="mixed.ours", shared=False, base=JobTask)(twice)
    mixed.finalize()

    assert all(isinstance(mixed.tasks[name], JobTask) for name in MAPS)
    assert plain.map([1, 2]).apply().get() == [2, 4]
    assert plain.starmap([(1,), (2,)]).apply().get() == [2, 4]
    assert not Job.objects.exists()
    assert ours.map([1, 2]).apply().get() == [2, 4]
    assert ours.starmap([(1,), (2,)]).apply().get() == [2, 4]
    assert [job.label for job in Job.objects.order_by("id")] == [
        "mixed.ours.map",
        "mixed.ours.starmap",
    ]
