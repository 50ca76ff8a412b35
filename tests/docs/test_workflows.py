"""What the pages on workflows say, where no other test holds it."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from celery_jobman import actions, batch, chain, current_batch, find_batch, group
from celery_jobman.exceptions import TransitionRefused
from celery_jobman.models import Batch, Job
from celery_jobman.testing import run_jobs
from tests.celery_app import app
from tests.workflows import audit, broken, deed, did, given_to, note, trace

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db

#: Attempts of :func:`split` that fail after it has added its members.
failing: list[str] = []


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    trace.clear()
    broken.clear()
    yield
    broken.clear()
    failing.clear()


def add_parts(parts: list[str]) -> int:
    here = current_batch()
    assert here is not None
    return here.add(deed.s(part) for part in parts)


@app.task(bind=True, name="docs.split", max_attempts=2, backoff=[0])
def split(self: Any) -> int:
    added: int = self.step("add", add_parts, ["b", "c"], atomic=True)
    if failing:
        raise ValueError(failing.pop())
    return added


def state_of(name: str) -> str:
    return next(j.state for j in Job.objects.all() if j.arguments[0][-1:] == [name])


class TestWorkflows:
    def test_a_bar_between_plain_signatures_is_celerys_and_is_read_as_ours(self) -> None:
        assert (deed.s("a") | deed.s("b")).task == "celery.chain"

        chain(deed.s("a") | deed.s("b")).dispatch()
        run_jobs()

        assert given_to("b") == ["a"]

    def test_a_group_in_a_chain_may_be_allowed_to_fail(self) -> None:
        broken.add("a")
        flow = chain(group(deed.s("a")).set(allow_failure=True), deed.si("b"), deed.s("c"))

        live = flow.dispatch()
        run_jobs()

        assert did() == ["a", "b", "c"]
        assert live.row.state == "succeeded"

    def test_a_countdown_of_the_whole_puts_off_its_beginning(self) -> None:
        flow = chain(deed.s("a"), deed.s("b").set(queue="cpu"))
        flow.set(queue="imports", priority=3, countdown=600).dispatch()

        first, second = Job.objects.order_by("id")
        assert first.available_at is not None
        assert first.available_at > timezone.now() + timedelta(minutes=9)
        assert (first.queue, first.priority) == ("imports", 3)
        assert (second.queue, second.priority) == ("cpu", 3)

    def test_a_workflow_tells_what_it_is(self) -> None:
        live = chain(deed.s("a"), group(deed.s("b"), deed.s("c")), deed.s("d")).dispatch()

        assert find_batch(str(live.id)) == live
        assert (live.row.total, live.progress) == (3, 0)
        assert current_batch() is None


class TestBatches:
    def test_adding_in_an_atomic_step_adds_once(self) -> None:
        failing.append("after the step")

        live = batch([split.s()]).dispatch()
        run_jobs()
        audit(live.id)

        assert sorted(did()) == ["b", "c"]
        assert (live.row.total, live.row.state) == (3, "succeeded")

    def test_links_of_a_chain_count_one_by_one_and_a_group_as_one(self) -> None:
        live = batch([[deed.s("a"), deed.s("b")], group(deed.s("c"), deed.s("d"))]).dispatch()

        assert live.row.total == 3

    def test_options_of_the_batch_are_those_of_its_callbacks_too(self) -> None:
        flow = batch([deed.s("a")], queue="mails", priority=2, tags=["newsletter"], delay=600)
        flow.finally_(note.s("finally")).dispatch()
        Job.objects.update(available_at=timezone.now())
        run_jobs()

        callback = Job.objects.get(role="finally")
        assert (callback.queue, callback.priority, callback.tags) == ("mails", 2, ["newsletter"])

    def test_the_status_is_what_a_view_may_send(self) -> None:
        owner = User.objects.create(username="ada")
        live = batch([deed.s("a")], owner=owner).dispatch()

        row = Batch.objects.without_payloads().get(pk=live.id, owner=owner)

        sent = json.loads(json.dumps(row.status))
        assert set(sent) == {
            *("id", "kind", "name", "state", "progress", "total", "pending", "succeeded"),
            *("failed", "cancelled", "skipped", "finished", "created_at", "started_at"),
            *("finished_at", "error"),
        }

    def test_catch_runs_again_after_all_failures_were_retried(self) -> None:
        broken.add("a")
        live = batch([deed.s("a")]).catch(note.s("catch")).dispatch()
        run_jobs()

        live.retry_failed()
        run_jobs()

        assert did() == ["a", "catch", "a", "catch"]


class TestRetries:
    def test_an_allowed_failure_is_left_by_failed_and_taken_by_following(self) -> None:
        broken.add("a")
        flow = chain(deed.s("a").set(allow_failure=True), deed.si("b"))
        live = flow.dispatch()
        run_jobs()

        with pytest.raises(TransitionRefused, match="none of its members has failed"):
            actions.plan_batch_retry(live.id)
        plan = actions.plan_batch_retry(live.id, "following")

        assert (plan.again_count, plan.waiting_count, plan.reused_count) == (1, 1, 0)

    def test_a_skipped_job_names_the_one_to_retry(self) -> None:
        broken.add("a")
        chain(deed.s("a"), deed.s("b")).dispatch()
        run_jobs()
        skipped = Job.objects.get(state="skipped")

        with pytest.raises(TransitionRefused, match="which is failed: retry that one"):
            actions.retry(skipped.id)

        assert state_of("b") == "skipped"

    def test_a_page_that_is_out_of_date_is_refused(self) -> None:
        broken.add("a")
        live = batch([deed.s("a")]).dispatch()
        run_jobs()
        seen = live.row.finishes
        live.retry_failed()
        run_jobs()

        with pytest.raises(TransitionRefused, match="it has finished since"):
            actions.retry_batch(live.id, finishes=seen)
