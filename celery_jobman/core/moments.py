"""Moments: named points in a job's life at which a test may stand in the middle.

``JOBMAN_MOMENTS=module:function`` in the environment names a function that is called with the
moment's name; fault-injection tests kill processes there instead of guessing with sleeps.
Without the variable, reaching a moment costs one call of an empty function.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from collections.abc import Callable


def _nothing(name: str) -> None:
    """Let the moment pass."""


def _chosen() -> Callable[[str], None]:
    named = os.environ.get("JOBMAN_MOMENTS")
    if not named:
        return _nothing
    listener: Callable[[str], None] = import_string(named.replace(":", "."))
    return listener


reached = _chosen()
