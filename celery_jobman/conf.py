"""The project's ``JOBMAN`` setting, read on use and checked when Django starts.

Durations may be given as :class:`~datetime.timedelta` or as plain seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from functools import cache
from typing import Any

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

#: Keys that look as if they held a secret.
REDACT = (
    "api",
    "token",
    "key",
    "secret",
    "pass",
    "signature",
    "auth",
    "cookie",
    "session",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What ``JOBMAN`` may contain, with the defaults."""

    #: Patterns (``fnmatch``) of plain Celery tasks to record, such as ``"shop.*"``.
    track: tuple[str, ...] = ()
    #: Publish after the outermost commit (True) or at once.
    after_commit: bool = True
    #: How often a worker gives its sign of life.
    heartbeat: timedelta = timedelta(seconds=5)
    #: A worker silent for this long is taken for dead, and its jobs are rescued.  With the look
    #: every ``rescue_every`` a killed one is noticed within half a minute.
    worker_lost_after: timedelta = timedelta(seconds=25)
    #: How often a worker looks for scheduled jobs that are due.
    dispatch_every: timedelta = timedelta(seconds=1)
    #: How often a worker looks for jobs that a dead worker held.
    rescue_every: timedelta = timedelta(seconds=5)
    #: A queued job whose message the broker does not have is sent again after this long.
    redeliver_after: timedelta = timedelta(seconds=30)
    #: After a cancel request is this old, the cancel is raised inside the body.
    cancel_grace: timedelta = timedelta(seconds=30)
    #: How often log lines and progress are written while a job runs.
    flush_every: timedelta = timedelta(milliseconds=250)
    #: Log lines that are written at once when so many wait.
    flush_lines: int = 200
    #: Log lines a job holds while the database is away; newer ones are dropped, counted.
    log_buffer: int = 10_000
    #: Longest message kept of one log line, in characters.
    log_line_length: int = 10_000
    #: Most lines kept of one attempt; what follows is counted, not stored.
    log_lines: int = 100_000
    #: Longest that ``delay()`` waits for the broker before the job is left to a worker.
    publish_timeout: timedelta = timedelta(seconds=1)
    #: How long a worker goes on trying to write a claim, a checkpoint or an end to a database
    #: that is away.  Longer than a failover, or a restart with recovery, takes.
    outage_patience: timedelta = timedelta(minutes=5)
    #: A job whose worker died in so many attempts is failed.
    poison_limit: int = 3
    #: Longest result that a link of a workflow passes on to the next, in characters of JSON.
    result_limit: int = 10_000_000
    #: Age, since the end, after which ``prune`` deletes a job by default.
    prune_after: timedelta = timedelta(days=180)
    #: Stored with every attempt; a release name or a commit id.
    code_version: str = ""
    #: Key patterns whose values are masked wherever arguments are displayed.
    redact: tuple[str, ...] = REDACT
    #: Dotted path of ``(user, deed, job) -> bool | None``: your own rule for one job, asked
    #: after the permissions; None leaves it at them.  See the page on permissions.
    can: str = ""
    #: Dotted path of the class that jobman's admin classes are made from; a theme may bring one.
    model_admin: str = "django.contrib.admin.ModelAdmin"
    #: Most jobs that one bulk action of the admin takes on.
    bulk_limit: int = 1000


def _coerce(name: str, default: Any, value: Any) -> Any:
    if (
        isinstance(default, timedelta)
        and isinstance(value, int | float)
        and not isinstance(value, bool)
    ):
        value = timedelta(seconds=value)
    if isinstance(default, tuple) and isinstance(value, list):
        value = tuple(value)
    if not isinstance(value, type(default)) or (
        isinstance(value, bool) != isinstance(default, bool)
    ):
        expected = type(default).__name__
        msg = f'JOBMAN["{name.upper()}"] is {value!r}, but must be a {expected}'
        raise ImproperlyConfigured(msg)
    return value


@cache
def settings() -> Settings:
    """Return the project's settings.

    Raises:
        ImproperlyConfigured: ``JOBMAN`` has a name that is not known or a value of the wrong
            type.  The message names it.
    """
    given: dict[str, Any] = dict(getattr(django_settings, "JOBMAN", {}))
    defaults = Settings()
    values = {
        field.name: _coerce(
            field.name, getattr(defaults, field.name), given.pop(field.name.upper())
        )
        for field in fields(Settings)
        if field.name.upper() in given
    }
    if given:
        known = ", ".join(sorted(field.name.upper() for field in fields(Settings)))
        msg = f"JOBMAN has no setting {min(given)!r}; it has {known}"
        raise ImproperlyConfigured(msg)
    return Settings(**values)


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "JOBMAN":
        settings.cache_clear()


setting_changed.connect(_forget)
