"""A member of a durable workflow that puts another task in its place."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import celery
import pytest
from celery.exceptions import Ignore, ImproperlyConfigured, Reject
from celery.result import AsyncResult

from celery_jobman import actions, batch, chain, chord, group
from celery_jobman.exceptions import TransitionRefused, UnknownTask
from celery_jobman.models import Batch, Job
from celery_jobman.runtime.workflows.live import LiveBatch
from celery_jobman.testing import run_jobs
from tests.celery_app import app
from tests.workflows import audit, broken, deed, did, given_to, note

pytestmark = pytest.mark.django_db

#: What a deed puts in its place, by its name.
stands: dict[str, Callable[[], Any]] = {}


@app.task(name="replacing.swap", bind=True)
def swap(self: Any, *args: Any) -> Any:
    """Do the deed that the last argument names by something else, if anything stands for it."""
    name = args[-1]
    if name in stands:
        return self.replace(stands[name]())
    return deed.run(*args)


@app.task(name="replacing.leave", bind=True)
def leave(_self: Any, *args: Any) -> None:
    raise {"ignore": Ignore(), "reject": Reject("no")}[args[-1]]


@pytest.fixture(autouse=True)
def _nothing_stands() -> None:
    stands.clear()


def run(flow: Any) -> Batch:
    live = flow.dispatch()
    audit(live.id)
    run_jobs()
    audit(live.id)
    return live.row  # type: ignore[no-any-return]


def run_all(live: LiveBatch) -> Batch:
    run_jobs()
    audit(live.id)
    return live.row


def job_of(name: str) -> Job:
    (found,) = (job for job in Job.objects.all() if job.arguments[0][-1:] == [name])
    return found


def swapped() -> Job:
    return Job.objects.get(task="replacing.swap", completed_code="replaced")


@pytest.mark.parametrize(
    ("stand_in", "given"),
    [
        (lambda: deed.s("x"), "x"),
        (lambda: celery.chain(deed.s("x"), deed.s("y")), "y"),
        (lambda: celery.group(deed.s("x"), deed.s("y")), ["x", "y"]),
        (lambda: celery.chord([deed.s("x"), deed.s("y")], deed.s("z")), "z"),
        (lambda: chain(deed.s("x"), group(deed.s("y"), deed.s("z"))), ["y", "z"]),
        (lambda: chord([deed.s("x")], deed.s("y")), "y"),
    ],
)
@pytest.mark.parametrize("place", ["first", "middle"])
def test_what_follows_is_given_what_the_stand_in_returns(
    stand_in: Callable[[], Any], given: Any, place: str
) -> None:
    stands["b"] = stand_in
    before = [deed.s("a")] if place == "middle" else []

    row = run(chain(*before, swap.s("b"), deed.s("c")))

    assert given_to("c") == [given]
    assert given_to("x") == []
    assert did()[-1] == "c"
    assert row.state == "succeeded"


def test_the_last_link_of_a_chain_may_be_replaced() -> None:
    stands["b"] = lambda: deed.s("x")

    row = run(chain(chain(deed.s("a"), swap.s("b"), name="inner"), deed.s("c")))

    assert given_to("c") == ["x"]
    assert row.state == "succeeded"


def test_the_result_of_a_replaced_member_of_a_group_stays_in_its_place() -> None:
    stands["b"] = lambda: celery.chain(deed.s("x"), deed.s("y"))

    run(chain(group(deed.s("a"), swap.s("b"), deed.s("c")), deed.s("d")))

    assert given_to("d") == [["a", "y", "c"]]


def test_a_stand_in_may_be_replaced_itself() -> None:
    stands["b"] = lambda: swap.s("c")
    stands["c"] = lambda: celery.group(swap.s("d"), deed.s("e"))
    stands["d"] = lambda: deed.s("x")

    row = run(chain(swap.s("b"), deed.s("f")))

    assert given_to("f") == [["x", "e"]]
    assert row.state == "succeeded"


def test_a_stand_in_has_the_task_id_by_which_the_result_is_asked_for() -> None:
    stands["b"] = lambda: celery.chain(deed.s("x"), deed.s("y"))

    run(chain(swap.s("b"), deed.s("c")))

    last = job_of("y")
    assert last.task_id == swapped().task_id
    assert last.parent_id == swapped().id


def test_the_row_says_what_stands_in_for_it() -> None:
    stands["b"] = lambda: deed.s("x")

    row = run(chain(swap.s("b"), deed.s("c")))

    job = swapped()
    stand_in = job_of("x")
    following = job_of("c")
    assert (job.replaced_by, job.next_id, stand_in.follows_id) == (stand_in.id, stand_in.id, job.id)
    assert (stand_in.next_id, following.follows_id) == (following.id, stand_in.id)
    assert row.total == 3


def test_a_failed_stand_in_stops_the_chain_and_its_retry_goes_on() -> None:
    stands["b"] = lambda: deed.s("x")
    broken.add("x")
    row = run(chain(deed.s("a"), swap.s("b"), deed.s("c")))
    assert (row.state, did()) == ("failed", ["a", "x"])
    broken.clear()

    actions.retry_batch(row.id)
    run_jobs()

    audit(row.id)
    assert did() == ["a", "x", "x", "c"]
    assert given_to("c") == ["x"]
    assert Batch.objects.get().state == "succeeded"


def test_a_failed_stand_in_whose_member_may_fail_passes_on_what_that_was_given() -> None:
    stands["b"] = lambda: celery.chain(deed.s("x"), deed.s("y"))
    broken.add("x")

    row = run(chain(deed.s("a"), swap.s("b").set(allow_failure=True), deed.s("c")))

    assert given_to("c") == ["a"]
    assert row.state == "succeeded"


@pytest.mark.parametrize("again", ["other", "none"])
@pytest.mark.parametrize("first", [deed.s("x"), celery.chain(deed.s("x"), deed.s("y"))])
@pytest.mark.parametrize("how", ["all", "link", "job"])
def test_a_replaced_member_that_runs_again_chooses_anew(again: str, first: Any, how: str) -> None:
    stands["b"] = first.clone
    broken.add("x")
    row = run(chain(deed.s("a"), swap.s("b"), deed.s("c")))
    broken.clear()
    stands.clear()
    stands.update({"b": lambda: deed.s("z")} if again == "other" else {})
    job = swapped()

    if how == "all":
        actions.retry_batch(row.id, "all")
    elif how == "link":
        actions.retry_from_link(job.id)
    else:
        actions.retry(job.id, confirm_succeeded=True)
    audit(row.id)
    run_jobs()

    audit(row.id)
    row.refresh_from_db()
    assert given_to("c") == ["z" if again == "other" else "b"]
    assert did().count("x") == 1
    assert row.state == "succeeded"


def test_what_stood_in_before_stands_alone_when_its_member_runs_again() -> None:
    stands["b"] = lambda: celery.chain(deed.s("x"), deed.s("y"))
    row = run(chain(swap.s("b"), deed.s("c")))
    before = swapped().next_id

    actions.retry_batch(row.id, "all")
    run_jobs()

    alone = Batch.objects.get(pk=str(before))
    assert (alone.batch_id, alone.root_id, alone.state) == (None, alone.id, "succeeded")
    actions.retry_batch(alone.id, "all")
    run_jobs()
    audit(alone.id)
    audit(row.id)


def test_a_member_is_not_retried_while_something_stands_in_for_it() -> None:
    stands["b"] = lambda: deed.s("x").set(countdown=3600)
    run(chain(swap.s("b"), deed.s("c")))

    with pytest.raises(TransitionRefused, match="stands in for it"):
        actions.retry(swapped().id, confirm_succeeded=True)


def test_a_cancel_reaches_the_stand_in_and_what_waits_for_it() -> None:
    stands["b"] = lambda: deed.s("x").set(countdown=3600)
    row = run(chain(swap.s("b"), deed.s("c")))

    actions.cancel_batch(row.id)
    run_jobs()

    audit(row.id)
    row.refresh_from_db()
    assert (row.state, did()) == ("cancelled", [])


def test_a_stand_in_that_cannot_be_called_fails_the_member() -> None:
    stands["b"] = lambda: app.signature("nobody.knows")

    row = run(chain(swap.s("b"), deed.s("c")))

    job = Job.objects.get(task="replacing.swap")
    assert (job.state, job.error_class.rpartition(".")[2]) == ("failed", UnknownTask.__name__)
    assert (row.state, row.total, did()) == ("failed", 2, [])


@pytest.mark.parametrize("nothing", [chain(), celery.chain(), deed.s("x").set(chord=deed.s("y"))])
def test_what_cannot_stand_in_fails_the_member(nothing: Any) -> None:
    stands["b"] = lambda: nothing

    row = run(chain(swap.s("b").set(link=deed.s("z")), deed.s("c")))

    job = Job.objects.get(task="replacing.swap")
    assert job.error_class.rpartition(".")[2] == ImproperlyConfigured.__name__
    assert (row.state, did()) == ("failed", [])


def test_callbacks_of_a_replaced_task_are_called_with_what_the_stand_in_returns() -> None:
    stands["b"] = lambda: celery.chain(deed.s("x"), deed.s("y"))

    run(chain(swap.s("b").set(link=[note.s("linked")]), deed.s("c")))

    assert given_to("linked") == ["y"]
    assert did().count("linked") == 1


GROUPS: dict[str, Callable[[], Any]] = {
    "a group": lambda: group(deed.s("x"), deed.s("y")),
    "a group of Celery's": lambda: celery.group(deed.s("x"), deed.s("y")),
    "a batch": lambda: batch(deed.s(name) for name in "xy"),
    "a chain that ends with a group": lambda: chain(deed.s("w"), group(deed.s("x"), deed.s("y"))),
    "a chain of a chain that does": lambda: chain(
        deed.s("w"), chain(group(deed.s("x"), deed.s("y")), name="inner")
    ),
    "a chord whose body is a group": lambda: chord([deed.s("w")], group(deed.s("x"), deed.s("y"))),
}


@pytest.mark.parametrize("shape", GROUPS)
def test_callbacks_of_a_task_that_a_group_replaces_are_called_with_the_list(shape: str) -> None:
    stands["b"] = GROUPS[shape]
    callbacks = [note.s("linked"), note.si("told")]

    row = run(chain(swap.s("b").set(link=callbacks, queue="slow", priority=7), deed.s("c")))

    collecting = Job.objects.get(task="jobman.collect")
    assert given_to("linked") == [["x", "y"]]
    assert given_to("c") == [["x", "y"]]
    assert given_to("told") == []
    assert did().count("linked") == 1
    assert (collecting.task_id, collecting.queue) == (swapped().task_id, "slow")
    assert (collecting.priority, row.state) == (7, "succeeded")


def test_callbacks_of_a_task_that_a_group_replaces_wait_for_its_retry() -> None:
    stands["b"] = GROUPS["a group"]
    broken.add("x")
    row = run(chain(swap.s("b").set(link=[note.s("linked")])))
    assert (row.state, did()) == ("failed", ["x", "y"])
    broken.clear()

    actions.retry_batch(row.id)
    run_jobs()

    audit(row.id)
    assert given_to("linked") == [["x", "y"]]


Followed = Callable[[Any], tuple[Batch, AsyncResult]]


@pytest.fixture
def followed(django_capture_on_commit_callbacks: Any) -> Followed:
    """Run a flow, with what its commits let this process do; return its row, and its result."""

    def follow(flow: Any) -> tuple[Batch, AsyncResult]:
        live = flow.dispatch()
        result = live.result
        with django_capture_on_commit_callbacks(execute=True):
            row = run_all(live)
        return row, result

    return follow


@pytest.mark.parametrize("link", [[], [note.s("linked")]], ids=["", "with a callback"])
@pytest.mark.parametrize("shape", GROUPS)
def test_the_result_of_a_task_that_a_group_replaced_is_the_list(
    shape: str, link: list[Any], followed: Followed
) -> None:
    stands["b"] = GROUPS[shape]

    row, result = followed(chain(deed.s("a"), swap.s("b").set(link=link)))

    if not link:
        assert (result.state, result.result) == ("SUCCESS", ["x", "y"])
    assert row.state == "succeeded"


def test_the_result_of_a_stand_in_of_a_stand_in_is_told_of(followed: Followed) -> None:
    stands["b"] = lambda: chain(deed.s("w"), swap.s("c"))
    stands["c"] = lambda: group(swap.s("d"), deed.s("y"))
    stands["d"] = lambda: group(deed.s("x"))

    _, result = followed(chain(swap.s("b")))

    assert result.result == [["x"], "y"]


@pytest.mark.parametrize("link", [[], [note.s("linked")]], ids=["", "with a callback"])
@pytest.mark.parametrize("shape", GROUPS)
def test_the_result_of_a_task_is_the_error_of_the_group_that_replaced_it(
    shape: str, link: list[Any], followed: Followed
) -> None:
    stands["b"] = GROUPS[shape]
    broken.add("x")

    row, result = followed(chain(deed.s("a"), swap.s("b").set(link=link)))

    assert (result.state, type(result.result).__name__) == ("FAILURE", "ChordError")
    assert "x is broken" in str(result.result)
    assert row.state == "failed"


def test_the_result_of_a_task_whose_stand_in_was_cancelled_is_a_revoke(followed: Followed) -> None:
    stands["b"] = lambda: group(leave.s("ignore"), deed.s("y"))

    _, result = followed(chain(swap.s("b")))

    assert result.state == "REVOKED"


def test_the_retry_of_a_group_that_stands_in_is_told_of(
    followed: Followed, django_capture_on_commit_callbacks: Any
) -> None:
    stands["b"] = GROUPS["a group"]
    broken.add("x")
    row, result = followed(chain(swap.s("b")))
    broken.clear()

    with django_capture_on_commit_callbacks(execute=True):
        actions.retry_batch(row.id)
        run_all(LiveBatch(row.id))

    assert result.result == ["x", "y"]


def test_the_result_of_a_task_that_ignores_it_is_not_stored(followed: Followed) -> None:
    stands["b"] = GROUPS["a group"]

    _, result = followed(chain(swap.s("b").set(ignore_result=True)))

    assert result.state == "PENDING"


def test_a_list_that_is_too_long_is_told_of_as_an_error(followed: Followed, settings: Any) -> None:
    settings.JOBMAN = {"RESULT_LIMIT": 5}
    stands["b"] = GROUPS["a group"]

    _, result = followed(chain(swap.s("b")))

    assert result.state == "FAILURE"
    assert "more than the 5 that are passed on" in str(result.result)


def test_a_result_backend_that_is_away_does_not_break_a_stand_in(
    followed: Followed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stands["b"] = GROUPS["a group"]
    monkeypatch.setattr(swap.backend, "store_result", Mock(side_effect=ConnectionError("away")))

    row, _ = followed(chain(swap.s("b")))

    assert row.state == "succeeded"
    assert "Result of a stand-in could not be stored" in caplog.text


def test_a_member_of_a_group_may_add_another_to_it() -> None:
    @app.task(name="replacing.adds", bind=True)
    def adds(self: Any) -> str:
        return str(self.add_to_chord(deed.s("x")).id)

    row = run(chord([adds.s(), deed.s("b")], deed.s("c")))

    added = job_of("x")
    assert given_to("c") == [[added.task_id, "b", "x"]]
    assert (row.state, added.position) == ("succeeded", 2)


def test_a_link_of_a_chain_can_add_nothing_to_a_group() -> None:
    @app.task(name="replacing.adds_to_chain", bind=True)
    def adds(self: Any) -> None:
        self.add_to_chord(deed.s("x"))

    row = run(chain(adds.s(), deed.s("c")))

    assert "a link of the chain" in Job.objects.get(state="failed").error_message
    assert (row.state, did()) == ("failed", [])


def test_nothing_goes_on_from_a_member_that_is_ignored() -> None:
    row = run(batch([[leave.s("ignore"), deed.s("b")], deed.s("c")]).finally_(note.s("end")))

    ignored = Job.objects.get(task="replacing.leave")
    skipped = Job.objects.get(state="skipped")
    assert (ignored.state, ignored.completed_code) == ("cancelled", "ignored")
    assert skipped.stopped_by == ignored.id
    assert did() == ["c", "end"]
    assert row.state == "cancelled"


def test_the_body_of_a_chord_is_not_called_without_the_result_of_one_that_was_ignored() -> None:
    row = run(chord([leave.s("ignore"), deed.s("b")], deed.s("c")))

    assert did() == ["b"]
    assert row.state == "cancelled"


def test_nothing_goes_on_from_a_member_that_is_rejected() -> None:
    row = run(chain(leave.s("reject"), deed.s("b")))

    assert [job.state for job in Job.objects.order_by("id")] == ["failed", "skipped"]
    assert row.state == "failed"


def test_a_member_that_was_ignored_can_be_retried() -> None:
    row = run(chain(swap.s("a"), leave.s("ignore"), deed.s("c")))

    actions.retry(Job.objects.get(task="replacing.leave").id)

    audit(row.id)
    assert job_of("c").state == "blocked"
