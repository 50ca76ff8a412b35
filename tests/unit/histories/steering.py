"""Rules: what people do to jobs."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from celery_jobman.core import (
    cancellation,
    forks,
    jobs,
    priorities,
    pruning,
    rescheduling,
    retries,
    schedule,
)
from celery_jobman.core.terms import Terms
from celery_jobman.models import Job, StepState
from celery_jobman.states import FINAL, WAITING, State
from tests.factories import unsaved_job
from tests.unit.histories.model import Expected, Message
from tests.unit.histories.traffic import MOST
from tests.unit.histories.world import PICKS, QUEUES, World, one_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

NAMES = st.sampled_from(["load", "check", "send", "rows"])
WHEN = st.sampled_from([None, timedelta(seconds=-5), timedelta(seconds=40), timedelta(hours=1)])
PRIORITY = st.sampled_from([None, 0, 7, 255])
SOME = precondition(lambda self: self.jobs)
ENDED = precondition(lambda self: any(job.state in FINAL for job in self.jobs.values()))
STOPPING = precondition(lambda self: any(job.asked_to_stop for job in self.jobs.values()))


class Producers(World):
    """Those who enqueue."""

    @initialize(max_attempts=st.sampled_from([None, 2, 5]), begins=st.booleans())
    def the_first_job_is_enqueued(self, max_attempts: int | None, *, begins: bool) -> None:
        self.enqueue(None, None, max_attempts, "celery")
        if begins:
            self.deliver(self.messages[0], self.hands[0])

    @precondition(lambda self: len(self.jobs) < MOST)
    @rule(
        delay=st.sampled_from([None, None, timedelta(seconds=20), timedelta(hours=1)]),
        life=st.sampled_from([None, None, None, timedelta(seconds=30), timedelta(hours=2)]),
        max_attempts=st.sampled_from([None, 1, 2, 5]),
        queue=st.sampled_from(QUEUES),
        dies=st.booleans(),
    )
    def a_job_is_enqueued(
        self,
        delay: timedelta | None,
        life: timedelta | None,
        max_attempts: int | None,
        queue: str,
        *,
        dies: bool,
    ) -> None:
        self.enqueue(delay, life, max_attempts, queue, dies=dies)

    def enqueue(
        self,
        delay: timedelta | None,
        life: timedelta | None,
        max_attempts: int | None,
        queue: str,
        *,
        dies: bool = False,
    ) -> None:
        """Write a row, and send its message unless the process dies before it can."""
        at, end = (self.now + span if span else None for span in (delay, life))
        times: dict[str, Any] = {"available_at": at, "expires_at": end}
        state = State.SCHEDULED if delay else State.QUEUED
        row = unsaved_job(max_attempts=max_attempts, queue=queue, state=state, **times)
        row = jobs.enqueue(row, now=self.now)
        job = Expected(row.id, state, queue=queue, max_attempts=max_attempts, **times)
        job.queued_at = row.queued_at
        self.jobs[job.id] = job
        if delay is None and not dies:
            schedule.send(row, self.publish, now=self.now)
            self.settle()


def _takes(message: Message) -> bool:
    return message.job.takes(message)


class People(World):
    """Those who steer."""

    def chosen(self, pick: int, fits: Callable[[Expected], bool]) -> Expected:
        """Return a job; mostly one that fits what is wanted, if there is one."""
        jobs = list(self.jobs.values())
        fitting = [job for job in jobs if fits(job)]
        return cast("Expected", one_of(fitting if fitting and pick % 4 else jobs, pick))

    @SOME
    @rule(pick=PICKS, force=st.booleans())
    def a_person_cancels(self, pick: int, *, force: bool) -> None:
        job = self.chosen(pick, _lives)
        allowed = job.state not in FINAL
        self.unless(allowed, lambda: cancellation.cancel(job.id, now=self.now, force=force))
        if allowed:
            job.cancel(force=force)

    def on_their_way(self) -> list[Message]:
        """Messages that may begin the attempts that their jobs wait for."""
        return [each for each in self.messages if each.job.id in self.jobs and _takes(each)]

    @precondition(lambda self: self.on_their_way() and self.able())
    @rule(pick=PICKS)
    def a_person_takes_a_cancel_back_before_the_message_arrives(self, pick: int) -> None:
        message = one_of(self.on_their_way(), pick)
        cancellation.cancel(message.job.id, now=self.now)
        message.job.cancel(force=False)
        retries.retry(message.job.id, now=self.now)
        self._reopened(message.job)
        self.messages.remove(message)
        self.deliver(message, self.able()[0])

    @STOPPING
    @rule(pick=PICKS)
    def a_process_is_killed_to_stop_its_job(self, pick: int) -> None:
        job = self.chosen(pick, lambda job: job.by_force)
        row = Job.objects.filter(pk=job.id, state=State.RUNNING, cancel_forced=True).first()
        assert (row is not None) == (job.state == State.RUNNING and job.by_force)
        if row is not None:
            assert cancellation.stop_by_force(row, now=self.now)
            job.stop()

    @ENDED
    @rule(
        pick=PICKS,
        confirm=st.booleans(),
        behind=st.sampled_from([0, 0, 0, 1]),
        when=WHEN,
        queue=st.sampled_from([None, *QUEUES]),
        priority=PRIORITY,
    )
    def a_person_retries(
        self,
        pick: int,
        behind: int,
        when: timedelta | None,
        queue: str | None,
        priority: int | None,
        *,
        confirm: bool,
    ) -> None:
        job = self.chosen(pick, _has_ended)
        attempt = job.attempt - behind
        at = None if when is None else self.now + when
        terms = Terms(when=at, queue=queue, priority=priority)
        asked: dict[str, Any] = {"now": self.now, "attempt": attempt, "terms": terms}
        allowed = job.may_reopen(attempt, confirmed=confirm)
        self.unless(allowed, lambda: retries.retry(job.id, confirm_succeeded=confirm, **asked))
        if allowed:
            self._reopened(job, at)
            job.queue = queue or job.queue
            job.priority = job.priority if priority is None else priority

    def _reopened(self, job: Expected, at: datetime | None = None) -> None:
        job.reopen(max(at or self.now, self.now))

    @ENDED
    @rule(pick=PICKS, step=NAMES)
    def a_person_retries_from_a_step(self, pick: int, step: str) -> None:
        job = self.chosen(pick, lambda job: _has_ended(job) and step in job.steps)
        allowed = _has_ended(job) and step in job.steps
        self.unless(allowed, lambda: retries.rewind(job.id, step, now=self.now))
        if allowed:
            self._reopened(job)
            job.rewind(step)

    @ENDED
    @rule(pick=PICKS)
    def a_person_replays_what_was_skipped(self, pick: int) -> None:
        job = self.chosen(pick, lambda job: _has_ended(job) and "rows" in job.steps)
        rows = job.steps.get("rows")
        replays = rows is not None and (rows.done or rows.state == StepState.REPLAYING)
        allowed = job.state in FINAL and replays and rows is not None and bool(rows.value[0])
        if allowed:
            self.replay(job)
        else:
            asked = partial(retries.replay_skipped, job.id, "rows", now=self.now)
            self.unless(False, asked)  # noqa: FBT003

    @precondition(lambda self: 0 < len(self.jobs) < MOST)
    @rule(pick=PICKS, step=st.sampled_from([None, "load", "rows"]), replaces=st.booleans())
    def a_person_forks(self, pick: int, step: str | None, *, replaces: bool) -> None:
        job = self.chosen(pick, lambda job: bool(job.steps))
        allowed = (step is None or step in job.steps) and (not replaces or job.state in FINAL)
        asked: dict[str, Any] = {"from_step": step, "replaces": replaces}
        made: list[Job] = []
        self.unless(allowed, lambda: made.append(forks.fork(job.id, now=self.now, **asked)))
        for copy in made:
            job.replaced = job.replaced or replaces
            self.jobs[copy.id] = job.fork(copy.id, self.now, step)

    @SOME
    @rule(pick=PICKS, wait=st.sampled_from([timedelta(0), timedelta(seconds=40)]))
    def a_person_reschedules(self, pick: int, wait: timedelta) -> None:
        job, at = self.chosen(pick, _waits), self.now + wait
        allowed = job.state in WAITING
        self.unless(allowed, lambda: rescheduling.reschedule(job.id, at, now=self.now))
        if allowed:
            job.put_off(at)

    @SOME
    @rule(pick=PICKS, priority=PRIORITY)
    def a_person_changes_the_priority(self, pick: int, priority: int | None) -> None:
        job = self.chosen(pick, _waits)
        allowed = job.state in WAITING
        self.unless(allowed, lambda: priorities.change_priority(job.id, priority, now=self.now))
        if allowed:
            held = job.state == State.SCHEDULED
            job.put_off(job.available_at if held and job.available_at else self.now)
            job.priority = priority

    @ENDED
    @rule(pick=PICKS)
    def a_person_forgets_a_job(self, pick: int) -> None:
        job = self.chosen(pick, _has_ended)
        allowed = job.state in FINAL
        self.unless(allowed, lambda: pruning.forget(job.id, now=self.now))
        if allowed:
            del self.jobs[job.id]

    @ENDED
    @rule()
    def old_jobs_are_pruned(self) -> None:
        cutoff = self.now - timedelta(minutes=5)
        gone = {job.id for job in self.jobs.values() if job.ended_before(cutoff)}
        assert pruning.prune(pruning.prunable(cutoff), now=self.now) == len(gone)
        for job_id in gone:
            del self.jobs[job_id]

    @ENDED
    @rule()
    def old_jobs_are_trimmed(self) -> None:
        """Their rows stay; what their steps saved does not."""
        cutoff = self.now - timedelta(minutes=5)
        old = [job for job in self.jobs.values() if job.ended_before(cutoff)]
        assert pruning.trim(pruning.prunable(cutoff), now=self.now) == len(old)
        for job in old:
            job.steps.clear()
            job.set_aside = 0


def _waits(job: Expected) -> bool:
    return job.state in WAITING


def _has_ended(job: Expected) -> bool:
    return job.state in FINAL


def _lives(job: Expected) -> bool:
    return not _has_ended(job)
