from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from celery_jobman.insight import failures
from celery_jobman.insight.failures import Group
from celery_jobman.models import Batch, Job
from celery_jobman.states import FINAL, State
from tests.factories import batch, begun_batch, finished_job, member, nested

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db


def failed(whole: Batch, *prints: str) -> list[Job]:
    return [member(whole, State.FAILED, fingerprint=each) for each in prints]


def of(whole: Batch) -> failures.Failures:
    return failures.of(whole, Job.objects.all())


def test_members_that_look_alike_are_a_group_and_the_most_frequent_comes_first() -> None:
    whole = begun_batch(total=6, failed=6)
    jobs = failed(whole, *"abbabb")

    found = of(whole)

    ids = [job.pk for job in jobs]
    assert found.groups == (
        Group("b", 4, (ids[1], ids[2], ids[4])),
        Group("a", 2, (ids[0], ids[3])),
    )
    assert (found.shown, found.others, found.is_cut) == (found.groups, 0, False)


def test_of_groups_that_are_as_large_the_one_that_began_first_comes_first() -> None:
    whole = begun_batch(total=4, failed=4)
    failed(whole, *"zaaz")

    assert [group.fingerprint for group in of(whole).groups] == ["z", "a"]


def test_members_without_a_fingerprint_are_a_group_too() -> None:
    whole = begun_batch(total=3, failed=3)
    failed(whole, "", "a", "")

    assert [(group.fingerprint, group.number) for group in of(whole).groups] == [("", 2), ("a", 1)]


def test_only_failed_members_of_this_very_batch_count() -> None:
    whole = begun_batch(total=8, failed=2)
    inner = nested(whole, State.FAILED, total=1, failed=1)
    failed(inner, "inner")
    failed(begun_batch(total=1, failed=1), "elsewhere")
    finished_job(fingerprint="alone")
    member(whole, State.FAILED, fingerprint="callback", role="finally")
    for state in State:
        member(whole, state, fingerprint=f"was {state}")

    assert [group.fingerprint for group in of(whole).groups] == ["was failed"]


def test_only_jobs_that_may_be_told_of_count() -> None:
    whole = begun_batch(total=2, failed=2)
    mine, _theirs = failed(whole, "a", "a")

    found = failures.of(whole, Job.objects.filter(pk=mine.pk))

    assert found.groups == (Group("a", 1, (mine.pk,)),)


def test_five_groups_are_shown_and_the_others_are_counted() -> None:
    whole = begun_batch(total=7, failed=7)
    failed(whole, *"abcdefg")

    found = of(whole)

    assert [group.fingerprint for group in found.shown] == [*"abcde"]
    assert found.others == 2


@pytest.mark.parametrize("reach", [2, 3, 4])
def test_no_more_members_are_looked_at_than_within_reach(
    monkeypatch: pytest.MonkeyPatch, reach: int
) -> None:
    monkeypatch.setattr(failures, "REACH", reach)
    whole = begun_batch(total=3, failed=3)
    failed(whole, *"abb")

    found = of(whole)

    assert sum(group.number for group in found.groups) == min(reach, 3)
    assert found.is_cut is (reach < 3)


@pytest.mark.parametrize("state", [State.BLOCKED, State.RUNNING, *sorted(FINAL)])
def test_without_a_failure_nothing_is_asked(
    django_assert_num_queries: DjangoAssertNumQueries, state: State
) -> None:
    whole = batch(state)

    with django_assert_num_queries(0):
        assert of(whole) == failures.Failures()


def test_any_number_of_failures_is_one_statement(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    whole = begun_batch(total=20, failed=20)
    failed(whole, *"abcdefghijabcdefghij")

    with django_assert_num_queries(1) as sent:
        assert len(of(whole).groups) == 10

    (query,) = sent.captured_queries
    assert "COUNT" not in query["sql"].upper()
    assert f"LIMIT {failures.REACH + 1}" in query["sql"]
