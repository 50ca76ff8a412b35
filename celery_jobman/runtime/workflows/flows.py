"""Flows: ``chain``, ``group``, ``chord`` and ``batch`` as they are written down.

They take what Celery's canvas takes: signatures, one another, and Celery's own chains, groups
and chords, which are read as ours.  A flow is a description and never changes; what adds to one
returns another.  :meth:`Flow.dispatch` writes it to the database, from where nothing of it is
lost: every member is a job from the start, and the next link is scheduled by the transaction
that ends the one before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from celery.canvas import Signature
from celery.canvas import group as celery_group

from celery_jobman.models import Kind, Role, shares
from celery_jobman.runtime import limits
from celery_jobman.runtime.workflows import late
from celery_jobman.runtime.workflows.celerys import parts_of, signature_in
from celery_jobman.runtime.workflows.elements import readable

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery.result import AsyncResult, GroupResult

    from celery_jobman.runtime.workflows.live import LiveBatch


@dataclass(frozen=True, kw_only=True, eq=False)
class Flow:
    """A workflow, or a part of one, before it is dispatched."""

    kind: Kind
    #: What runs side by side; each is a signature, a flow, or a list of links.
    elements: Iterable[Any]
    name: str = ""
    owner: Any = None
    tags: tuple[str, ...] = ()
    #: How many members may fail, as the batch's row says it.
    allow_failures: str = ""
    on_failure: str = "continue"
    #: Options of ``apply_async`` for every member that does not choose its own.
    options: Mapping[str, Any] = field(default_factory=dict)
    #: Its failure, as a link, does not break the chain that it is in.
    allow_failure: bool = False
    callbacks: Mapping[Role, tuple[Signature, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no row can hold; see :mod:`celery_jobman.runtime.limits`."""
        limits.check_name("name", self.name)
        limits.check_place({**self.options, "tags": self.tags}, limits.NOT_OF_FLOWS)

    def set(self, *, allow_failure: bool | None = None, **options: Any) -> Self:
        """Return the same flow with further options of ``apply_async`` for its members.

        Args:
            allow_failure: Where it is a link of a chain: its failure does not break the chain.
            **options: ``queue``, ``priority``, ``time_limit`` …; ``countdown`` and ``eta``
                put off the beginning of the flow.  A member's own option wins.

        Raises:
            OptionRefused: An option has a value that cannot be kept, or no meaning for a flow.
        """
        allowed = self.allow_failure if allow_failure is None else allow_failure
        return replace(self, allow_failure=allowed, options={**self.options, **options})

    def then(self, callback: Signature) -> Self:
        """Return the same flow with a job that is enqueued each time it has succeeded.

        It is called with the batch's id, before its own arguments (an immutable signature only
        with those).
        """
        return self._with(Role.THEN, callback)

    def catch(self, callback: Signature) -> Self:
        """Return the same flow with a job that is enqueued when a first member fails.

        It is called with the batch's id and a dict: ``job_id``, ``task``, ``error_class`` and
        ``error_message`` of the failure.
        """
        return self._with(Role.CATCH, callback)

    def finally_(self, callback: Signature) -> Self:
        """Return the same flow with a job that is enqueued each time it has finished.

        However it ended, also when it was cancelled or had no members.  It is called with the
        batch's id.
        """
        return self._with(Role.FINALLY, callback)

    def on_progress(self, callback: Signature) -> Self:
        """Return the same flow with a job that is enqueued as members end.

        At most every five seconds, and when the flow has finished.  It is called with the
        batch's id and its status (see :attr:`celery_jobman.models.batch.Batch.status`).
        """
        return self._with(Role.PROGRESS, callback)

    def _with(self, role: Role, callback: Signature) -> Self:
        signature = signature_in(callback)
        limits.check_place(signature.options or {}, limits.NOT_OF_CALLBACKS)
        known = {**self.callbacks}
        known[role] = (*known.get(role, ()), signature)
        return replace(self, callbacks=known)

    def __or__(self, other: Any) -> Flow:
        """Return the chain of this and what follows it."""
        return chain(self, other)

    def __ror__(self, other: Any) -> Flow:
        """Return the chain of what comes before this, and this."""
        return chain(other, self)

    def dispatch(self, *args: Any) -> LiveBatch:
        """Write the workflow in the current transaction; its messages leave after the commit.

        Args:
            *args: Given to the first links, before their own arguments, unless they are
                immutable.

        Returns:
            The batch at its top.

        Raises:
            NotASignature: A member is nothing that can be called later.
            EndlessWorkflow: It contains itself.
            MembersUsedUp: Its members come from a generator that was read before.
            UnknownTask: A member's task is not registered.
            PlainTask: A member's task makes no jobs.
            OptionRefused: An option cannot be kept, or has no meaning where it stands.
            TypeError: Arguments do not fit a task's signature.
            UnencodableValue: An argument is not JSON.
            DatabaseUnwritable: The database refused a row.

        In each case nothing was written and nothing will be sent.
        """
        dispatched: LiveBatch = late.planting().dispatch(self, args)
        return dispatched

    def apply_async(self, args: Iterable[Any] = (), **options: Any) -> AsyncResult | GroupResult:
        """Dispatch it as Celery's canvas is: with arguments and options, for a result.

        Returns:
            The ``AsyncResult`` of the last link, or the ``GroupResult`` of its elements.
        """
        return self.set(**options).dispatch(*args).result

    def delay(self, *args: Any) -> AsyncResult | GroupResult:
        """Dispatch it; see :meth:`apply_async`."""
        return self.dispatch(*args).result

    __call__ = delay

    @property
    def is_plain(self) -> bool:
        """Whether nothing is lost if its links become links of what it is in."""
        about = (self.name, self.tags, self.owner, self.callbacks)
        return not (any(about) or self.allow_failure or self.allow_failures or self.options)


def chain(*links: Any, name: str = "", owner: Any = None, tags: Iterable[str] = ()) -> Flow:
    """Describe links that run one after the other, each with the result of the one before.

    Args:
        *links: Signatures, flows or Celery's canvas; also one list of them.
        name: What people call it.
        owner: A user, or the key of one, for the workflow and its jobs.
        tags: Tags of the workflow and its jobs.

    When a link fails, is cancelled or skipped, those after it are skipped; a retry of the link
    goes on with them.  A link with ``.set(allow_failure=True)`` does not break the chain: what
    it was given itself is passed on.
    """
    elements = [_unpacked(links)]
    return Flow(kind=Kind.CHAIN, elements=elements, name=name, owner=owner, tags=tuple(tags))


def group(*members: Any, name: str = "", owner: Any = None, tags: Iterable[str] = ()) -> Flow:
    """Describe members that run side by side; what follows is given the list of their results.

    The failure of one does not stop the others, but what follows is skipped then.  The
    arguments are those of :func:`chain`; the members may be one iterable, or Celery's group.
    """
    is_celerys = len(members) == 1 and isinstance(members[0], celery_group)
    elements = parts_of(members[0]) if is_celerys else _unpacked(members)
    return Flow(kind=Kind.GROUP, elements=elements, name=name, owner=owner, tags=tuple(tags))


def chord(header: Any, body: Any = None, **about: Any) -> Flow | _Header:
    """Describe a group, and a body that is given the list of its results.

    Args:
        header: The members, as for :func:`group`.
        body: The signature or flow that follows; without one, call what is returned with it,
            as with Celery's chord.
        **about: ``name``, ``owner`` and ``tags`` as for :func:`chain`.
    """
    return _Header(header, about) if body is None else _chord(header, body, about)


@dataclass(frozen=True)
class _Header:
    """A chord that waits for its body: ``chord(header)(body)``."""

    header: Any
    about: Mapping[str, Any]

    def __call__(self, body: Any) -> AsyncResult | GroupResult:
        return _chord(self.header, body, self.about).delay()


def _chord(header: Any, body: Any, about: Mapping[str, Any]) -> Flow:
    first = header if isinstance(header, Flow) else group(header)
    return replace(chain(first, body, **about), kind=Kind.CHORD)


def batch(  # noqa: PLR0913 - all but one are keywords
    members: Iterable[Any] | Callable[[], Iterable[Any]] = (),
    *,
    name: str = "",
    allow_failures: bool | int | str = False,
    on_failure: str = "cancel",
    queue: str | None = None,
    priority: int | None = None,
    delay: timedelta | float | None = None,
    owner: Any = None,
    tags: Iterable[str] = (),
) -> Flow:
    """Describe jobs that finish together, with callbacks.

    Args:
        members: Signatures, flows, Celery's canvas, or lists of them (chains); from any
            iterable with an order, or a function that returns one.  They are read while the
            rows are written, a generator therefore by one dispatch only.  There may be none.
        name: What people call it.
        allow_failures: How many members may fail before it has failed: False (none), True
            (all), a number, or a share of the members such as ``"5%"``, rounded down.
        on_failure: What the first failure too many does to members that have not started:
            ``"cancel"`` them, or ``"continue"``.
        queue: The queue of members that do not choose their own.
        priority: Likewise, from 0 to 255.
        delay: How long until it begins; a number is seconds.
        owner: A user, or the key of one, for the batch and its jobs.
        tags: Tags of the batch and its jobs.

    Raises:
        MembersRefused: ``members`` is no such iterable.
        ValueError: ``allow_failures`` or ``on_failure`` is none of these.

    Semantics: Laravel's batches, except that they always finish, and can be resumed.
    """
    if on_failure not in {"cancel", "continue"}:
        msg = f'on_failure is {on_failure!r}, but must be "cancel" or "continue"'
        raise ValueError(msg)
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    chosen = {"queue": queue, "priority": priority, "countdown": seconds}
    return Flow(
        kind=Kind.BATCH,
        elements=readable(members),
        name=name,
        owner=owner,
        tags=tuple(tags),
        allow_failures=shares.text_of(allow_failures),
        on_failure=on_failure,
        options={key: value for key, value in chosen.items() if value is not None},
    )


def _unpacked(given: Iterable[Any]) -> list[Any]:
    """Return the members of ``f(a, b)`` and of ``f([a, b])`` alike."""
    items = list(given)
    only = items[0] if len(items) == 1 else None
    is_one = isinstance(only, Flow | Mapping | str | bytes) or not isinstance(only, Iterable)
    return items if is_one or only is None else list(readable(only))
