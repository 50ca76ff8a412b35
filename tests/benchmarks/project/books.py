"""Prints how many jobs the contestant has on record as succeeded."""

from __future__ import annotations

import os
import sys

import django


def recorded(contestant: str) -> int:
    return {"redis": _in_redis, "results": _in_results, "jobman": _in_jobman}[contestant]()


def _in_redis() -> int:
    import redis  # noqa: PLC0415

    client = redis.Redis.from_url(os.environ["BENCH_BROKER"])
    return sum(1 for _ in client.scan_iter("celery-task-meta-*", count=1000))


def _in_results() -> int:
    from django_celery_results.models import TaskResult  # noqa: PLC0415

    return int(TaskResult.objects.filter(status="SUCCESS").count())


def _in_jobman() -> int:
    from celery_jobman.models import Attempt, Job, Outcome  # noqa: PLC0415
    from celery_jobman.states import State  # noqa: PLC0415

    jobs = Job.objects.filter(state=State.SUCCEEDED).count()
    return min(jobs, Attempt.objects.filter(outcome=Outcome.SUCCEEDED).count())


if __name__ == "__main__":
    django.setup()
    sys.stdout.write(str(recorded(os.environ["BENCH_CONTESTANT"])))
