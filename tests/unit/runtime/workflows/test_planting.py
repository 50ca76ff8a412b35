"""What the rows of a flow look like."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from celery_jobman import batch, chain, group
from celery_jobman.exceptions import UnencodableValue
from celery_jobman.models import Batch, Job
from celery_jobman.testing import run_jobs
from tests.celery_app import app
from tests.workflows import broken, deed, did, note

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db


@app.task(name="planting.tell")
def tell(_batch_id: str, _error: dict[str, Any], own: str) -> str:
    return own


def jobs() -> list[Job]:
    return list(Job.objects.order_by("id"))


def test_links_know_one_another() -> None:
    live = chain(deed.s("a"), deed.s("b")).dispatch()

    first, second = jobs()
    assert (first.next_id, second.follows_id) == (second.id, first.id)
    assert {job.batch_id for job in jobs()} == {live.id}
    assert {job.root_id for job in jobs()} == {str(live.id)}
    assert [job.task_id for job in jobs()] == [str(job.id) for job in jobs()]


def test_elements_are_counted_in_their_order() -> None:
    batch([deed.s("a"), [deed.s("b"), deed.s("c")], deed.s("d")]).dispatch()

    assert [job.position for job in jobs()] == [0, 1, 1, 2]


def test_options_of_the_whole_reach_every_member_that_has_none_of_its_own() -> None:
    inner = group(deed.s("a"), deed.s("b").set(queue="own"))
    batch([inner, deed.s("c")], queue="slow", priority=3).dispatch()

    assert [(job.queue, job.priority) for job in jobs()] == [("slow", 3), ("own", 3), ("slow", 3)]


def test_owner_and_tags_of_the_whole_are_on_every_job(admin_user: Any) -> None:
    flow = batch([chain(deed.s("a"), deed.s("b"), tags=["inner"])], owner=admin_user, tags=["x"])
    flow.finally_(note.s("f")).dispatch()
    run_jobs()

    members = Job.objects.filter(role="")
    assert [job.tags for job in members.order_by("id")] == [["x", "inner"], ["x", "inner"]]
    assert {job.owner_id for job in jobs()} == {admin_user.pk}
    assert {row.owner_id for row in Batch.objects.all()} == {admin_user.pk}
    assert Job.objects.get(role="finally").tags == ["x"]


def test_a_delay_puts_off_only_the_beginning() -> None:
    batch([[deed.s("a"), deed.s("b")]], delay=timedelta(hours=1)).dispatch()

    first, second = jobs()
    assert first.state == "scheduled"
    assert first.available_at is not None
    assert first.available_at > timezone.now() + timedelta(minutes=59)
    assert (second.state, second.available_at, second.delay) == ("blocked", None, None)


def test_a_countdown_of_a_link_counts_from_the_end_of_the_one_before() -> None:
    chain(deed.s("a"), deed.s("b").set(countdown=60)).dispatch()

    run_jobs()

    second = jobs()[1]
    assert (second.state, second.delay) == ("scheduled", timedelta(minutes=1))
    assert second.available_at is not None
    assert second.available_at > timezone.now() + timedelta(seconds=50)


def test_members_are_read_lazily_while_rows_are_written() -> None:
    def many() -> Iterator[Any]:
        for number in range(1200):
            yield deed.si(str(number))

    live = batch(many()).dispatch()

    assert live.row.total == 1200


def test_an_argument_that_is_not_json_leaves_nothing_behind() -> None:
    with pytest.raises(UnencodableValue, match="argument 1"):
        batch([deed.s("a"), deed.s({1, 2})]).dispatch()

    assert not Job.objects.exists()
    assert not Batch.objects.exists()


def test_callbacks_are_kept_until_they_are_due() -> None:
    live = batch([deed.s("a")]).then(note.s("then").set(queue="mail")).dispatch()

    kept = json.loads(live.row.callbacks)
    assert kept["then"][0]["queue"] == "mail"
    assert len(jobs()) == 1


def test_a_callback_is_checked_with_what_it_will_be_told() -> None:
    broken.add("a")
    batch([deed.s("a")]).catch(tell.s("own")).finally_(tell.si("own", {}, "x")).dispatch()
    run_jobs()

    told = {job.role: job for job in Job.objects.exclude(role="")}
    assert [job.state for job in told.values()] == ["succeeded", "succeeded"]
    assert told["catch"].return_value == "own"


@pytest.mark.parametrize("own", [(), ("one", "two")])
def test_a_callback_that_could_not_be_called_is_refused(own: tuple[str, ...]) -> None:
    with pytest.raises(TypeError):
        batch([deed.s("a")]).catch(tell.s(*own)).dispatch()

    assert not Batch.objects.exists()


def test_a_chain_with_callbacks_stays_a_batch_of_its_own() -> None:
    flow = batch([chain(deed.s("a"), deed.s("b")).finally_(note.s("inner")), [deed.s("c")]])
    live = flow.dispatch()

    assert (live.row.total, Batch.objects.count()) == (2, 2)
    run_jobs()
    assert did().count("inner") == 1
    assert live.row.state == "succeeded"


def test_a_batch_in_a_chain_may_allow_failures() -> None:
    broken.add("a")
    flow = chain(batch([deed.s("a"), deed.s("b")], allow_failures=True), deed.s("c"))
    live = flow.dispatch()

    run_jobs()

    assert did() == ["a", "b", "c"]
    assert live.row.state == "succeeded"
