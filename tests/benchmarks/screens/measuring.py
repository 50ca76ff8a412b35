"""Measure the admin's list and job page on many rows, beside Django's stock list.

``python -m tests.benchmarks.screens --jobs 1000000 --lines 10000000`` fills a database of its own
on the PostgreSQL server that the tests use, and drops it.  What is compared is measured in turn,
a round of each after the other, so that a busy machine is busy for both.  It asserts nothing but
query plans: a sequential scan of a big table ends it with an error.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import nullcontext
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client, override_settings
from django.test.utils import get_runner
from django.urls import reverse

from celery_jobman.models import Job
from tests.benchmarks.screens.filling import fill, make_twin, small
from tests.crowd import one
from tests.plans import plans

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    Around = Callable[[], AbstractContextManager[None]]


class Place(NamedTuple):
    """A page that is asked for."""

    name: str
    path: str
    query: dict[str, str]


class Pair(NamedTuple):
    """Milliseconds that two pages took, in each round."""

    ours: list[float]
    other: list[float]

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios."""
        return median(mine / its for mine, its in zip(self.ours, self.other, strict=True))

    @property
    def best(self) -> float:
        """The ratio of the quickest rounds, which others on the machine disturbed least."""
        return min(self.ours) / min(self.other)


def main() -> int:
    options = _options()
    runner = get_runner(settings)(verbosity=0, interactive=False)
    databases = runner.setup_databases()
    try:
        with override_settings(ROOT_URLCONF="tests.benchmarks.screens.sites"):
            return _measure(options)
    finally:
        runner.teardown_databases(databases)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.screens", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--lines", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=15)
    return parser.parse_args()


def _measure(options: argparse.Namespace) -> int:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("ann"))
    began = time.monotonic()
    fill(options.jobs, options.lines)
    make_twin()
    _say(f"{options.jobs:,} jobs, {options.lines:,} lines in {time.monotonic() - began:.0f} s")
    scans = _scans(client)
    _report(client, options.rounds)
    for scan in scans:
        _say(f"SEQUENTIAL SCAN: {scan}")
    return 1 if scans else 0


def _list(name: str, **query: str) -> Place:
    return Place(f"list, {name}", reverse("admin:jobman_job_changelist"), query)


def _lists() -> list[Place]:
    deep = Job.objects.order_by("id")[1000]
    return [
        _list("first page"),
        _list("last page but a few", _before=str(deep.pk)),
        _list("failed", state="failed"),
        _list("one task", q="task:shop.tasks.task_7"),
        _list("one queue", q="queue:queue_3"),
    ]


def _others() -> list[Place]:
    return [
        _page("job page", one(0)),
        _page("job page, long log", one(1)),
        Place("counts", reverse("admin:jobman_job_counts"), {}),
    ]


def _page(name: str, job: Job) -> Place:
    return Place(name, reverse("admin:jobman_job_change", args=[job.pk]), {})


def _report(client: Client, rounds: int) -> None:
    stock = Place("stock list", reverse("stock:jobman_job_changelist"), {})
    for place in _lists():
        pair = _compare(client, rounds, place, stock, nullcontext)
        shares = f"1/{1 / pair.ratio:.1f} of the stock list (best 1/{1 / pair.best:.1f})"
        _say(f"{place.name}: {_times(pair.ours)}, {shares}, {_times(pair.other)}")
    for place in _others():
        pair = _compare(client, rounds, place, place, small)
        few = f"{pair.ratio:.2f} times that of few rows (best {pair.best:.2f})"
        _say(f"{place.name}: {_times(pair.ours)}, {few}, {_times(pair.other)}")


def _times(rounds: list[float]) -> str:
    return f"{median(rounds):.1f} ms (best {min(rounds):.1f})"


def _compare(client: Client, rounds: int, ours: Place, other: Place, around: Around) -> Pair:
    """Measure two pages in turn; ``around`` the other one."""
    pair = Pair([], [])
    for _ in range(rounds + 2):
        pair.ours.append(_time(client, ours))
        with around():
            pair.other.append(_time(client, other))
    return Pair(pair.ours[2:], pair.other[2:])


def _time(client: Client, place: Place) -> float:
    """Return the milliseconds that an answer takes."""
    began = time.perf_counter()
    answer = client.get(place.path, place.query)
    took = (time.perf_counter() - began) * 1000
    assert answer.status_code == 200, place
    return took


def _scans(client: Client) -> list[str]:
    """Return the statements of all pages that PostgreSQL would answer by a sequential scan."""
    found = []
    for place in [*_lists(), *_others()]:
        with plans() as sent:
            client.get(place.path, place.query)
        found += [f"{place.name}: {plan}" for plan in sent if plan.scanned]
    return found


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
