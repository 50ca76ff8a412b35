"""The project's ``JOBMAN`` setting, read on use and checked when Django starts.

Durations may be given as :class:`~datetime.timedelta` or as plain seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from functools import cache
from math import isfinite
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from celery_jobman.exceptions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

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


#: The longest duration; what is reckoned from it must be a date.
LONGEST = timedelta(days=36_525)
#: Longest release name that is stored with an attempt.
CODE_VERSION_LENGTH = 64

#: Settings that may be 0; every other number and duration must be more than that.
_MAY_BE_ZERO = frozenset(
    {"cancel_grace", "flush_every", "log_lines", "outage_patience", "prune_after"}
)
#: Settings of which one must be more than the other.
_MORE_THAN: Mapping[str, str] = MappingProxyType({"worker_lost_after": "heartbeat"})


def _refused(name: str, value: Any, advice: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f'JOBMAN["{name.upper()}"] is {value!r}, but must be {advice}')


def _coerce(name: str, default: Any, value: Any) -> Any:
    found = value
    if isinstance(default, timedelta):
        found = _duration(name, value)
    if isinstance(default, tuple) and isinstance(value, list):
        found = tuple(value)
    if not isinstance(found, type(default)) or (
        isinstance(found, bool) != isinstance(default, bool)
    ):
        raise _refused(name, value, f"a {type(default).__name__}")
    _check_range(name, found)
    return found


def _duration(name: str, value: Any) -> Any:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return value
    if not isfinite(value) or abs(value) > LONGEST.total_seconds():
        raise _refused(name, value, f"a number of seconds, at most {LONGEST.total_seconds():.0f}")
    return timedelta(seconds=value)


def _check_range(name: str, value: Any) -> None:
    if isinstance(value, timedelta) or (isinstance(value, int) and not isinstance(value, bool)):
        zero: Any = timedelta() if isinstance(value, timedelta) else 0
        if value < zero or (value == zero and name not in _MAY_BE_ZERO):
            raise _refused(name, value, "0 or more" if name in _MAY_BE_ZERO else "more than 0")
    if isinstance(value, timedelta) and value > LONGEST:
        raise _refused(name, value, f"at most {LONGEST.days} days")
    if isinstance(value, tuple) and not all(isinstance(item, str) and item for item in value):
        raise _refused(name, value, "a list of texts, none of them empty")
    if name == "code_version" and len(value) > CODE_VERSION_LENGTH:
        raise _refused(name, value, f"at most {CODE_VERSION_LENGTH} characters long")


def _check_relations(chosen: Settings) -> None:
    for greater, smaller in _MORE_THAN.items():
        least, value = getattr(chosen, smaller), getattr(chosen, greater)
        if value <= least:
            seconds = f"{least.total_seconds():g} s"
            raise _refused(greater, value, f'more than JOBMAN["{smaller.upper()}"], {seconds}')


def _given() -> dict[str, Any]:
    """Return what the project has written, by names of ours.

    Raises:
        ImproperlyConfigured: It is no dictionary, or has a name that is not known.
    """
    given = getattr(django_settings, "JOBMAN", {})
    if not isinstance(given, dict):
        msg = f"JOBMAN is {given!r}, but must be a dict"
        raise ImproperlyConfigured(msg)
    names = sorted(field.name.upper() for field in fields(Settings))
    for name in given:
        if name not in names:
            known = f"it has {', '.join(names)}"
            msg = f"JOBMAN has no setting {name!r}{did_you_mean(name, names)}; {known}"
            raise ImproperlyConfigured(msg)
    return {name.lower(): value for name, value in given.items()}


@cache
def settings() -> Settings:
    """Return the project's settings.

    Raises:
        ImproperlyConfigured: ``JOBMAN`` has a name that is not known, or a value of the wrong
            type or out of its range.  The message names it.
    """
    defaults = Settings()
    values = {
        name: _coerce(name, getattr(defaults, name), value) for name, value in _given().items()
    }
    chosen = Settings(**values)
    _check_relations(chosen)
    return chosen


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "JOBMAN":
        settings.cache_clear()


setting_changed.connect(_forget)
