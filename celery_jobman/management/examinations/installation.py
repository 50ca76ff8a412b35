"""Examinations of the installation: the database, the settings and the services Celery needs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.core import checks
from django.db import DatabaseError, connections
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from celery_jobman.insight.wording import counted, short
from celery_jobman.management.examinations import advice, ok, wrong
from celery_jobman.models.database import DatabaseClock, home
from celery_jobman.runtime import installation, registry, tables, task_inventory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from celery_jobman.management.examinations import Finding

#: Clocks that differ by no more than this agree.
SKEW = timedelta(seconds=5)
#: Names shown of a long list.
SHOWN = 5
#: System checks that find what works, and may surprise one day.
ADVICE = frozenset(f"jobman.W{number:03}" for number in (4, 5, 6, 9, 10, 11, 12))


def database() -> Finding:
    """Say whether the database answers and has the tables."""
    alias = home()
    try:
        missing = tables.missing()
    except DatabaseError as error:
        return wrong(
            f"the database {alias!r} does not answer: {error}", "start it, or mend DATABASES"
        )
    if missing:
        lacks = counted(len(missing), "migration is", "migrations are")
        return wrong(f"{lacks} not applied to the database {alias!r}", f"run {tables.command()}")
    return ok(f"the database {alias!r} answers, and all migrations are applied")


def clocks() -> Finding:
    """Say whether this machine's clock and the database's agree."""
    before, theirs, after = timezone.now(), clock(), timezone.now()
    skew = max(theirs - after, before - theirs, timedelta())
    if skew <= SKEW:
        return ok("this machine's clock agrees with the database's")
    where = "behind" if theirs > after else "ahead of"
    return wrong(
        f"this machine's clock is {short(skew)} {where} the database's",
        "synchronise the clocks of all machines (NTP); until then delays, expiry times and"
        " durations are wrong by as much",
    )


def clock() -> datetime:
    """Return the time that the database's clock shows."""
    applied = MigrationRecorder(connections[home()]).migration_qs
    moment: datetime = applied.annotate(now=DatabaseClock()).values_list("now", flat=True)[0]
    return moment


def system_checks() -> Iterator[Finding]:
    """Say what the package's own system checks found."""
    found = [
        message
        for message in checks.run_checks(databases=[home()])
        if str(message.id).startswith("jobman.") and not message.is_silenced()
    ]
    for message in found:
        judge = advice if message.id in ADVICE else wrong
        yield judge(str(message.msg), message.hint or f"see {message.id}")
    if not found:
        yield ok("the settings in JOBMAN go together, and the tasks are declared well")


def celery_app() -> Finding:
    """Say whether the project's Celery app is loaded where Django runs."""
    name = installation.app_name()
    if name is not None:
        return ok(f"the Celery app {name!r} is loaded")
    return wrong(
        "no Celery app is loaded here, so jobs would go to Celery's default broker",
        "import it in the project's __init__.py: from .celery import app as celery_app",
    )


def tasks() -> Finding:
    """Say whether the project's tasks can be imported."""
    error = registry.import_tasks()
    if error is None:
        return ok("the project's tasks can be imported")
    return wrong(
        f"the project's tasks cannot be imported: {type(error).__name__}: {error}",
        "mend the module; no worker can start until then",
    )


def jobs() -> Finding:
    """Say whether any task of the project is a job."""
    found = task_inventory.tasks()
    count = len(task_inventory.jobs(found))
    if count or not found:
        return ok(f"{count} of {counted(len(found), 'task')} make jobs")
    return wrong(
        f"no task is a job: none of {counted(len(found), 'task')} is a JobTask",
        'give the app task_cls="celery_jobman:JobTask", or single tasks base=JobTask',
    )


def broker() -> Finding:
    """Say whether the broker can be reached."""
    found = installation.broker()
    if not found.error:
        return ok(f"the broker answers: {found.address}")
    return wrong(
        f"the broker does not answer: {found.address} ({found.error})",
        "start it, or mend CELERY_BROKER_URL; jobs wait in the database until then",
    )


def result_backend() -> Finding:
    """Say whether the result backend can be read."""
    found = installation.result_backend()
    if found is None:
        return ok("there is no result backend; results are in the jobs' rows")
    if not found.error:
        return ok(f"the result backend answers: {found.address}")
    return wrong(
        f"the result backend does not answer: {found.address} ({found.error})",
        "start it, or mend CELERY_RESULT_BACKEND; without one results are in the jobs' rows",
    )


def late_acknowledgement() -> Finding:
    """Say whether the broker may deliver a message again while its job runs."""
    timeout = installation.visibility_timeout()
    tasks = installation.outlasting(timeout) if timeout is not None else []
    if timeout is None or not tasks:
        return ok("no job outlasts the broker's patience with its message")
    names = ", ".join(tasks[:SHOWN]) + (", …" if len(tasks) > SHOWN else "")
    return advice(
        f"{counted(len(tasks), 'task')} with acks_late may run for longer than the broker's"
        f" visibility_timeout of {timeout:g} s, and be delivered again meanwhile: {names}",
        "give them a time_limit below it, raise"
        ' CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"], or drop acks_late: the'
        " database already sees to it that no job is lost",
    )
