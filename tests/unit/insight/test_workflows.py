from __future__ import annotations

import json
from typing import Any

import pytest

from celery_jobman.core.behind import KEY
from celery_jobman.insight import explanation, workflows
from celery_jobman.models import Batch, Job, Stopping
from celery_jobman.states import FINAL, State
from tests.factories import EARLIER, NOON, batch, blocked_job, finished_job, queued_job

pytestmark = pytest.mark.django_db


def why(row: Batch | Job) -> str:
    if isinstance(row, Job):
        return explanation.why(row, NOON)
    return workflows.why(row, NOON)


class TestWaiting:
    def test_a_link_waits_for_the_one_before(self) -> None:
        row = batch(total=2)
        first = queued_job(batch_id=row.id, task="shop.fetch")
        second = blocked_job(batch_id=row.id, follows_id=first.id)

        assert why(second) == f"It waits for shop.fetch ({first.id}, queued)."

    def test_one_far_behind_names_the_link_at_work_too(self) -> None:
        row = batch(total=3)
        first = queued_job(batch_id=row.id, position=4, task="shop.fetch")
        second = blocked_job(batch_id=row.id, position=4, follows_id=first.id, label="load it")
        third = blocked_job(batch_id=row.id, position=4, follows_id=second.id)
        queued_job(batch_id=row.id, position=5)

        assert why(third) == (
            f"It waits for load it ({second.id}, blocked);"
            f" the link at work is shop.fetch ({first.id}, queued)."
        )

    def test_what_follows_a_batch_is_told_how_many_members_are_pending(self) -> None:
        whole = batch(total=2)
        inner = batch(total=1200, succeeded=5, batch_id=whole.id, root_id=whole.id, name="mail")
        after = blocked_job(batch_id=whole.id, follows_id=inner.id)

        assert why(after) == f"It waits for mail ({inner.id}, pending: 1,195 of 1,200)."

    def test_a_batch_may_be_the_link_at_work(self) -> None:
        whole = batch(total=3)
        place: dict[str, Any] = {"batch_id": whole.id, "position": 0}
        inner = batch(total=9, kind="group", root_id=whole.id, **place)
        second = blocked_job(**place, follows_id=inner.id)
        third = blocked_job(**place, follows_id=second.id)

        assert why(third).endswith(f"the link at work is group ({inner.id}, pending: 9 of 9).")

    def test_the_first_member_of_a_batch_waits_for_what_that_waits_for(self) -> None:
        whole = batch(total=2)
        first = queued_job(batch_id=whole.id)
        inner = batch(
            State.BLOCKED, total=1, batch_id=whole.id, root_id=whole.id, follows_id=first.id
        )
        member = blocked_job(batch_id=inner.id)

        behind = f"It waits for demo.add ({first.id}, queued)."
        assert why(inner) == behind
        assert why(member) == f"It begins with batch ({inner.id}). {behind}"

    def test_the_members_of_a_batch_that_is_being_opened_are_next(self) -> None:
        row = batch(total=1, opening=True)

        assert why(blocked_job(batch_id=row.id)) == (
            f"It begins with batch ({row.id}), which is being opened."
        )
        assert why(row) == "Its first members are being released. Members pending: 1 of 1."

    def test_those_of_one_that_is_being_stopped_end(self) -> None:
        row = batch(total=1, stopping=Stopping.CANCELLED)

        assert why(blocked_job(batch_id=row.id)) == (
            f"It ends with batch ({row.id}), which is being stopped."
        )

    def test_what_has_just_ended_lets_it_go_on(self) -> None:
        row = batch(total=2)
        first = finished_job(State.SUCCEEDED, batch_id=row.id)

        assert why(blocked_job(batch_id=row.id, follows_id=first.id)) == (
            f"It waits for demo.add ({first.id}), which has ended; it goes on within a second"
            " or two."
        )

    def test_a_link_of_celerys_is_sent_by_celery(self) -> None:
        first = finished_job(State.SUCCEEDED)

        assert why(blocked_job(follows_id=first.id)) == (
            f"It waits for demo.add ({first.id}), which has ended, but Celery has not sent it;"
            " if that stays so, a process has died in between: retry that job."
        )

    def test_the_body_of_celerys_chord_waits_for_a_whole_group(self) -> None:
        first = finished_job(State.SUCCEEDED, group_id="g")

        assert why(blocked_job(follows_id=first.id)) == (
            f"It waits for a group: demo.add ({first.id}) has ended, and Celery sends it when all"
            " have."
        )

    def test_where_nothing_is_known_the_time_is_told(self) -> None:
        alone = blocked_job()

        assert workflows.waits(alone) == ""
        assert why(alone) == "It has waited for another job since 5m ago."
        assert why(batch(State.BLOCKED, total=1)) == "It has waited since 5m ago."


class TestEndedUnrun:
    @pytest.mark.parametrize(
        ("state", "how"), [(State.FAILED, "failed"), (State.CANCELLED, "was cancelled")]
    )
    def test_what_was_skipped_names_what_lets_it_go_on(self, state: State, how: str) -> None:
        by = finished_job(state, finished_at=EARLIER)
        expected = (
            f"It was skipped just now, because demo.add ({by.id}) {how} 5m ago; retry that one,"
            " and this one goes on."
        )
        around = batch(State.RUNNING, total=2)

        assert why(finished_job(State.SKIPPED, stopped_by=by.id, batch_id=around.id)) == expected
        assert why(batch(State.SKIPPED, stopped_by=by.id)) == expected

    @pytest.mark.parametrize(
        ("state", "how"), [(State.FAILED, "failed"), (State.CANCELLED, "was cancelled")]
    )
    def test_the_next_link_of_celerys_chain_goes_on_and_a_chord_does_not(
        self, state: State, how: str
    ) -> None:
        link, body = finished_job(State.SKIPPED), finished_job(State.SKIPPED)
        message = {
            "chain": [{"task": "demo.add", "options": {KEY: str(link.id)}}],
            "chord": {"task": "demo.add", "options": {KEY: str(body.id)}},
        }
        by = finished_job(state, finished_at=EARLIER, delivery=1, message=json.dumps(message))
        Job.objects.filter(pk__in=[link.id, body.id]).update(stopped_by=by.id)
        link.refresh_from_db()
        body.refresh_from_db()

        said = f"It was skipped just now, because demo.add ({by.id}) {how} 5m ago;"
        assert why(link) == f"{said} retry that one, and this one goes on."
        assert why(body) == (
            f"{said} Celery does not take up a chord again, so retry the job before it, or call it"
            " anew."
        )

    def test_or_only_that_when_the_other_is_gone(self) -> None:
        skipped = finished_job(State.SKIPPED, stopped_by=queued_job().id)

        assert why(skipped) == (
            "It was skipped just now: what it waited for failed or was cancelled."
        )

    def test_what_fell_with_too_many_failures_names_the_last_of_them(self) -> None:
        row = batch(State.FAILED, failed=1, cancelled=1, name="mail")
        by = finished_job(batch_id=row.id, finished_at=EARLIER)

        assert why(finished_job(State.CANCELLED, batch_id=row.id, stopped_by=by.id)) == (
            f"It was cancelled just now, because demo.add ({by.id}) failed 5m ago, and mail"
            f" ({row.id}) allows no more failures; retry that one, and this one goes on."
        )

    @pytest.mark.parametrize("own", [None, NOON])
    def test_what_was_cancelled_with_its_batch_says_so(self, own: Any) -> None:
        asked: dict[str, Any] = {"stopping": Stopping.CANCELLED, "cancel_requested_at": EARLIER}
        row = batch(State.CANCELLED, cancelled=1, name="mail", **asked)
        member = finished_job(State.CANCELLED, batch_id=row.id, cancel_requested_at=own)
        inner = batch(State.CANCELLED, cancelled=1, batch_id=row.id, root_id=row.id)

        together = f"It was cancelled just now, together with mail ({row.id})."
        assert why(member) == together
        assert why(inner) == f"{together} Members that had succeeded: 0 of 1."

    def test_what_was_cancelled_alone_does_not(self) -> None:
        row = batch(State.CANCELLED, cancelled=1)
        member = finished_job(State.CANCELLED, batch_id=row.id, cancel_requested_at=EARLIER)

        assert why(member) == "It was cancelled just now."
        assert why(row) == "It was cancelled just now. Members that had succeeded: 0 of 1."


class TestBatch:
    @pytest.mark.parametrize("state", [State.BLOCKED, State.RUNNING, *sorted(FINAL)])
    @pytest.mark.parametrize("stopping", Stopping)
    def test_every_state_has_a_sentence(self, state: State, stopping: Stopping) -> None:
        assert why(batch(state, stopping=stopping))

    def test_the_first_failure_is_named(self) -> None:
        job = finished_job(task="shop.mail")
        failed: dict[str, Any] = {"failed": 31, "error_job_id": job.id, "error_message": "bad row"}
        told = f"the first: shop.mail ({job.id}): bad row"

        assert why(batch(total=10_000, **failed)) == (
            f"Members pending: 9,969 of 10,000. Members failed: 31 of 10,000, {told}"
        )
        assert why(batch(State.FAILED, **failed)) == (
            f"It failed just now. Members failed: 31 of 31, {told}"
        )

    def test_failures_are_counted_when_the_first_is_gone(self) -> None:
        assert why(batch(State.FAILED, failed=1, succeeded=2)) == (
            "It failed just now. Members failed: 1 of 3."
        )

    def test_a_failure_of_its_own_is_told(self) -> None:
        row = batch(State.FAILED, succeeded=2, error_message="the result is too large")

        assert why(row) == "It failed just now: the result is too large"

    def test_a_success_with_failures_says_that_they_are_allowed(self) -> None:
        assert why(batch(State.SUCCEEDED, succeeded=9)) == "It succeeded just now."
        assert why(batch(State.SUCCEEDED, succeeded=9, failed=1)) == (
            "It succeeded just now. Members failed, as is allowed: 1 of 10."
        )

    def test_a_batch_that_is_being_stopped_says_why(self) -> None:
        row = batch(total=3, failed=1, stopping=Stopping.FAILED)

        assert why(row).startswith("More members failed than it allows: those that have not begun")
        assert "Members pending: 2 of 3." in why(row)
