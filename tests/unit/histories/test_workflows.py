"""Random histories of workflows."""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.histories.machine import HISTORIES, LONG
from tests.unit.histories.workflows import Workflows

#: Where a number of histories is asked for, others are played each time.
AT_RANDOM = "JOBMAN_TEST_HISTORIES" in os.environ
#: Workflows have more rows than single jobs; so many fewer histories of them are played.
SHARE = 8


@pytest.mark.django_db
@pytest.mark.timeout(0 if HISTORIES > 1000 else 180)
def test_no_order_of_events_upsets_the_counts() -> None:
    began = time.monotonic()

    few = settings(
        LONG,
        stateful_step_count=25,
        max_examples=max(HISTORIES // SHARE, 1),
        derandomize=not AT_RANDOM,
        database=None,
    )
    run_state_machine_as_test(Workflows, settings=few)

    print(f"{few.max_examples:,} histories in {time.monotonic() - began:.0f} s")  # noqa: T201 - asked for
