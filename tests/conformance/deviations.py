"""Tests of Celery that need not pass when tasks are jobs, each with the reason.

A deviation is a promise that Celery makes and jobman replaces by another one; the documentation
says so to users.  A race is a test that depends on which of two threads is quicker, which nobody
promises.  A defect belongs to neither.
"""

from __future__ import annotations

from typing import Final

DEVIATIONS: Final[dict[str, str]] = {}

RACES: Final = {
    "test_tasks.py::test_task_replacement::test_replaced_task_nesting_level_0": (
        "it fails when the worker, in the same process, has the message before delay() returns"
    ),
}
