from __future__ import annotations

from typing import Any

from celery_jobman import testing
from tests.unit.testing.test_inline import add

pytest_plugins = ["celery_jobman.testing.plugin"]


def test_the_fixture_brings_the_functions_and_the_database(jobman: Any) -> None:
    add.delay(20, 22)

    (job,) = jobman.run_jobs()

    assert job.return_value == 42
    assert jobman is testing
