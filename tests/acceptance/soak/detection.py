"""Detection: how long it took until a death was noticed, and until the work went on elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from tests.acceptance.soak import plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.acceptance.soak.plan import Pace
    from tests.acceptance.soak.stage import Blow

#: Seconds by which a busy machine may miss what is promised.
SLACK: Final = 3.0
#: Celery looks for dead children by itself; this is more than it has been seen to take.
AT_ONCE: Final = 10.0
#: Faults after which nobody can notice anything for a while.
BLINDING: Final = {plan.DATABASE_CUT, plan.DATABASE_STOPPED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """One attempt that was running in what was killed, and was lost."""

    fault: str
    #: Seconds from the blow.
    noticed: float
    #: None: it did not run again, for it was cancelled, or had used up its attempts.
    elsewhere: float | None
    #: Nothing else struck until it was noticed that could hold that up; until it ran.
    noticed_in_peace: bool
    resumed_in_peace: bool


def deaths(blows: list[Blow], rows: Iterable[dict[str, Any]]) -> list[Death]:
    """Return what was lost in the kills among ``blows``."""
    by_id = {row["id"]: row for row in rows}
    killed = (blow for blow in blows if blow.fault in {plan.POOL_KILLED, plan.WORKER_KILLED})
    return [
        death
        for blow in killed
        for job_id, number in blow.held
        if (death := _death(blow, by_id[job_id]["attempts"], number, blows))
    ]


def _death(
    blow: Blow, attempts: list[dict[str, Any]], number: int, blows: list[Blow]
) -> Death | None:
    mine = attempts[number - 1]
    if mine["outcome"] not in {"lost", "cancelled"} or moment(mine["finished_at"]) < blow.at:
        return None  # it had ended just before
    noticed = moment(mine["finished_at"])
    again = moment(attempts[number]["started_at"]) if len(attempts) > number else None
    others = [other for other in blows if other is not blow and other.until >= blow.at]
    return Death(
        fault=blow.fault,
        noticed=noticed - blow.at,
        elsewhere=None if again is None else again - blow.at,
        noticed_in_peace=not any(o.at < noticed and o.fault in BLINDING for o in others),
        resumed_in_peace=again is not None and not any(other.at < again for other in others),
    )


def moment(text: str) -> float:
    """Return an instant of the database as seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()


def complaints(found: list[Death], pace: Pace) -> Iterator[str]:
    """Yield where what is promised was not kept."""
    if not pace.is_promised:
        return
    for death in found:
        limit = pace.noticed_within if death.fault == plan.WORKER_KILLED else AT_ONCE
        if death.noticed_in_peace and death.noticed > limit + SLACK:
            yield f"{death.fault}: noticed after {death.noticed:.1f} s, not {limit:g}"
        if death.fault != plan.WORKER_KILLED or not death.resumed_in_peace:
            continue
        assert death.elsewhere is not None
        if death.elsewhere > pace.elsewhere_within + SLACK:
            limit = pace.elsewhere_within
            yield f"{death.fault}: ran elsewhere after {death.elsewhere:.1f} s, not {limit:g}"


def lines(found: list[Death]) -> Iterator[str]:
    """Yield the times, for the report."""
    for fault in (plan.WORKER_KILLED, plan.POOL_KILLED):
        mine = [death for death in found if death.fault == fault]
        resumed = [death for death in mine if death.elsewhere is not None]
        calm = [death.elsewhere for death in resumed if death.resumed_in_peace]
        yield f"{fault}: {len(mine)} attempts lost"
        yield f"  noticed after            {_times([death.noticed for death in mine])}"
        yield f"  ran elsewhere after      {_times([death.elsewhere for death in resumed])}"
        yield f"  and if nothing else was  {_times(calm)}"


def _times(seconds: list[Any]) -> str:
    if not seconds:
        return "-"
    return f"{median(seconds):.1f} s (median), {max(seconds):.1f} s (worst), of {len(seconds)}"
