"""Which database connection the package's statements go through.

Outside workers that is the project's own: the alias its routers choose for writing a
:class:`~celery_jobman.models.Job`, so that a project's transactions (and the rollback at the
end of each of its ``TestCase`` tests) cover jobman's rows too.  A worker sends them through a
connection of jobman's own: it calls :func:`route` and every manager follows.

Reads go there too, whatever the routers' ``db_for_read`` says: what a replica does not know
yet would be done again.  ``Job.objects.using("replica")`` reads there all the same.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from django.apps import apps
from django.core.checks import Warning as CheckWarning
from django.db import Error, connections, models, router, transaction
from django.db.models.functions import Now

from celery_jobman.models.reading import JobmanQuerySet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.checks import CheckMessage

M = TypeVar("M", bound=models.Model)

_alias: ContextVar[str | None] = ContextVar("jobman_database", default=None)


def home() -> str:
    """Return the alias under which the project keeps jobman's tables."""
    return router.db_for_write(apps.get_model("jobman", "Job", require_ready=False))


def using() -> str:
    """Return the alias that statements issued here and now go through."""
    return _alias.get() or home()


@contextmanager
def route(alias: str | None) -> Iterator[None]:
    """Send the statements of this block through ``alias`` (None: the project's own)."""
    token = _alias.set(alias)
    try:
        yield
    finally:
        _alias.reset(token)


def atomic(*, savepoint: bool = True) -> transaction.Atomic:
    """Return ``transaction.atomic()`` on the connection that :func:`using` names.

    On SQLite it takes the write lock when it begins, whatever the project's
    ``transaction_mode`` is: all of ours write, and one that has read cannot wait for the lock
    any more once somebody else has written ("database is locked", at once).
    """
    return _Writing(using(), savepoint, durable=False)


class _Writing(transaction.Atomic):
    def __enter__(self) -> None:
        connection: Any = connections[self.using or home()]
        if connection.vendor != "sqlite":
            super().__enter__()
            return
        connection.ensure_connection()  # which reads the project's mode
        mode = connection.transaction_mode
        connection.transaction_mode = "EXCLUSIVE" if mode == "EXCLUSIVE" else "IMMEDIATE"
        try:
            super().__enter__()
        finally:
            connection.transaction_mode = mode


def is_inside() -> bool:
    """Whether statements issued here and now belong to a transaction that is open."""
    return connections[using()].in_atomic_block


def reconnect(alias: str) -> None:
    """Make sure that a connection stands: open it, or close one that broke unnoticed.

    Raises:
        OperationalError, InterfaceError: It is broken, or cannot be opened.  It is closed now,
            so that another call opens it anew.
    """
    connection = connections[alias]
    if connection.connection is None:
        connection.ensure_connection()
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        connection.close()
        raise


class DatabaseClock(Now):
    """The database's own clock, in UTC.

    On MySQL, Django's ``Now`` is the session's local time, while its columns hold UTC.
    """

    def as_mysql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Ask for UTC."""
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **context)


class RoutedManager(models.Manager[M], Generic[M]):
    """A manager whose querysets go through :func:`using`, to read as to write."""

    _queryset_class = JobmanQuerySet

    @property
    def db(self) -> str:
        """The alias that its querysets go through."""
        return self._db or using()

    def get_queryset(self) -> models.QuerySet[M]:
        """Return all rows, through the connection of :func:`using` unless one was named."""
        return super().get_queryset().using(self.db)


class JobmanModel(models.Model):
    """What all tables share: managers that follow :func:`using`, for related rows too."""

    objects: Any = RoutedManager()

    class Meta:
        abstract = True
        #: Of all the tables: the manager of what Django reads by itself, such as ``step.job``.
        base_manager_name = "objects"

    #: Where conditional indexes do not exist (MySQL, MariaDB) Django creates plain ones
    #: instead.  That is what we want there, so its warning would only alarm.
    _silenced: ClassVar[frozenset[str]] = frozenset({"models.W037"})

    @classmethod
    def check(cls, **kwargs: Any) -> list[CheckMessage]:
        """Run Django's model checks, without the warning that means no harm here."""
        found = super().check(**kwargs)
        return [m for m in found if not (isinstance(m, CheckWarning) and m.id in cls._silenced)]
