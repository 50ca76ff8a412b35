"""The states a job passes through, and every move allowed between them.

This module is the whole state machine.  It imports nothing from the package, so the
models, the admin, the documentation and the tests all read the same table.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class State(TextChoices):
    """Where a job stands.  Values are stored; never rename one without a migration."""

    SCHEDULED = "scheduled", _("Scheduled")
    """Held in the database until ``available_at``; no valid message is on its way."""

    BLOCKED = "blocked", _("Blocked")
    """Waits for another job: a chain link, a batch or its lane."""

    QUEUED = "queued", _("Queued")
    """Its message was given to the broker; no worker has claimed it."""

    RUNNING = "running", _("Running")
    """Claimed by a worker that gives its heartbeat."""

    SUCCEEDED = "succeeded", _("Succeeded")
    """The task returned; ``completed_code`` says how well.  Final."""

    FAILED = "failed", _("Failed")
    """The last permitted attempt raised, timed out or was lost.  Final."""

    CANCELLED = "cancelled", _("Cancelled")
    """Stopped on request.  Final."""

    SKIPPED = "skipped", _("Skipped")
    """Something it waited for failed or was cancelled.  Final."""


#: States that end a job's life.
FINAL: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.SKIPPED})

#: States in which a job waits for something and no worker holds it.
WAITING: Final = frozenset({State.SCHEDULED, State.BLOCKED, State.QUEUED})

#: States from which a worker may claim a job.  Scheduled is one of them because the
#: worker may be quicker than the dispatcher's own commit.
CLAIMABLE: Final = frozenset({State.QUEUED, State.SCHEDULED})

#: ``TRANSITIONS[source]`` is the set of states reachable from ``source``.
TRANSITIONS: Final = MappingProxyType(
    {
        # scheduled -> queued      due: the dispatcher gives its message to the broker.
        # scheduled -> running     a worker was quicker than the dispatcher's own commit.
        # scheduled -> cancelled   cancelled while it was held; no message is valid any more.
        State.SCHEDULED: frozenset({State.QUEUED, State.RUNNING, State.CANCELLED}),
        # blocked -> scheduled     what it waited for ended well, and a delay follows.
        # blocked -> queued        what it waited for ended well.
        # blocked -> failed        its turn came, and it could not be enqueued.
        # blocked -> cancelled     cancelled while it waited.
        # blocked -> skipped       what it waited for failed or was cancelled.
        State.BLOCKED: frozenset(
            {State.SCHEDULED, State.QUEUED, State.FAILED, State.CANCELLED, State.SKIPPED}
        ),
        # queued -> running        a worker claimed it.
        # queued -> scheduled      the broker refused the message, or it was rescheduled.
        # queued -> blocked        its lane is taken.
        # queued -> cancelled      cancelled; the message is dropped when it arrives.
        State.QUEUED: frozenset({State.RUNNING, State.SCHEDULED, State.BLOCKED, State.CANCELLED}),
        # running -> succeeded     the task returned.
        # running -> failed        it raised, timed out or was lost, and no attempt is left.
        # running -> cancelled     it honoured a cancel, or was stopped by force.
        # running -> scheduled     released, interrupted, or put off for another attempt.
        # running -> queued        the same, and its next message is sent at once.
        State.RUNNING: frozenset(
            {State.SUCCEEDED, State.FAILED, State.CANCELLED, State.SCHEDULED, State.QUEUED}
        ),
        # succeeded -> scheduled   run again by a person who confirmed that it succeeded.
        # succeeded -> blocked     a person runs what it follows again, and then it.
        State.SUCCEEDED: frozenset({State.SCHEDULED, State.BLOCKED}),
        # failed -> scheduled      retried by a person.
        # failed -> blocked        a person runs what it follows again, and then it.
        State.FAILED: frozenset({State.SCHEDULED, State.BLOCKED}),
        # cancelled -> scheduled   as above.
        # cancelled -> blocked     as above.
        State.CANCELLED: frozenset({State.SCHEDULED, State.BLOCKED}),
        # skipped -> scheduled     as above.
        # skipped -> blocked       as above: what it waited for is retried.
        State.SKIPPED: frozenset({State.SCHEDULED, State.BLOCKED}),
    }
)


def sources_of(target: State) -> frozenset[State]:
    """Return the states from which ``target`` may be entered."""
    return frozenset(source for source, targets in TRANSITIONS.items() if target in targets)
