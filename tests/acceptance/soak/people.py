"""People: a thread that calls the tasks, cancels jobs, and retries what was mended."""

from __future__ import annotations

import heapq
import itertools
import time
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from tests.acceptance import deeds
from tests.acceptance.drivers import ProjectError
from tests.acceptance.soak.stage import QUEUE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.soak.plan import Plan
    from tests.acceptance.soak.requests import Request
    from tests.acceptance.soak.stage import Stage

#: What a call may raise while the database is away.  Nothing was accepted, or nobody knows.
AWAY: Final = {"DatabaseUnwritable", "OperationalError", "InterfaceError"}
#: Seconds after which somebody tries again.
AGAIN: Final = 1.0


class People(Thread):
    """Does what the plan says of requests, each at its time or as soon as it is possible."""

    def __init__(self, stage: Stage, plan: Plan) -> None:
        super().__init__(name="people", daemon=True)
        self.stage = stage
        self.driver = stage.another_driver("people")
        #: The ids of what was accepted, by the request's tag; the id of a chain is its last's.
        self.accepted: dict[str, str] = {}
        self.refused: set[str] = set()
        self.complaints: list[str] = []
        self._numbers = itertools.count()
        self._diary: list[tuple[float, int, Callable[[Request], None], Request]] = []
        for request in plan.requests:
            self._note(request.at, self._call, request)

    def run(self) -> None:
        """Work through the diary."""
        try:
            self._start = time.monotonic()
            while self._diary:
                at, _, act, request = heapq.heappop(self._diary)
                time.sleep(max(0.0, at - self._now()))
                act(request)
        except Exception as error:  # noqa: BLE001 - the soak must tell of it
            self.complaints.append(f"nobody calls any more: {error!r}")
        finally:
            self.driver.close()

    def _now(self) -> float:
        return time.monotonic() - self._start

    def _note(self, at: float, act: Callable[[Request], None], request: Request) -> None:
        heapq.heappush(self._diary, (at, next(self._numbers), act, request))

    def _call(self, request: Request) -> None:
        try:
            self.accepted[request.tag] = self._enqueue(request)
        except ProjectError as error:
            self.refused.add(request.tag)
            if error.kind not in AWAY:
                self.complaints.append(f"{request.tag} was refused: {error.kind} {error.message}")
            return
        if request.cancelled_after is not None:
            self._note(self._now() + request.cancelled_after, self._cancel, request)
        if request.mended:
            self._note(self._now() + AGAIN, self._mend, request)

    def _enqueue(self, request: Request) -> str:
        if request.links:
            links = [(link.task, [link.tag, *link.words]) for link in request.links]
            return str(self.driver.call("toil_in_chain", links, QUEUE))
        options: dict[str, Any] = {"countdown": request.countdown} if request.countdown else {}
        words = [request.tag, *request.words]
        return str(self.driver.call("toil_at", request.task, words, queue=QUEUE, **options))

    def _cancel(self, request: Request) -> None:
        self._insist(request, self._cancel, "cancel")

    def _mend(self, request: Request) -> None:
        """Mend, and retry, as soon as the job has failed."""
        try:
            state = self.driver.call("job", self.accepted[request.tag])["state"]
        except ProjectError:
            state = "unknown"
        if state != "failed":
            self._note(self._now() + AGAIN, self._mend, request)
            return
        deeds.mended(self.stage.project.folder, request.tag).touch()
        self._insist(request, self._mend, "retry")

    def _insist(self, request: Request, act: Callable[[Request], None], verb: str) -> None:
        """Perform a verb; while the database is away, try again."""
        try:
            self.driver.call("act", verb, self.accepted[request.tag])
        except ProjectError as error:
            if error.kind in AWAY:
                self._note(self._now() + AGAIN, act, request)
            elif error.kind != "TransitionRefused":  # it has ended by itself
                self.complaints.append(f"{verb} of {request.tag}: {error.kind} {error.message}")
