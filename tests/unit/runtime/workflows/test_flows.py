"""Flows, written down, dispatched, and run to their end by one process."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import celery
import pytest
from django.utils import timezone

from celery_jobman import actions, batch, chain, chord, group
from celery_jobman.exceptions import EndlessWorkflow, NotASignature, PlainTask, UnknownTask
from celery_jobman.models import Batch, Job
from celery_jobman.testing import run_jobs
from tests.celery_app import app
from tests.workflows import audit, broken, deed, did, given_to, note, states

if TYPE_CHECKING:
    from celery_jobman.runtime.workflows.live import LiveBatch

pytestmark = pytest.mark.django_db


def run(flow: Any, *args: Any) -> Batch:
    live: LiveBatch = flow.dispatch(*args)
    audit(live.id)
    run_jobs()
    audit(live.id)
    return live.row


def test_a_chain_passes_each_result_on() -> None:
    row = run(chain(deed.s("a"), deed.s("b"), deed.si("c")))

    assert did() == ["a", "b", "c"]
    assert given_to("b") == ["a"]
    assert given_to("c") == []
    assert (row.state, row.total, row.succeeded) == ("succeeded", 3, 3)


def test_every_link_is_a_row_from_the_start() -> None:
    live = chain(deed.s("a"), deed.s("b")).dispatch()

    assert states(live.id) == {"a": "scheduled", "b": "blocked"}


def test_links_after_a_failed_one_are_skipped() -> None:
    broken.add("b")

    row = run(chain(deed.s("a"), deed.s("b"), deed.s("c"), deed.s("d")))

    assert states(row.id) == {"a": "succeeded", "b": "failed", "c": "skipped", "d": "skipped"}
    assert row.state == "failed"


def test_a_retried_link_goes_on_with_the_rest() -> None:
    broken.add("b")
    row = run(chain(deed.s("a"), deed.s("b"), deed.s("c"), deed.s("d")))
    broken.clear()

    actions.retry(Job.objects.get(batch_id=row.id, state="failed").id)
    audit(row.id)
    run_jobs()
    audit(row.id)

    assert did() == ["a", "b", "b", "c", "d"]
    assert given_to("d") == ["c"]
    assert Batch.objects.get().state == "succeeded"


def test_a_failure_that_is_allowed_passes_on_what_the_link_was_given() -> None:
    broken.add("b")

    row = run(chain(deed.s("a"), deed.s("b").set(allow_failure=True), deed.s("c")))

    assert given_to("c") == ["a"]
    assert row.state == "succeeded"


@pytest.mark.parametrize(
    "flow",
    [
        group(deed.s("x"), deed.s("b")),
        batch([deed.s("x"), deed.s("b")]),
        chain(deed.s("x"), deed.s("b"), name="inner"),
        chord([deed.s("x"), deed.s("b")], deed.s("y")),
    ],
    ids=["group", "batch", "chain", "chord"],
)
def test_a_flow_whose_failure_is_allowed_passes_on_what_it_was_given(flow: Any) -> None:
    broken.update("bx")
    allowed = flow.set(allow_failure=True)

    link = run(chain(deed.s("a"), allowed, deed.s("c")))
    last = run(chain(deed.s("a"), group([[deed.s("d"), allowed], deed.s("e")]), deed.s("f")))
    first = run(chain(group(allowed, deed.s("e")), deed.s("g")))

    assert given_to("c") == ["a"]
    assert given_to("f") == [["d", "e"]]
    assert given_to("g") == [[None, "e"]]
    assert [row.state for row in (link, last, first)] == ["succeeded"] * 3


def test_what_follows_a_group_is_given_the_list_of_results() -> None:
    run(chain(deed.s("a"), group(deed.s("b"), deed.s("c")), deed.s("d")))

    assert given_to("b") == given_to("c") == ["a"]
    assert given_to("d") == [["b", "c"]]


def test_a_chord_is_a_group_and_its_body() -> None:
    row = run(chord([deed.s("a"), deed.s("b")], deed.s("c")))

    assert given_to("c") == [["a", "b"]]
    assert row.kind == "chord"


def test_a_chord_may_be_called_with_its_body() -> None:
    chord([deed.s("a")])(deed.s("c"))
    run_jobs()

    assert given_to("c") == [["a"]]


def test_arguments_of_the_dispatch_reach_the_first_links() -> None:
    run(group(deed.s("a"), chain(deed.s("b"), deed.s("c")), deed.si("d")), 7)

    assert [given_to(name) for name in "abcd"] == [[7], [7], ["b"], []]


def test_flows_are_composed_with_a_bar() -> None:
    run(chain(deed.s("a"), deed.s("b")) | deed.s("c"))
    run(deed.s("d") | group(deed.s("e")))

    assert given_to("c") == ["b"]
    assert given_to("e") == ["d"]


def test_celerys_own_canvas_is_read_as_ours() -> None:
    header = celery.group(deed.s("b"), deed.s("c") | deed.s("d"))

    run(batch([celery.chain(deed.s("a"), celery.chord(header, deed.s("e"))), [deed.s("f")]]))

    assert given_to("e") == [["b", "d"]]
    assert did()[0] == "a"


def callbacks(flow: Any) -> Any:
    flow = flow.then(note.s("then")).catch(note.s("catch"))
    return flow.finally_(note.s("finally"))


def test_a_batch_that_succeeds_runs_then_and_finally() -> None:
    row = run(callbacks(batch([deed.s("a"), deed.s("b")], name="two")))

    assert sorted(did()[2:]) == ["finally", "then"]
    assert given_to("then") == [str(row.id)]
    assert (row.name, row.state, row.progress) == ("two", "succeeded", 100)


def test_a_batch_that_fails_runs_catch_and_finally() -> None:
    broken.add("a")

    row = run(callbacks(batch([deed.s("a")])))

    assert sorted(did()[1:]) == ["catch", "finally"]
    error = given_to("catch")[1]
    assert error["error_message"] == "a is broken"
    assert row.error_message == "a is broken"
    assert row.state == "failed"


def test_the_first_failure_cancels_what_has_not_started() -> None:
    broken.add("a")

    row = run(callbacks(batch([deed.s("a"), deed.s("b"), [deed.s("c"), deed.s("d")]])))

    assert states(row.id) == {"a": "failed", "b": "cancelled", "c": "cancelled", "d": "cancelled"}
    assert row.state == "failed"


def test_a_retry_undoes_the_automatic_cancel() -> None:
    broken.add("a")
    row = run(callbacks(batch([deed.s("a"), deed.s("b"), [deed.s("c"), deed.s("d")]])))
    broken.clear()

    actions.retry(Job.objects.get(batch_id=row.id, state="failed").id)
    audit(row.id)
    run_jobs()
    audit(row.id)

    row.refresh_from_db()
    assert (row.state, row.finishes, row.succeeded) == ("succeeded", 2, 4)
    assert did().count("finally") == 2
    assert did().count("then") == 1


def test_failures_that_are_allowed_do_not_fail_a_batch() -> None:
    broken.update({"a", "c"})

    row = run(
        callbacks(batch([deed.s("a"), deed.s("b"), [deed.s("c"), deed.s("d")]], allow_failures=2))
    )

    assert states(row.id) == {"a": "failed", "b": "succeeded", "c": "failed", "d": "skipped"}
    assert row.state == "succeeded"
    assert did().count("catch") == 1
    assert did().count("then") == 1


def test_an_empty_batch_has_finished() -> None:
    row = run(callbacks(batch()))

    assert sorted(did()) == ["finally", "then"]
    assert row.state == "succeeded"


def test_an_empty_group_in_a_chain_passes_an_empty_list() -> None:
    row = run(chain(deed.s("a"), group([]), deed.s("b")))

    assert given_to("b") == [[]]
    assert row.state == "succeeded"


def test_a_group_at_the_beginning_may_be_empty() -> None:
    run(chain(group([]), deed.s("b")))

    assert given_to("b") == [[]]


@pytest.mark.parametrize("empty", [chain(), chain(name="none"), chain().then(note.s("then"))])
def test_a_chain_without_links_passes_on_what_it_was_given(empty: Any) -> None:
    row = run(chain(deed.s("a"), empty, deed.s("b")))

    assert given_to("b") == ["a"]
    assert row.state == "succeeded"


@pytest.mark.parametrize(
    "empty",
    [
        chain(name="none"),
        chain(chain(name="none"), name="outer"),
        chain(chain(chain(name="none")).then(note.s("then")), chain(name="other")),
    ],
    ids=["one", "nested", "two"],
)
@pytest.mark.parametrize(
    "around",
    [lambda flow: flow, lambda flow: group(flow, deed.s("b"))],
    ids=["alone", "in_a_group"],
)
def test_a_chain_without_links_at_the_beginning_hands_on_the_arguments(
    empty: Any, around: Any
) -> None:
    row = run(around(chain(empty, deed.s("a"), deed.s("c"))), 7, 8)
    run(around(chain(empty, group(deed.s("d"), deed.si("e")))), 9)
    run(around(chain(empty, deed.s("f"))))

    assert [given_to(name) for name in "acdef"] == [[7, 8], ["a"], [9], [], []]
    assert row.state == "succeeded"


def test_what_follows_a_chain_without_links_begins_no_earlier_than_the_whole() -> None:
    chain(chain(name="none"), deed.s("a")).set(countdown=3600).dispatch()
    run_jobs()

    assert did() == []
    assert not Job.objects.due(timezone.now() + timedelta(minutes=50)).exists()
    assert Job.objects.due(timezone.now() + timedelta(minutes=61)).exists()


def test_what_follows_a_failed_group_is_skipped_and_goes_on_after_its_retry() -> None:
    broken.add("b")
    flow = chain(group(deed.s("a"), deed.s("b")), deed.s("c"), group(deed.s("d"), deed.s("e")))
    row = run(callbacks(flow))
    assert states(row.id) == {
        "a": "succeeded", "b": "failed", "c": "skipped", "d": "skipped", "e": "skipped",
    }  # fmt: skip
    broken.clear()

    plan = actions.retry_batch(row.id)
    audit(row.id)
    run_jobs()
    audit(row.id)

    assert (plan.again_count, plan.waiting_count, plan.reused_count) == (1, 3, 1)
    assert plan.callbacks == ("then", "finally")
    assert given_to("e") == ["c"]
    assert set(states(row.id).values()) == {"succeeded"}
    assert did().count("a") == 1


def test_a_whole_workflow_can_be_run_again() -> None:
    row = run(chain(deed.s("a"), group(deed.s("b"), deed.s("c")), deed.s("d")))

    plan = actions.retry_batch(row.id, "all")
    audit(row.id)
    run_jobs()
    audit(row.id)

    assert (plan.again_count, plan.waiting_count, plan.reused_count) == (1, 3, 0)
    assert did()[4:] == ["a", "b", "c", "d"]
    assert given_to("d") == [["b", "c"]]


def test_a_workflow_can_be_run_again_from_a_link() -> None:
    row = run(chain(deed.s("a"), group(deed.s("b"), deed.s("c")), deed.s("d")))

    actions.retry_from_link(Job.objects.get(state="succeeded", preview='"a", "b"').id)
    run_jobs()
    audit(row.id)

    assert did()[4:] == ["b", "d"]
    assert given_to("d") == [["b", "c"]]


def test_a_batch_can_be_cancelled() -> None:
    live = callbacks(batch([deed.s("a"), [deed.s("b"), group(deed.s("c"))]])).dispatch()

    actions.cancel_batch(live.id)
    run_jobs()
    audit(live.id)

    assert set(states(live.id).values()) == {"cancelled"}
    assert did() == ["finally"]
    assert live.row.state == "cancelled"


@pytest.mark.parametrize("member", [7, "add", None, deed, object()])
def test_a_member_that_is_no_signature_is_refused(member: Any) -> None:
    with pytest.raises(NotASignature, match="not a signature"):
        batch([deed.s("a"), member]).dispatch()

    assert not Batch.objects.exists()
    assert not Job.objects.exists()


def test_an_unregistered_task_in_the_middle_is_refused() -> None:
    missing = app.signature("nobody.knows")

    with pytest.raises(UnknownTask, match=r"nobody\.knows"):
        chain(deed.s("a"), missing, deed.s("b")).dispatch()

    assert not Job.objects.exists()


def test_a_plain_task_is_refused() -> None:
    with pytest.raises(PlainTask, match=r"celery\.ping|celery\.backend_cleanup"):
        chain(deed.s("a"), app.tasks["celery.backend_cleanup"].s()).dispatch()


def test_a_workflow_that_contains_itself_is_refused() -> None:
    links: list[Any] = [deed.s("a")]
    links.append(links)

    with pytest.raises(EndlessWorkflow):
        batch([links]).dispatch()
