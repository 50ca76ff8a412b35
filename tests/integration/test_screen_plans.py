"""What PostgreSQL does for the admin's pages when there are many jobs.

Each page is asked for among 60,000 jobs.  All of its statements are explained and run once more:
none may read a big table from one end to the other, and none may look at more rows than a page, a
capped count or the reach of a search in a log allows, however many there are.

Of the searches, ``tag:``, ``worker:`` and ``ran:`` are not here, because no index serves them.
``error:`` looks at all jobs that did not succeed when it finds too little, and ``fingerprint:`` at
those of them that did not fail.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from celery_jobman.admin.listing.tabs import CAP
from celery_jobman.admin.log.lines import REACH
from celery_jobman.admin.reading import ReadOnlyAdmin
from celery_jobman.insight.failures import REACH as FAILURES
from celery_jobman.models import Batch, Job
from celery_jobman.states import State
from tests import crowd, databases, factories
from tests.plans import plans

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client
    from pytest_django import DjangoDbBlocker

    from tests.plans import Plan

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        databases.chosen() != "postgresql", reason="query plans are read on PostgreSQL only"
    ),
]

JOBS: Final = 60_000
#: Lines of the long log.
LOG: Final = 25_000
PAGE: Final = ReadOnlyAdmin.list_per_page + 1

LIST, COUNTS, STATES = (f"admin:jobman_job_{name}" for name in ("changelist", "counts", "states"))


@pytest.fixture(scope="module")
def crowded(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let there be many jobs while this module's tests run; they only look at them."""
    del django_db_setup
    with django_db_blocker.unblock():
        whole = factories.begun_batch(name="large", total=JOBS // 2, failed=JOBS // 20)
        crowd.write(jobs=JOBS, lines=1, log=LOG, batch=whole.pk)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        yield
        crowd.leave()


@pytest.fixture
def large(crowded: None) -> Batch:
    """A batch that half of the jobs are members of; 3,000 of them failed, in 50 ways."""
    del crowded
    return Batch.objects.get(name="large")


@pytest.fixture
def staff(crowded: None, admin_client: Client) -> Client:
    """Someone who may see everything."""
    del crowded
    return admin_client


def asked(client: Client, path: str, query: dict[str, Any]) -> list[Plan]:
    """Ask for a page; return how the statements that it takes are answered."""
    with plans(run=True) as sent:
        response = client.get(path, query)
    assert response.status_code == 200
    assert sent
    for plan in sent:
        assert not plan.scanned, plan
    return sent


def most(sent: list[Plan]) -> int:
    """Return how many rows the greediest statement looked at, or was believed to return."""
    return max(max(plan.read, plan.expected) for plan in sent)


def at(rank: int) -> str:
    """Return the id of a job, counted from the newest."""
    return str(Job.objects.order_by("-id")[rank].pk)


@pytest.mark.parametrize("parameter", ["_after", "_before"])
@pytest.mark.parametrize("rank", [0, JOBS // 2, JOBS - 2])
def test_a_page_at_any_depth_is_one_statement(staff: Client, parameter: str, rank: int) -> None:
    sent = asked(staff, reverse(LIST), {parameter: at(rank)})

    pages = [plan for plan in sent if "jobman_error" in plan.sql]
    nothing_is_newer = rank == 0 and parameter == "_before"  # so the first page is read as well
    assert len(pages) == (2 if nothing_is_newer else 1)
    assert most(pages) <= PAGE
    assert most(sent) <= CAP


@pytest.mark.parametrize("state", State.values)
@pytest.mark.parametrize("rank", [None, JOBS // 2])
def test_each_state_has_its_pages(staff: Client, state: str, rank: int | None) -> None:
    place = {"_after": at(rank)} if rank else {}

    assert most(asked(staff, reverse(LIST), {"state__exact": state, **place})) <= CAP


@pytest.mark.parametrize(
    "query",
    [
        {"task": "shop.tasks.task_7"},
        {"task": "nope"},
        {"queue": "queue_3"},
        {"queue": "nope"},
        {"owner__isnull": "True"},
        {"when": "1h"},
        {"when": "24h"},
        {"when": "7d"},
        {"state__exact": "failed", "queue": "queue_2"},
        {"state__exact": "running", "task": "shop.tasks.task_7"},
        {"q": "deadbeef"},
        {"q": "task:shop.tasks.task_7"},
        {"q": "task:shop.tasks.task_1*"},
        {"q": "task:nope"},
        {"q": "shop"},
        {"q": "queue:queue_3"},
        {"q": "owner:owner_3"},
        {"q": "owner:nope"},
        {"q": "state:retrying"},
        {"q": "state:cancelling"},
        {"q": "error:ValueError"},
        {"q": "before:2020-01-01"},
        {"q": "after:2020-01-01"},
    ],
    ids=str,
)
def test_filters_and_searches_are_served_by_indexes(staff: Client, query: dict[str, str]) -> None:
    assert most(asked(staff, reverse(LIST), query)) <= CAP


def test_jobs_are_found_by_what_they_are(staff: Client) -> None:
    job = crowd.one(1)
    day = (timezone.now() - timedelta(days=20)).isoformat()

    for words in (job.pk, str(job.pk)[:13], f"before:{day}", f"fingerprint:{job.fingerprint}"):
        assert most(asked(staff, reverse(LIST), {"q": words})) <= CAP
    owner = Job.objects.filter(owner__isnull=False)[0].owner_id
    assert most(asked(staff, reverse(LIST), {"owner__id__exact": owner})) <= CAP
    asked(staff, reverse(LIST), {"q": "error:nope"})


@pytest.mark.parametrize(
    "query", [{}, {"queue": "queue_3"}, {"when": "24h"}, {"q": "task:shop.tasks.task_7"}], ids=str
)
def test_no_count_goes_beyond_its_cap(staff: Client, query: dict[str, str]) -> None:
    assert most(asked(staff, reverse(COUNTS), query)) <= CAP + 1


@pytest.mark.parametrize("query", [{}, {"state__exact": "failed"}, {"queue": "queue_3"}], ids=str)
def test_polling_the_list_is_cheap(staff: Client, query: dict[str, str]) -> None:
    ids = ",".join(at(rank) for rank in (0, 1, JOBS // 2))

    assert most(asked(staff, reverse(STATES), {**query, "ids": ids, "newest": at(5_000)})) <= CAP


@pytest.mark.parametrize(
    ("query", "reach"),
    [
        ({}, PAGE * 4),
        ({"find": "nope"}, REACH + 1),
        ({"level": "30"}, REACH + 1),
        ({"attempt": "7"}, REACH + 1),
    ],
    ids=str,
)
def test_the_page_of_a_job_with_a_long_log(
    staff: Client, query: dict[str, str], reach: int
) -> None:
    page = reverse("admin:jobman_job_change", args=[crowd.one(1).pk])

    assert most(asked(staff, page, query)) <= reach


@pytest.mark.parametrize("state", State.values)
def test_the_page_of_a_job_in_each_state(staff: Client, state: str) -> None:
    job = Job.objects.filter(state=state).order_by("id")[1]

    for name in ("change", "state"):
        path = reverse(f"admin:jobman_job_{name}", args=[job.pk])
        assert most(asked(staff, path, {})) <= CAP


@pytest.mark.parametrize("query", [{}, {"q": "nope"}, {"after": 0, "q": "nope"}], ids=str)
def test_the_tail_of_a_long_log(staff: Client, query: dict[str, Any]) -> None:
    tail = reverse("admin:jobman_job_log", args=[crowd.one(1).pk])

    assert most(asked(staff, tail, query)) <= REACH + 1


def test_reading_on_in_a_long_log(staff: Client) -> None:
    tail = reverse("admin:jobman_job_log", args=[crowd.one(1).pk])
    cursor = staff.get(tail).json()["cursor"]

    assert most(asked(staff, tail, {"after": cursor - 100})) <= REACH + 1
    assert most(asked(staff, tail, {"after": cursor})) <= PAGE * 4


@pytest.mark.parametrize("name", ["change", "state"])
def test_the_failures_of_a_large_batch(staff: Client, large: Batch, name: str) -> None:
    sent = asked(staff, reverse(f"admin:jobman_batch_{name}", args=[large.pk]), {})

    (groups,) = [plan for plan in sent if plan.sql.endswith(f"LIMIT {FAILURES + 1}")]
    assert "fingerprint" in groups.sql
    assert groups.read == FAILURES + 1
    assert "Sort" not in {node["Node Type"] for node in groups.nodes}
    assert most(sent) <= FAILURES + 1


def test_a_batch_without_failures_is_not_asked_for_them(staff: Client) -> None:
    whole = factories.begun_batch(total=1)

    sent = asked(staff, reverse("admin:jobman_batch_change", args=[whole.pk]), {})

    assert [plan for plan in sent if "fingerprint" in plan.sql] == []


@pytest.mark.parametrize("rest", ["", " fingerprint:{fingerprint}"])
def test_the_list_of_a_batchs_failures(staff: Client, large: Batch, rest: str) -> None:
    job = Job.objects.filter(batch_id=large.pk, state=State.FAILED)[0]
    query = f"batch:{large.pk}" + rest.format(fingerprint=job.fingerprint)

    assert most(asked(staff, reverse(LIST), {"q": query, "state__exact": "failed"})) <= CAP
