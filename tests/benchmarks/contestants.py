"""Who is compared: ways to run the same tasks of one Django project.

All of them are Celery inside a Django project, so all pay for Celery's Django fixup.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One way to run tasks."""

    key: str
    title: str
    #: Result backend; ``{redis}`` stands for the URL of the run's Redis.
    backend: str = ""
    base: str = "celery.contrib.django.task:DjangoTask"
    apps: tuple[str, ...] = ()
    track_started: bool = False
    #: Modules with tasks that only this contestant runs.
    imports: tuple[str, ...] = ()
    #: Part of the usual number of jobs that one round takes.
    share: float = 1.0


PLAIN: Final = Contestant(key="plain", title="Celery, no results")
REDIS: Final = Contestant(key="redis", title="Celery, Redis results", backend="{redis}")
RESULTS: Final = Contestant(
    key="results",
    title="django-celery-results",
    backend="django-db",
    apps=("django_celery_results",),
    track_started=True,
    share=0.25,
)
JOBMAN: Final = Contestant(
    key="jobman",
    title="celery-jobman",
    base="celery_jobman:JobTask",
    apps=("celery_jobman",),
    imports=("tests.benchmarks.project.inside",),
)
#: The same with a result backend, which is to be told of what ends without running.
JOBMAN_REDIS: Final = replace(
    JOBMAN, key="jobman-redis", title="celery-jobman, Redis results", backend="{redis}"
)
CONTESTANTS: Final = {each.key: each for each in (PLAIN, REDIS, RESULTS, JOBMAN, JOBMAN_REDIS)}
