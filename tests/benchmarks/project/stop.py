"""Cancels a large batch, and the first link of a long chain; prints what that took as JSON."""

from __future__ import annotations

import json
import sys
import time

import django

#: Seconds between two looks at a batch.
PERIOD = 0.05
#: Seconds after which its end is given up.
PATIENCE = 600.0


def batch_of(size: int) -> dict[str, float]:
    """Return the seconds until ``cancel()`` came back, and until every member had ended."""
    from celery_jobman import batch  # noqa: PLC0415 - needs django.setup()
    from tests.benchmarks.project.app import noop  # noqa: PLC0415 - as above

    live = batch(noop.si().set(countdown=3600) for _ in range(size)).dispatch()
    begun = time.perf_counter()
    live.cancel()
    returned = time.perf_counter() - begun
    while not live.row.is_final and time.perf_counter() - begun < PATIENCE:
        time.sleep(PERIOD)
    return {"returned": returned, "ended": time.perf_counter() - begun}


def chain_of(size: int) -> float:
    """Return the seconds that it took to cancel a job that so many links wait for."""
    from celery_jobman import actions, chain  # noqa: PLC0415 - needs django.setup()
    from celery_jobman.models import Job  # noqa: PLC0415 - as above
    from tests.benchmarks.project.app import noop  # noqa: PLC0415 - as above

    first = noop.si().set(countdown=3600)
    live = chain(first, *(noop.si() for _ in range(size))).dispatch()
    job = Job.objects.members_of(live.id).order_by("id")[0]
    begun = time.perf_counter()
    actions.cancel(job.id)
    return time.perf_counter() - begun


def main(members: int, links: int) -> None:
    sys.stdout.write(json.dumps({**batch_of(members), "chain": chain_of(links)}))


if __name__ == "__main__":
    django.setup()
    main(*map(int, sys.argv[1:]))
