"""The moments of the matrix: where a job is held while a fault strikes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One moment of a job's life."""

    #: What goes on, for the page.
    says: str
    #: The gate that holds it, and how often it passes there before; none: it waits by itself.
    gate: str = ""
    after: int = 0
    task: str = "passage"
    #: The task of the next link of its chain, if it is in one.
    followed_by: str = ""


INSERT: Final = "before the insert commits"
PUBLISH: Final = "between commit and publish"
QUEUED: Final = "message in the broker"
PREFETCHED: Final = "message prefetched"
CLAIMED: Final = "just claimed"
CANCEL: Final = "during a cancel"
RETRY: Final = "during a retry"
AFTER: Final = "after a checkpoint"
ATOMIC: Final = ("inside an atomic step", "before an atomic commit")
STEP: Final = ("inside a step", "between step and checkpoint")
FINISHING: Final = "finishing"
FINISHED: Final = "finished"
LINK: Final = "next link dispatched"

MOMENTS: Final = {
    INSERT: Moment(says="The web process's transaction is open.", gate="before the commit"),
    PUBLISH: Moment(says="The row is there, its message is not.", gate="enqueued"),
    QUEUED: Moment(says="No worker has taken it.", task="knock"),
    PREFETCHED: Moment(says="A worker has taken it, no process has begun.", task="knock"),
    CLAIMED: Moment(says="The row says running, and that is all.", gate="claimed"),
    "before the body": Moment(says="Everything is prepared for the task.", gate="before body"),
    STEP[0]: Moment(says="A step has had its effect and goes on.", gate="inside a step"),
    STEP[1]: Moment(says="A step has returned, nothing is saved.", gate="step:work done"),
    AFTER: Moment(says="A step is saved.", gate="step:checkpointed"),
    ATOMIC[0]: Moment(says="An atomic step has returned.", gate="step:work done", after=1),
    ATOMIC[1]: Moment(says="Effect and checkpoint are written.", gate="atomic:before commit"),
    "inside an iteration": Moment(says="Before the third item.", gate="iteration:item", after=2),
    "after a cursor was saved": Moment(
        says="After the fourth item.", gate="iteration:checkpointed", after=1
    ),
    FINISHING: Moment(says="The body has returned, its end is not written.", gate="finishing"),
    FINISHED: Moment(says="Its end is written, the process is not done.", gate="finished"),
    CANCEL: Moment(
        says="It was asked to stop and has not yet.",
        gate="in a round of the march",
        after=2,
        task="march",
    ),
    RETRY: Moment(
        says="It has failed and will be tried again; the process is not done.",
        gate="finished",
        task="failing",
    ),
    LINK: Moment(
        says="It has ended, and the next link of its chain is written; that one's message is not.",
        gate="enqueued",
        followed_by="knock",
    ),
}

WEB: Final = (INSERT, PUBLISH)
BROKER: Final = (QUEUED, PREFETCHED)
#: Moments from the claim to the last checkpoint.
BODY: Final = tuple(MOMENTS)[4:13]
#: Moments at which a pool process stands.
HELD: Final = (*BODY, FINISHING, FINISHED, LINK, CANCEL, RETRY)
