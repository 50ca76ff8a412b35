"""The copy of a job's arguments that lists show: short, and with secrets masked."""

from __future__ import annotations

import json
from typing import Any

from celery_jobman.conf import settings
from celery_jobman.core.encoding import clean

#: Keys with which Celery's JSON wraps a value that JSON does not know.
TYPED = {"__type__", "__value__"}
#: Stands where a secret was.
MASK = "•••"


def redacted(value: Any, patterns: tuple[str, ...] | None = None) -> Any:
    """Return a copy of a JSON value in which values under secret-looking keys are masked.

    Args:
        value: Any JSON value; dictionaries and lists are walked to any depth.
        patterns: Substrings of keys, in any case; by default ``JOBMAN["REDACT"]``.
    """
    words = tuple(map(str.lower, settings().redact if patterns is None else patterns))
    return _masked(value, words)


def _masked(value: Any, words: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        if value.keys() == TYPED:
            return value["__value__"]  # a date, a decimal or a UUID as Celery writes it
        return {
            key: MASK if _is_secret(key, words) else _masked(item, words)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_masked(item, words) for item in value]
    return value


def _is_secret(key: object, words: tuple[str, ...]) -> bool:
    name = str(key).lower()
    return any(word in name for word in words)


def preview(args: list[Any], kwargs: dict[str, Any], length: int = 200) -> str:
    """Return the arguments as one short line, such as ``'"a.csv", limit=3'``."""
    parts = [_short(item) for item in redacted(args)]
    parts += [f"{key}={_short(item)}" for key, item in redacted(kwargs).items()]
    line = ", ".join(parts)
    return clean(line, length)


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:200]
