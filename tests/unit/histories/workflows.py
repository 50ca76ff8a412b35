"""A machine for workflows: whatever happens to their members, the counts are right.

The other machine foretells every column of single jobs.  This one asks, after each event, what
must hold of any workflow: that its batches say what counting the rows gives, that nobody begins
before what he follows has ended well, that what is passed on is what was returned, and that
callbacks were started once for each finish.  In the end everything comes to an end.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from celery_jobman import batch, chain, chord, group
from celery_jobman.core import (
    attempts,
    batches,
    cancellation,
    errands,
    joins,
    pruning,
    rescue,
    resumption,
    retries,
)
from celery_jobman.core.endings import Ending
from celery_jobman.core.faults import Fault
from celery_jobman.exceptions import ClaimLost, JobmanError
from celery_jobman.models import Batch, Job, Outcome, Role, Stopping
from celery_jobman.runtime.workflows.live import LiveBatch
from celery_jobman.states import FINAL, WAITING, State
from tests.factories import NOON, next_run_of
from tests.unit.histories.world import PICKS, ROLLED_BACK, one_of
from tests.workflows import deed, note

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from celery_jobman.core.endings import Run

#: Members of all workflows of one history, at most.
MOST = 24

LEAF = st.sampled_from([deed.s("x"), deed.si("x"), deed.s("x").set(allow_failure=True)])


def _with_callbacks(flow: Any) -> Any:
    return flow.then(note.si("t")).catch(note.si("c")).finally_(note.si("f"))


def _shapes(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    few = st.lists(inner, max_size=3)
    some = st.lists(inner, min_size=1, max_size=3)
    allowed = st.sampled_from([False, True, 1, "50%"])
    ways = st.sampled_from(["cancel", "continue"])
    return st.one_of(
        some.map(lambda links: _with_callbacks(chain(links))),
        few.map(group),
        st.tuples(few, inner).map(lambda parts: chord(*parts)),
        st.builds(
            lambda members, number, way: _with_callbacks(
                batch(members, allow_failures=number, on_failure=way)
            ),
            few,
            allowed,
            ways,
        ),
        some,
    )


FLOWS = st.recursive(LEAF, _shapes, max_leaves=8)


class Workflows(RuleBasedStateMachine):
    """Some workflows, and everything that may happen to them, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction._from_testcase = True  # type: ignore[attr-defined]
        self.transaction.__enter__()
        self.now: datetime = NOON
        self.running: list[tuple[Job, Run]] = []
        self.results = 0
        #: Workflows whose members were deleted.
        self.pruned: set[UUID] = set()
        #: By batch: how members ended whose rows are gone, and how many of them were excused.
        self.gone: defaultdict[UUID, Counter[str]] = defaultdict(Counter)

    def tick(self) -> datetime:
        """Return a moment that no other event has."""
        self.now += timedelta(microseconds=1)
        return self.now

    # What people write.

    @initialize(flow=FLOWS)
    def the_first_workflow(self, flow: Any) -> None:
        self.plant(flow)

    @precondition(lambda _: Job.objects.count() < MOST)
    @rule(flow=FLOWS)
    def another_workflow(self, flow: Any) -> None:
        self.plant(flow)

    def plant(self, flow: Any) -> None:
        batch([flow]).finally_(note.si("f")).then(note.si("t")).dispatch()
        Job.objects.filter(state=State.SCHEDULED).update(available_at=self.now)

    @precondition(lambda _: Job.objects.count() < MOST)
    @rule(pick=PICKS)
    def members_are_added(self, pick: int) -> None:
        chosen = self.batch(pick)
        if chosen is not None:
            self.perhaps(
                lambda: LiveBatch(chosen.id).add([deed.s("x"), [deed.s("y"), deed.s("z")]])
            )

    # What workers do.

    @rule(pick=PICKS, end=st.sampled_from(["succeeds", "succeeds", "fails", "again", "runs on"]))
    def a_job_begins(self, pick: int, end: str) -> None:
        waiting = list(Job.objects.filter(state__in=[State.SCHEDULED, State.QUEUED]).order_by("id"))
        if waiting:
            job = one_of(waiting, pick)
            run = next_run_of(job, member=joins.member(job), started_at=self.tick())
            assert attempts.claim(run, job.delivery)
            self.running.append((job, run))
            if end != "runs on":
                self.finish(len(self.running) - 1, end)

    @precondition(lambda self: self.running)
    @rule(pick=PICKS, end=st.sampled_from(["succeeds", "fails", "again"]))
    def a_job_ends(self, pick: int, end: str) -> None:
        self.finish(pick, end)

    @precondition(lambda self: self.running)
    @rule(pick=PICKS)
    def a_worker_dies(self, pick: int) -> None:
        job, run = self.running.pop(pick % len(self.running))
        row = Job.objects.get(pk=job.id)
        assert row.attempt == run.number
        rescue.lose(row, "it died", now=self.tick())

    def finish(self, pick: int, end: str) -> None:
        _job, run = self.running.pop(pick % len(self.running))
        now, fault = self.tick(), Fault(error_message="broken")
        self.results += 1
        endings = {
            "succeeds": Ending(
                outcome=Outcome.SUCCEEDED,
                to=State.SUCCEEDED,
                changes={"result": json.dumps(self.results)},
            ),
            "fails": Ending(outcome=Outcome.FAILED, to=State.FAILED, fault=fault),
            "again": Ending(outcome=Outcome.FAILED, to=State.SCHEDULED, available_at=now),
        }
        attempts.finish(run, endings[end], now=now)

    @rule(pick=PICKS)
    def an_errand_is_run(self, pick: int) -> None:
        found = errands.outstanding()
        if found:
            errands.go_on(one_of(found, pick), now=self.tick())

    # What people do.

    @rule(pick=PICKS)
    def a_job_is_cancelled(self, pick: int) -> None:
        job = self.job(pick, set(State) - FINAL)
        if job is not None:
            cancellation.cancel(job.id, now=self.tick())

    @rule(pick=PICKS)
    def a_batch_is_cancelled(self, pick: int) -> None:
        chosen = self.batch(pick)
        if chosen is not None:
            self.perhaps(lambda: batches.cancel(chosen.id, now=self.tick()))

    @rule(pick=PICKS)
    def a_job_is_retried(self, pick: int) -> None:
        job = self.job(pick, FINAL)
        if job is not None:
            self.perhaps(lambda: retries.retry(job.id, now=self.tick(), confirm_succeeded=True))

    @rule(pick=PICKS, scope=st.sampled_from(["failed", "failed", "following", "all"]))
    def a_batch_is_retried(self, pick: int, scope: str) -> None:
        chosen = self.batch(pick)
        if chosen is not None:
            self.perhaps(lambda: resumption.retry(chosen.id, scope, now=self.tick()))

    @rule(pick=PICKS)
    def a_link_is_retried_with_what_follows(self, pick: int) -> None:
        job = self.job(pick, FINAL)
        if job is not None:
            self.perhaps(lambda: resumption.retry_from(job.id, now=self.tick()))

    @rule()
    def what_is_old_is_pruned(self) -> None:
        cutoff = self.now + timedelta(seconds=1)
        finished = Batch.objects.roots().filter(finished_at__isnull=False)
        self.pruned |= set(finished.values_list("id", flat=True))
        known = set(Batch.objects.values_list("id", flat=True))
        self.pruned |= set(Batch.objects.values_list("root_id", flat=True)) - known
        live = Batch.objects.roots().filter(finished_at__isnull=True).values("id")
        inside = Batch.objects.filter(root_id__in=live).values("id")
        kept = Job.objects.filter(batch_id__in=inside).count()
        pruning.prune(pruning.prunable(cutoff), now=self.now)
        pruning.prune_batches(cutoff)
        assert Job.objects.filter(batch_id__in=inside).count() == kept

    @rule(pick=PICKS)
    def a_job_is_deleted(self, pick: int) -> None:
        job = self.job(pick, set(State))
        if job is not None:
            self.delete(job)

    @rule(pick=PICKS)
    def a_batch_is_deleted(self, pick: int) -> None:
        chosen = self.batch(pick)
        if chosen is not None:
            self.delete(chosen)

    def delete(self, row: Job | Batch) -> None:
        """Delete a row through the ORM; its batch counts it as it ended, or as cancelled."""
        if row.batch_id is not None and (isinstance(row, Batch) or row.role == Role.MEMBER):
            end = str(row.state) if row.is_final else "cancelled"
            self.gone[row.batch_id][end] += 1
            self.gone[row.batch_id]["excused"] += end == State.FAILED and row.allow_failure
        row.delete()
        held = set(Job.objects.filter(state=State.RUNNING).values_list("id", flat=True))
        ending = Ending(outcome=Outcome.SUCCEEDED, to=State.SUCCEEDED)
        for job, run in [each for each in self.running if each[0].id not in held]:
            self.running.remove((job, run))
            with pytest.raises(ClaimLost):
                attempts.finish(run, ending, now=self.tick())

    def job(self, pick: int, states: Any) -> Job | None:
        rows = list(Job.objects.filter(state__in=states).order_by("id"))
        return one_of(rows, pick) if rows else None

    def batch(self, pick: int) -> Batch | None:
        rows = list(Batch.objects.order_by("id"))
        return one_of(rows, pick) if rows else None

    def perhaps(self, call: Callable[[], object]) -> None:
        """Do what may be refused; then nothing is written."""
        before = self.standing()
        try:
            with transaction.atomic():
                call()
        except JobmanError:
            assert self.standing() == before, "a refusal that wrote something"

    @staticmethod
    def standing() -> list[Any]:
        jobs = Job.objects.order_by("id").values_list("id", "state", "attempt", "delivery")
        rows = Batch.objects.order_by("id").values_list("id", "state", "pending", "stopping")
        return [*jobs, *rows]

    @staticmethod
    def states() -> dict[UUID | None, str]:
        found: dict[UUID | None, str] = dict(Job.objects.values_list("id", "state"))
        return found | dict(Batch.objects.values_list("id", "state"))

    # What must hold.

    @invariant()
    def the_counts_are_what_counting_gives(self) -> None:
        for row in Batch.objects.exclude(root_id__in=self.pruned):
            ends: Counter[str] = Counter(
                Job.objects.members_of(row.id).values_list("state", flat=True)
            )
            ends.update(Batch.objects.filter(batch_id=row.id).values_list("state", flat=True))
            ends.update(self.gone[row.id])
            excused = self.excused(row) + ends.pop("excused", 0)
            counted = {name: ends[name] for name in ("succeeded", "failed", "cancelled", "skipped")}
            assert counted == {name: getattr(row, name) for name in counted}
            assert row.pending == ends.total() - sum(counted.values())
            assert row.excused == excused
            if row.state == State.RUNNING:
                assert row.pending or row.opening or row.stopping, "it has nothing to wait for"

    @staticmethod
    def excused(row: Batch) -> int:
        allowed = {"state": State.FAILED, "allow_failure": True}
        jobs = Job.objects.members_of(row.id).filter(**allowed).count()
        return jobs + Batch.objects.filter(batch_id=row.id, **allowed).count()

    @invariant()
    def nobody_begins_before_his_time(self) -> None:
        states = self.states()
        allowed = set(Job.objects.filter(allow_failure=True).values_list("id", flat=True))
        begun = Job.objects.filter(role=Role.MEMBER, batch_id__isnull=False)
        for job in begun.filter(state__in=[State.SCHEDULED, State.QUEUED, State.RUNNING]):
            before = job.follows_id
            if before is not None and before in states:
                ended = states[before]
                excused = ended == State.FAILED and before in allowed
                assert ended == State.SUCCEEDED or excused, f"it follows one that is {ended}"
            around = states.get(job.batch_id, State.RUNNING)
            assert around == State.RUNNING, "its batch is not open"

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        opening = set(Batch.objects.filter(opening=True).values_list("id", flat=True))
        stopping = set(Batch.objects.exclude(stopping=Stopping.NOT).values_list("id", flat=True))
        states = self.states()
        for job in Job.objects.filter(state=State.BLOCKED):
            if job.batch_id in stopping | opening:
                continue
            if job.follows_id is None:
                assert states[job.batch_id] == State.BLOCKED, "its batch is open, and it waits"
            else:
                assert states[job.follows_id] not in FINAL, "it waits for what has ended"

    @invariant()
    def nobody_stays_stopped_by_what_has_succeeded(self) -> None:
        states = self.states()
        stopped = Job.objects.filter(state__in=[State.SKIPPED, State.CANCELLED])
        for job_id, culprit in stopped.exclude(stopped_by=None).values_list("id", "stopped_by"):
            assert states.get(culprit) != State.SUCCEEDED, f"{job_id} is forgotten"

    @invariant()
    def what_is_passed_on_is_what_was_returned(self) -> None:
        begun = Job.objects.filter(takes_result=True, role=Role.MEMBER, follows_id__isnull=False)
        for job in begun.filter(state__in=[State.SCHEDULED, State.QUEUED, State.RUNNING]):
            before = Job.objects.filter(pk=str(job.follows_id), state=State.SUCCEEDED).first()
            if before is not None:
                assert job.arguments[0] == [before.return_value, *json.loads(job.own_args or "[]")]

    @invariant()
    def callbacks_were_started_once_for_each_finish(self) -> None:
        for row in Batch.objects.filter(callbacks__contains="finally"):
            roles: Counter[str] = Counter(
                Job.objects.filter(batch_id=row.id).values_list("role", flat=True)
            )
            if roles[Role.MEMBER] or row.batch_id is None:
                assert roles[Role.FINALLY] <= row.finishes
            if not row.is_final and roles[Role.MEMBER]:
                assert roles[Role.THEN] <= row.finishes

    # The end.

    def teardown(self) -> None:
        try:
            self.everything_comes_to_an_end()
        finally:
            self.transaction.__exit__(*ROLLED_BACK)

    def everything_comes_to_an_end(self) -> None:
        finishes = dict(Batch.objects.values_list("id", "finishes"))
        callbacks = self.fired()
        live = set(Batch.objects.unfinished().values_list("id", flat=True))
        for _ in range(400):
            if not self.one_thing_is_done():
                break
        left = Job.objects.exclude(state__in=sorted(FINAL)).values_list("id", "state")
        assert not left, "jobs that never end"
        assert not Batch.objects.unfinished().exists(), "batches that never finish"
        for row in Batch.objects.all():
            assert row.finishes == finishes[row.id] + (row.id in live)
            if "finally" in row.callbacks:
                assert self.fired()[row.id] == callbacks[row.id] + (row.id in live)
        self.the_counts_are_what_counting_gives()

    @staticmethod
    def fired() -> Counter[UUID | None]:
        rows = Job.objects.filter(role=Role.FINALLY).values_list("batch_id", flat=True)
        return Counter(list(rows))

    def one_thing_is_done(self) -> bool:
        for batch_id in errands.outstanding(100):
            if errands.go_on(batch_id, now=self.tick()):
                return True
        if self.running:
            self.finish(0, "succeeds")
            return True
        job = Job.objects.filter(state__in=sorted(WAITING - {State.BLOCKED})).first()
        if job is None:
            return False
        run = next_run_of(job, member=joins.member(job), started_at=self.tick())
        assert attempts.claim(run, job.delivery)
        self.running.append((job, run))
        return True
