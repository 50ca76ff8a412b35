"""The machine: everything that may happen, in any order."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from tests.unit.histories.bodies import Bodies
from tests.unit.histories.steering import People, Producers

#: Histories that are played, and the most events in one.
HISTORIES = int(os.environ.get("JOBMAN_TEST_HISTORIES", "100"))
EVENTS = 40

LONG = settings(
    max_examples=HISTORIES,
    stateful_step_count=EVENTS,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


class Histories(Producers, People, Bodies):
    """Several jobs, several workers, one broker, and people."""
