"""Faults: what went wrong, in the form in which rows keep it."""

from __future__ import annotations

import hashlib
import traceback as tracebacks
from dataclasses import dataclass

from celery_jobman.core.encoding import clean

#: Longest error message and traceback kept, in characters.
MESSAGE_LENGTH = 10_000
TRACEBACK_LENGTH = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What went wrong, ready for the database."""

    error_class: str = ""
    error_message: str = ""
    traceback: str = ""
    fingerprint: str = ""

    @classmethod
    def of(cls, error: BaseException) -> Fault:
        """Describe an exception that was caught."""
        name = type(error).__qualname__
        module = type(error).__module__
        full = name if module == "builtins" else f"{module}.{name}"
        return cls(
            error_class=full[:200],
            error_message=clean(message_of(error), MESSAGE_LENGTH),
            traceback=clean("".join(tracebacks.format_exception(error)), TRACEBACK_LENGTH),
            fingerprint=_fingerprint(full, error),
        )


def message_of(error: BaseException) -> str:
    """Return what an exception says, whatever its class does with that."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a broken __str__ must not hide the failure
        return "(its message could not be read)"


def named(error: BaseException) -> str:
    """Return the class of an exception and what it says, in a line."""
    return f"{type(error).__name__}: {message_of(error)}"


def _fingerprint(name: str, error: BaseException) -> str:
    frames = tracebacks.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].name}" if frames else ""
    return hashlib.sha256(f"{name}|{place}".encode()).hexdigest()[:32]


#: No error.
CLEAN = Fault()
