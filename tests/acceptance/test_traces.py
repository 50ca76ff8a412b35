"""One trace from a request to the last attempt of all that comes of it, whatever happens."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from celery_jobman.testing.localnodes import LocalRedis
from tests.acceptance import traces
from tests.acceptance.drivers import Driver

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.projects import Project

#: Attempts of each task that end, and so are told.
TOLD = {"voyage": 1, "quiet": 1, "failing": 3, "touch": 3, "parcel": 2}


@pytest.mark.parametrize("tracer", ["opentelemetry", "sentry"])
def test_one_trace_outlives_the_broker_and_a_worker(
    projects: Callable[..., Project], tracer: str
) -> None:
    project = projects("redis", "postgresql", fresh=True)
    broker = project.stack.broker
    assert isinstance(broker, LocalRedis)
    tag, traced = project.new_tag(), {traces.TRACER: tracer}
    gate = project.arm(tag, "inside a step")
    with Driver({**project.environment(role="web"), **traced}) as web:
        request = web.call("serve", project.queue, tag)
    broker.wipe()
    victim = project.worker(environment=traced)
    gate.wait()
    project.worker(environment=traced)

    victim.kill_main()

    project.wait(lambda: project.states() == {"succeeded": 8}, timeout=60)
    assert project.outcomes(request["voyage"]) == ["lost", "succeeded"]
    told = sum(TOLD.values())
    project.wait(lambda: len(traces.runs(project.folder)) == told)
    runs = traces.runs(project.folder)
    assert {run.trace for run in runs} == {request["trace"]}
    assert Counter(run.task for run in runs) == TOLD
