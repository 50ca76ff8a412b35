"""The copy of a job's arguments that lists show: short, and with secrets masked."""

from __future__ import annotations

import json
from typing import Any

from celery_jobman.conf import settings
from celery_jobman.core.encoding import clean
from celery_jobman.exceptions import MaskMoved

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


def editable(value: Any) -> Any:
    """Return a masked copy of a JSON value from which :func:`unmasked` finds the way back.

    Unlike :func:`redacted` it keeps what Celery writes around dates and decimals.
    """
    return _masked(value, _words(), unwrap=False)


def unmasked(edited: Any, original: Any, path: str = "") -> Any:
    """Return an edited copy of ``editable(original)`` with the stored values for its masks.

    Args:
        edited: What a person made of it.
        original: The stored value.
        path: What the error calls the value itself.

    Raises:
        MaskMoved: A mask stands where none was, or in a list whose items were moved.
    """
    return _unmasked(edited, original, path, _words())


#: Stands for a value that is not there.
_NOTHING = object()


def _unmasked(edited: Any, original: Any, path: str, words: tuple[str, ...]) -> Any:
    if edited == MASK and original != MASK:
        raise MaskMoved(path)
    if isinstance(edited, dict):
        known = original if isinstance(original, dict) else {}
        return {
            key: known[key]
            if item == MASK and key in known and _is_secret(key, words)
            else _unmasked(item, known.get(key, _NOTHING), _join(path, key), words)
            for key, item in edited.items()
        }
    if isinstance(edited, list):
        stored = _aligned(edited, original if isinstance(original, list) else [])
        return [
            _unmasked(item, was, f"{path}[{index}]", words)
            for index, (item, was) in enumerate(zip(edited, stored, strict=True))
        ]
    return edited


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _aligned(edited: list[Any], known: list[Any]) -> list[Any]:
    """Return the stored item of each edited one; nothing for those that may have moved."""
    shown = editable(known)
    if len(edited) != len(known):
        # From the first item that differs on, nobody can tell which is which.
        same = 0
        while same < min(len(edited), len(known)) and edited[same] == shown[same]:
            same += 1
        return [*known[:same], *[_NOTHING] * (len(edited) - same)]
    return [
        was if item == own or item not in shown else _NOTHING
        for item, own, was in zip(edited, shown, known, strict=True)
    ]


def _words() -> tuple[str, ...]:
    return tuple(map(str.lower, settings().redact))


def _masked(value: Any, words: tuple[str, ...], *, unwrap: bool = True) -> Any:
    if isinstance(value, dict):
        if unwrap and value.keys() == TYPED:
            # A date, a decimal, a UUID … as Celery writes it.
            return _masked(value["__value__"], words, unwrap=unwrap)
        return {
            key: MASK if _is_secret(key, words) else _masked(item, words, unwrap=unwrap)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_masked(item, words, unwrap=unwrap) for item in value]
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
