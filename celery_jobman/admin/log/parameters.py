"""Parameters: what a reader of a log may ask for, checked before anything is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from celery_jobman.admin.log.lines import PORTION, Log

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

#: The greatest id of a line, and the greatest number of an attempt.
ID_LIMIT = 2**63 - 1
ATTEMPT_LIMIT = 2**31 - 1
LEVEL_LIMIT = 32_767
#: Longest text that is looked for.
FIND_LENGTH = 200

#: Levels by the names that people write.
LEVELS = {"debug": 10, "info": 20, "warning": 30, "warn": 30, "error": 40, "critical": 50}
_DIGITS = re.compile(r"[0-9]{1,19}", re.ASCII)


class ParameterRefused(ValueError):
    """A parameter makes no sense."""

    def __init__(self, name: str, message: str) -> None:
        self.name = name
        super().__init__(f"{name}: {message}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What one request asks for."""

    log: Log
    #: None: the last lines.
    after: int | None = None
    #: Only lines before this one, and none left out.
    before: int | None = None
    limit: int = PORTION


def wish(job_id: UUID, query: Mapping[str, str]) -> Wish:
    """Return what the parameters of a request ask for.

    Raises:
        ParameterRefused: One of them makes no sense; the message names it.
    """
    log = log_of(job_id, query, find="q")
    after = number(query, "after", ID_LIMIT)
    before = number(query, "before", ID_LIMIT)
    if after is not None and not log.knows(after):
        raise ParameterRefused("after", _("this job's log has no such line"))
    if before is not None and after is None:
        raise ParameterRefused("before", _("give the parameter after as well"))
    limit = number(query, "limit", PORTION, least=1)
    return Wish(log=log, after=after, before=before, limit=limit or PORTION)


def log_of(job_id: UUID, query: Mapping[str, str], *, find: str) -> Log:
    """Return the log that the parameters name; ``find`` is the name of the search's.

    Raises:
        ParameterRefused: One of them makes no sense.
    """
    text = query.get(find, "").replace("\x00", "")
    if len(text) > FIND_LENGTH:
        raise ParameterRefused(find, _("at most %(count)s characters") % {"count": FIND_LENGTH})
    attempt = number(query, "attempt", ATTEMPT_LIMIT, least=1)
    return Log(job_id=job_id, attempt=attempt, level=_level(query), find=text)


def number(query: Mapping[str, str], name: str, most: int, least: int = 0) -> int | None:
    """Return a parameter that is a whole number; None when it is not given.

    Raises:
        ParameterRefused: It is none, or too great or too small.
    """
    text = query.get(name, "").strip()
    if not text:
        return None
    value = int(text) if _DIGITS.fullmatch(text) else -1
    if not least <= value <= most:
        limits = {"least": least, "most": most}
        raise ParameterRefused(name, _("a whole number from %(least)s to %(most)s") % limits)
    return value


def _level(query: Mapping[str, str]) -> int:
    text = query.get("level", "").strip().lower()
    named = LEVELS.get(text)
    return named if named is not None else number(query, "level", LEVEL_LIMIT) or 0
