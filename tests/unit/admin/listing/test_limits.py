"""A search that no index serves is stopped by the database, and said; PostgreSQL and MariaDB."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from django.db import OperationalError, connection
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL
from django.urls import reverse

from celery_jobman.admin.jobs import JobAdmin
from celery_jobman.admin.listing import limits, tabs
from celery_jobman.models import Job
from celery_jobman.models.ids import uuid7
from tests.factories import queued_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet
    from django.test import Client

LIST, COUNTS, STATES = (f"admin:jobman_job_{name}" for name in ("changelist", "counts", "states"))
#: A condition that takes 20 seconds to be false of a row.
SLOW = {"postgresql": "pg_sleep(20)::text = 'never'", "mysql": "SLEEP(20) = 2"}

stoppable = pytest.mark.skipif(connection.vendor not in SLOW, reason="SQLite stops nothing")
pytestmark = pytest.mark.django_db


def slow(queryset: QuerySet[Any]) -> QuerySet[Any]:
    return queryset.filter(RawSQL(SLOW[connection.vendor], (), BooleanField()))  # noqa: S611


def limit() -> Any:
    """Return what the session's limit is now."""
    variable = {"postgresql": "SHOW statement_timeout", "mysql": "SELECT @@max_statement_time"}
    with connection.cursor() as cursor:
        cursor.execute(variable[connection.vendor])
        return cursor.fetchone()[0]


@contextmanager
def session_limit(seconds: int) -> Iterator[None]:
    """Give the session a limit of its own."""
    name, second = {"postgresql": ("statement_timeout", 1000), "mysql": ("max_statement_time", 1)}[
        connection.vendor
    ]
    with connection.cursor() as cursor:
        cursor.execute(f"SET {name} = {seconds * second}")
        try:
            yield
        finally:
            cursor.execute(f"SET {name} = 0")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LONGEST", 0.1)


@pytest.fixture
def slowly(quick: None) -> Iterator[None]:  # noqa: ARG001
    """Let every search of the list take for ever."""
    queued_job()

    def found(_self: Any, _request: Any, queryset: Any, _term: str) -> tuple[Any, bool]:
        return slow(queryset), False

    with mock.patch.object(JobAdmin, "get_search_results", found):
        yield


@stoppable
@pytest.mark.usefixtures("quick")
def test_a_statement_that_takes_too_long_is_stopped() -> None:
    queued_job()

    with pytest.raises(limits.TookTooLong), limits.limited("default"):
        slow(Job.objects.all()).first()
    assert Job.objects.count() == 1


@stoppable
def test_the_limit_ends_with_the_block() -> None:
    before = limit()

    with limits.limited("default"):
        assert limit() != before

    assert limit() == before


@stoppable
@pytest.mark.django_db(transaction=True)
def test_it_also_ends_outside_a_transaction() -> None:
    before = limit()

    with limits.limited("default"):
        assert limit() != before

    assert limit() == before


@stoppable
def test_a_shorter_limit_of_the_project_stays() -> None:
    with session_limit(2):
        before = limit()
        with limits.limited("default"):
            assert limit() == before
        assert limit() == before


def test_other_errors_are_not_taken_for_it() -> None:
    with pytest.raises(OperationalError, match="gone"), limits.limited("default"):
        raise OperationalError(2006, "the server is gone")


@stoppable
@pytest.mark.usefixtures("slowly")
def test_the_list_says_that_a_search_was_stopped(admin_client: Client) -> None:
    answer = admin_client.get(reverse(LIST), {"q": "tag:rare"})

    assert answer.status_code == 200
    body = answer.content.decode()
    assert "narrow it with task:, queue:, state: or after:" in body
    assert "match" not in str(answer.context["emptiness"])
    assert answer.context["emptiness"] is None


@stoppable
@pytest.mark.usefixtures("slowly")
def test_polls_say_so_too(admin_client: Client) -> None:
    job = Job.objects.get()
    older = str(uuid7()).replace(str(uuid7())[:8], "00000000")
    query = {"q": "tag:rare", "ids": str(job.pk), "newest": older}

    answer = json.loads(admin_client.get(reverse(STATES), query).content)

    assert list(answer["rows"]) == [str(job.pk)]
    assert answer["new"] == ""
    assert "narrow it" in answer["trouble"]


@stoppable
@pytest.mark.usefixtures("slowly")
def test_counting_gives_up_at_the_first_that_takes_too_long(admin_client: Client) -> None:
    answer = json.loads(admin_client.get(reverse(COUNTS), {"q": "tag:rare"}).content)

    assert set(answer["counts"]) < {tab.value for tab in tabs.ORDER}
    assert "queued" not in answer["counts"]


@stoppable
@pytest.mark.usefixtures("slowly")
def test_a_bulk_action_does_nothing_then(admin_client: Client) -> None:
    job = Job.objects.get()
    fields = {"action": "cancel_jobs", "select_across": "1", "index": "0"}

    answer = admin_client.post(
        reverse(LIST) + "?q=tag:rare", {**fields, "_selected_action": str(job.pk)}, follow=True
    )

    assert "narrow it" in answer.content.decode()
