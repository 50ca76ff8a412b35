"""Enqueues no-op jobs as members of so many batches; of none, if that is 0."""

from __future__ import annotations

import sys

import django


def main(jobs: int, batches: int) -> None:
    from celery_jobman import batch  # noqa: PLC0415 - needs django.setup()
    from tests.benchmarks.project.app import noop  # noqa: PLC0415 - as above

    if not batches:
        for _ in range(jobs):
            noop.delay()
    for _ in range(batches):
        batch(noop.si() for _ in range(jobs // batches)).dispatch()


if __name__ == "__main__":
    django.setup()
    main(*map(int, sys.argv[1:]))
