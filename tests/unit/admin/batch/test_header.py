from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman.admin.batch import header
from celery_jobman.states import State
from tests.factories import begun_batch, member, nested

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries

    from celery_jobman.models import Batch

pytestmark = pytest.mark.django_db


@pytest.fixture
def half_done() -> Batch:
    """Return a batch of six: one succeeded, a job and a batch run, three wait."""
    whole = begun_batch(total=6, succeeded=1)
    for state in (State.SUCCEEDED, State.RUNNING, State.QUEUED, State.SCHEDULED, State.BLOCKED):
        member(whole, state)
    nested(whole)
    return whole


def test_those_that_run_are_told_from_those_that_wait(
    admin_client: Client, url: Any, half_done: Batch
) -> None:
    page = admin_client.get(url(half_done)).content.decode()

    assert 'aria-label="1 succeeded, 2 running, 3 waiting"' in page


def test_no_more_are_counted_than_can_be_there(
    half_done: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(header, "MOST", 1)
    member(half_done, State.RUNNING)

    assert header.running(half_done) == 2  # one job and one batch


def test_a_batch_that_is_through_is_not_asked(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    whole = begun_batch(State.SUCCEEDED, total=1, succeeded=1)

    with django_assert_num_queries(0):
        assert header.running(whole) == 0
