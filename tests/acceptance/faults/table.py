"""The fault matrix: every fault at every moment, where it is tried, and what is expected.

Plain data.  :mod:`~tests.acceptance.faults.scenes` plays it, ``test_faults.py`` has one test for
each cell, and :mod:`~tests.acceptance.faults.page` writes it into the documentation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.acceptance import troubles
from tests.acceptance.faults import strikes
from tests.acceptance.faults.cells import (
    AGAIN,
    CALLED_OFF,
    DUPLICATED,
    FORGOTTEN,
    FROZEN,
    KILLED,
    NO_PROCESS,
    NO_WEB,
    NOT_BEGUN,
    ONCE,
    ONE_WRITER,
    OWN_TRANSACTION,
    PERHAPS_AGAIN,
    REFUSED,
    STALE,
    STOPPED,
    TERMINATED,
    UNBORN,
    UNDISTURBED,
    WRITTEN,
    Cell,
    Cells,
    at,
    cells,
)
from tests.acceptance.faults.moments import (
    AFTER,
    ATOMIC,
    BROKER,
    FINISHED,
    INSERT,
    LINK,
    MOMENTS,
    PUBLISH,
    RETRY,
    WEB,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.acceptance.faults.scenes import Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where a fault is tried: broker, database, pool; and at which moments, if not at all."""

    broker: str
    database: str
    pool: str
    moments: tuple[str, ...] = tuple(MOMENTS)

    def __str__(self) -> str:
        return f"{self.broker}-{self.database}-{self.pool}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong."""

    name: str
    #: What is done, for the page.
    says: str
    strike: Callable[[Scene], None]
    grounds: tuple[Ground, ...]
    cells: Cells
    #: Seconds, from the end of the blow to the end of every job.
    within: int = 45
    #: Celery's settings in the workers of its scenes.
    celery: Mapping[str, Any] = field(default_factory=dict)
    #: Further environment of the first worker.
    environment: Mapping[str, str] = field(default_factory=dict)
    #: Further faults that come to the same: name and sentence.
    also: tuple[tuple[str, str], ...] = ()

    @property
    def acks_late(self) -> bool:
        return bool(self.celery.get("CELERY_TASK_ACKS_LATE"))

    def tried(self, ground: Ground) -> list[str]:
        """Return the moments at which this fault is tried on ``ground``."""
        return [name for name in ground.moments if isinstance(self.cells[name], Cell)]


REDIS = Ground(broker="redis", database="postgresql", pool="prefork")
RABBIT = Ground(broker="rabbitmq", database="mariadb", pool="prefork")
THREADS = Ground(broker="rabbitmq", database="mariadb", pool="threads")
SOLO = Ground(broker="redis", database="postgresql", pool="solo", moments=("inside an iteration",))
#: SQLite has one writer: a transaction that is held open holds up every other job.
SQLITE = Ground(
    broker="redis",
    database="sqlite",
    pool="prefork",
    moments=tuple(name for name in MOMENTS if name not in ATOMIC),
)
FAULTS: Final = (
    Fault(
        name="pool process killed",
        says="SIGKILL to the pool processes; the worker's main process stays.",
        strike=strikes.kill_the_pool,
        grounds=(REDIS, RABBIT),
        cells=cells(KILLED, at(BROKER, NO_PROCESS)),
        within=20,  # noticed at once: no silence has to be waited for
        also=(
            (
                "out of memory",
                "The kernel ends a process that takes too much memory with SIGKILL: the same blow.",
            ),
        ),
    ),
    Fault(
        name="worker killed",
        says="SIGKILL to the worker's main process; another worker is started.",
        strike=strikes.kill_the_worker,
        grounds=(REDIS, THREADS, SOLO),
        cells=KILLED,
    ),
    Fault(
        name="warm shutdown",
        says="SIGTERM to the worker, as a deploy sends it; another worker is started.",
        strike=strikes.stop_warmly,
        grounds=(REDIS, SOLO),
        cells=STOPPED,
    ),
    Fault(
        name="soft shutdown",
        says="SIGQUIT, with a `worker_soft_shutdown_timeout` that is long enough.",
        strike=strikes.stop_softly,
        grounds=(REDIS,),
        cells=cells(UNDISTURBED, UNBORN),
        celery={"CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT": 10},
    ),
    Fault(
        name="cold shutdown",
        says="SIGQUIT to the worker; another worker is started.",
        strike=strikes.stop_coldly,
        grounds=(REDIS,),
        cells=TERMINATED,
    ),
    Fault(
        name="frozen worker",
        says="SIGSTOP to the worker; SIGCONT when others have its jobs, and have not ended them.",
        strike=strikes.freeze,
        grounds=(REDIS, THREADS),
        cells=FROZEN,
    ),
    Fault(
        name="broker restarted",
        says="The broker stops, and starts again; Redis has lost what it had, RabbitMQ has not.",
        strike=strikes.restart_the_broker,
        grounds=(REDIS, RABBIT),
        cells=UNDISTURBED,
    ),
    Fault(
        name="broker frozen",
        says="SIGSTOP to the broker; SIGCONT when publishers have given up.",
        strike=strikes.freeze_the_broker,
        grounds=(REDIS,),
        cells=UNDISTURBED,
    ),
    Fault(
        name="broker wiped",
        says="FLUSHALL; the queue is purged.",
        strike=strikes.wipe_the_broker,
        grounds=(REDIS, RABBIT),
        cells=UNDISTURBED,
    ),
    Fault(
        name="broker connections cut",
        says="CLIENT KILL; `rabbitmqctl close_all_connections`.",
        strike=strikes.cut_the_broker,
        grounds=(REDIS, RABBIT),
        cells=UNDISTURBED,
    ),
    Fault(
        name="duplicate delivery",
        says="The message that began the job comes a second time, to another worker.",
        strike=strikes.deliver_twice,
        grounds=(RABBIT,),
        cells=DUPLICATED,
    ),
    Fault(
        name="stale message",
        says="The job is put off, or given another priority, or cancelled and retried; the old "
        "message comes before the new one.",
        strike=strikes.make_stale,
        grounds=(RABBIT,),
        cells=STALE,
    ),
    Fault(
        name="cancelled meanwhile",
        says="A person cancels the job; its message comes, or its end is written, afterwards.",
        strike=strikes.call_off,
        grounds=(REDIS,),
        cells=CALLED_OFF,
    ),
    Fault(
        name="visibility time-out too short",
        says="Redis gives messages that are not acknowledged to another worker.",
        strike=strikes.forget_who_has_it,
        grounds=(REDIS,),
        cells=FORGOTTEN,
        celery={
            "CELERY_TASK_ACKS_LATE": True,
            "CELERY_BROKER_TRANSPORT_OPTIONS": {"visibility_timeout": strikes.VISIBILITY},
        },
    ),
    Fault(
        name="database restarted",
        says="The database stops while everything goes on, and starts again.",
        strike=strikes.restart_the_database,
        grounds=(REDIS,),
        cells=cells(UNDISTURBED, at((INSERT,), REFUSED), at(ATOMIC, AGAIN)),
    ),
    Fault(
        name="database connections cut",
        says="`pg_terminate_backend`, or KILL, for every connection but one.",
        strike=strikes.cut_the_database,
        grounds=(REDIS, RABBIT),
        cells=cells(UNDISTURBED, at((INSERT,), REFUSED), at(ATOMIC, AGAIN)),
    ),
    Fault(
        name="deadlock",
        says="The next statement of the job is the victim of a deadlock.",
        strike=strikes.deadlock,
        grounds=(REDIS, THREADS),
        cells=cells(
            UNDISTURBED,
            at(WEB, OWN_TRANSACTION),
            at(BROKER, NOT_BEGUN),
            at((FINISHED, LINK, RETRY), WRITTEN),
            at(ATOMIC[:1], AGAIN),
            at((AFTER,), AGAIN),
        ),
        also=(
            (
                "serialisation failure",
                "PostgreSQL's 40001, for which MariaDB has deadlocks: the same class of error.",
            ),
        ),
    ),
    Fault(
        name="clock skew",
        says="The worker's clock is ten minutes ahead; another worker's is ten behind.",
        strike=strikes.let_clocks_differ,
        grounds=(REDIS,),
        cells=cells(UNDISTURBED, UNBORN),
        environment=troubles.clock(minutes=10),
    ),
    Fault(
        name="disk full",
        says="SQLite may not grow by a page (`max_page_count`), and then may again.",
        strike=strikes.fill_the_disk,
        grounds=(SQLITE,),
        cells=cells(UNDISTURBED, UNBORN, at(ATOMIC, ONE_WRITER), at((AFTER,), PERHAPS_AGAIN)),
    ),
    Fault(
        name="web process killed",
        says="SIGKILL to the process that calls `delay()`.",
        strike=strikes.kill_the_web,
        grounds=(REDIS,),
        cells=cells(at(tuple(MOMENTS), NO_WEB), at((INSERT,), REFUSED), at((PUBLISH,), ONCE)),
    ),
)
