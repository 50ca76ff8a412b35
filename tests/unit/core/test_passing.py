from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman.core import passing
from celery_jobman.exceptions import ResultTooLarge
from celery_jobman.models.ids import uuid7
from celery_jobman.states import State
from tests.factories import batch, blocked_job, finished_job

if TYPE_CHECKING:
    from celery_jobman.models import Batch, Job

    Project = Any

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("args", "value", "expected"),
    [
        ("[]", "1", "[1]"),
        ("[2]", "1", "[1, 2]"),
        (" [2]", "1", "[1, 2]"),
        ('["]", "["]', '{"a": [1]}', '[{"a": [1]}, "]", "["]'),
    ],
)
def test_a_value_is_put_before_the_others(args: str, value: str, expected: str) -> None:
    assert passing.prefixed(args, value) == expected


@pytest.mark.parametrize("own", ["[]", "[2]", '["]", ", "]', "[[], {}]"])
@pytest.mark.parametrize("value", ["null", "1", '"a, b]"', "[1, 2]"])
def test_what_a_job_was_given_can_be_told_from_its_own(own: str, value: str) -> None:
    job = finished_job(args=passing.prefixed(own, value), own_args=own)

    assert passing.given_to(job) == value


def ended_well(result: str | None = "1", **fields: Any) -> Job:
    return finished_job(State.SUCCEEDED, result=result, **fields)


def test_a_job_passes_its_result() -> None:
    assert passing.value_of(ended_well('{"a": 1}').id) == '{"a": 1}'
    assert passing.value_of(ended_well(None).id) == "null"


def test_nothing_is_passed_by_nobody() -> None:
    assert passing.value_of(None) is None


def test_a_job_whose_failure_is_allowed_passes_what_it_was_given() -> None:
    job = finished_job(args='["x", 1]', own_args="[1]", allow_failure=True)

    assert passing.value_of(job.id) == '"x"'


def test_a_job_whose_failure_its_batch_allows_passes_nothing() -> None:
    group = batch(State.SUCCEEDED, allow_failures="1")
    finished_job(batch_id=group.id, position=0, args='["x", 1]', own_args="[1]")
    ended_well("2", batch_id=group.id, position=1)

    assert passing.value_of(group.id) == "[null, 2]"


def members(inner: Batch, *results: str) -> None:
    for position, result in enumerate(results):
        ended_well(result, batch_id=inner.id, position=position)


def test_a_batch_passes_the_list_of_its_elements_in_their_order() -> None:
    group = batch(kind="group")
    ended_well("3", batch_id=group.id, position=2)
    first = ended_well("0", batch_id=group.id, position=0, next_id=uuid7())
    ended_well("1", batch_id=group.id, position=0, follows_id=first.id)
    finished_job(State.FAILED, batch_id=group.id, position=1)

    assert passing.value_of(group.id) == "[1, null, 3]"


def test_a_chain_inside_passes_the_value_of_its_last_link() -> None:
    group = batch(kind="group")
    chain = batch(State.SUCCEEDED, kind="chain", batch_id=group.id, position=1)
    members(group, "0")
    members(chain, "7")
    batch(State.FAILED, kind="chain", batch_id=group.id, position=2)

    assert passing.value_of(group.id) == "[0, 7, null]"


def test_what_is_too_large_is_not_passed(settings: Project) -> None:
    settings.JOBMAN = {"RESULT_LIMIT": 10}
    group = batch(kind="group")
    members(group, '"01234"', '"56789"')

    with pytest.raises(ResultTooLarge, match="more than the 10 that are passed on"):
        passing.value_of(group.id)
    with pytest.raises(ResultTooLarge, match="has 11 characters"):
        passing.value_of(ended_well('"012345678"').id)


def test_a_batch_inside_is_given_what_the_one_around_it_follows() -> None:
    before = ended_well("5")
    outer = batch(follows_id=before.id)
    inner = batch(batch_id=outer.id)

    assert passing.value_for(inner) == "5"
    assert passing.is_fed(inner)


def test_the_first_batch_is_given_nothing() -> None:
    inner = batch(batch_id=batch().id)

    assert passing.value_for(inner) is None
    assert not passing.is_fed(inner)


def test_a_batch_hands_on_what_a_job_takes_or_not() -> None:
    assert passing.takes_result(batch().id)
    assert passing.takes_result(blocked_job(takes_result=True).id)
    assert not passing.takes_result(blocked_job().id)
