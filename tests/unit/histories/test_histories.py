"""Random histories: whatever happens to jobs in whatever order, the promises hold."""

from __future__ import annotations

import time

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.histories.machine import HISTORIES, LONG, Histories


@pytest.mark.django_db
@pytest.mark.timeout(0 if HISTORIES > 1000 else 180)
def test_no_order_of_events_breaks_a_promise() -> None:
    began = time.monotonic()

    run_state_machine_as_test(Histories, settings=LONG)

    print(f"{HISTORIES:,} histories in {time.monotonic() - began:.0f} s")  # noqa: T201 - asked for
