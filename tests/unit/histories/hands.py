"""Rules: how workers live and die."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from celery_jobman.core import rescue, workers
from celery_jobman.models import Job
from celery_jobman.states import State
from tests.unit.histories.world import OFF, PICKS, World, one_of

#: Waits before another attempt.
WAITS = st.sampled_from([timedelta(0), timedelta(seconds=40), timedelta(minutes=10)])
#: The age of a sign of life, at most, when somebody looks at it.
BEAT = timedelta(seconds=5)


class Hands(World):
    """How workers live and die."""

    @rule(
        time=st.sampled_from([1, 10, 10, 40, 600]),
        beats=st.booleans(),
        rescues=st.sampled_from([True, True, False]),
    )
    def time_passes(self, time: int, *, beats: bool, rescues: bool) -> None:
        passed = timedelta(seconds=time)
        lately = min(passed, BEAT)
        self.now += passed - lately
        if beats:
            self._beat_all()
        self.now += lately
        if rescues:
            self.rescue()

    @rule(time=st.sampled_from([1, 60]))
    def the_clock_is_set_back(self, time: int) -> None:
        """That of the database, which all go by where nothing else is said."""
        self.now -= timedelta(seconds=time)

    @rule(what=st.sampled_from(["one starts", "they beat", "they come back"]), off=OFF)
    def workers_live(self, what: str, off: timedelta) -> None:
        if what == "one starts" and len(self.able()) < 4:
            self.hire(off)
        elif what == "they come back":
            for hand in self.hands:
                hand.frozen = False
        self._beat_all()

    def _beat_all(self) -> None:
        for hand in self.able():
            self.beat(hand)

    @rule(pick=PICKS)
    def a_heartbeat_comes_late(self, pick: int) -> None:
        """From a worker that is frozen, gone, or was long taken for dead."""
        self.beat(one_of(self.hands, pick))

    @precondition(lambda self: self.able())
    @rule(pick=PICKS)
    def a_worker_freezes(self, pick: int) -> None:
        one_of(self.able(), pick).frozen = True

    @precondition(lambda self: self.hands)
    @rule(pick=PICKS, politely=st.booleans())
    def a_worker_ends(self, pick: int, *, politely: bool) -> None:
        hand = one_of(self.hands, pick)
        self.bodies = [body for body in self.bodies if body.hand is not hand]
        hand.gone = True
        if politely:
            workers.leave(hand.id, now=self.now)
            hand.said_goodbye = True

    @precondition(lambda self: self.bodies)
    @rule(pick=PICKS)
    def a_process_dies_and_its_worker_sees_it(self, pick: int) -> None:
        body = self.bodies.pop(pick % len(self.bodies))
        row = Job.objects.filter(pk=body.job.id, state=State.RUNNING).first()
        if row is not None and row.attempt == body.run.number:
            assert rescue.lose(row, "its process died", now=self.now)
            body.job.lose(self.now)

    @precondition(lambda self: self.bodies)
    @rule(pick=PICKS, delay=WAITS, final=st.booleans())
    def the_hard_time_limit_runs_out(self, pick: int, delay: timedelta, *, final: bool) -> None:
        body = self.bodies.pop(pick % len(self.bodies))
        if body.holds:
            row = Job.objects.get(pk=body.job.id)
            assert rescue.time_out(row, "too long", now=self.now, delay=delay, final=final)
            body.job.time_out(self.now + delay, final=final)
