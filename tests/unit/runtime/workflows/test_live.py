"""A batch that was dispatched."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any

import pytest
from celery.result import AsyncResult, GroupResult

from celery_jobman import actions, batch, chain, current_batch, find_batch, group
from celery_jobman.exceptions import BatchClosed, BatchNotFound
from celery_jobman.models import Batch, Job
from celery_jobman.testing import run_jobs
from tests.celery_app import app
from tests.workflows import audit, broken, deed, did

pytestmark = pytest.mark.django_db


@app.task(name="live.fan_out")
def fan_out(*names: str) -> int:
    here = current_batch()
    assert here is not None
    return here.add(deed.si(name) for name in names)


@app.task(name="live.where")
def where(*_told: Any) -> str | None:
    here = current_batch()
    return str(here.id) if here else None


def test_a_member_adds_to_its_own_batch() -> None:
    live = batch([fan_out.s("a", "b", "c")]).dispatch()

    run_jobs()

    audit(live.id)
    assert sorted(did()) == ["a", "b", "c"]
    assert (live.row.total, live.row.state) == (4, "succeeded")


def test_added_members_inherit_the_options_of_the_batch() -> None:
    live = batch([deed.s("a")], queue="slow", tags=["nightly"]).dispatch()

    assert live.add([[deed.s("b"), deed.s("c")]]) == 2

    assert set(Job.objects.values_list("queue", flat=True)) == {"slow"}
    assert all(job.tags == ["nightly"] for job in Job.objects.all())
    audit(live.id)


def test_members_added_to_a_batch_that_waits_wait_too() -> None:
    live = chain(deed.s("a"), group(deed.s("b"))).dispatch()
    inner = Batch.objects.get(kind="group")

    assert actions.add_to_batch(inner.id, [deed.s("c")]) == 1
    assert Job.objects.filter(state="blocked").count() == 2
    run_jobs()

    audit(live.id)
    assert sorted(did()) == ["a", "b", "c"]


def test_nothing_is_added_to_a_finished_batch() -> None:
    live = batch([deed.s("a")]).dispatch()
    run_jobs()

    with pytest.raises(BatchClosed):
        live.add([deed.s("b")])

    assert Job.objects.count() == 1


def test_its_status_is_json() -> None:
    live = batch([deed.s("a")], name="one").dispatch()

    status = live.status()

    assert status["id"] == str(live.id)
    assert (status["name"], status["progress"], status["finished"]) == ("one", 0, False)
    run_jobs()
    assert live.progress == 100


def test_it_can_be_cancelled_and_its_failures_retried() -> None:
    broken.add("a")
    live = batch([deed.s("a")]).dispatch()
    run_jobs()
    broken.clear()

    plan = live.retry_failed(actor="ann")
    assert plan.again_count == 1
    live.cancel(reason="enough")
    run_jobs()

    assert live.row.state == "cancelled"


def test_a_batch_is_found_by_its_id() -> None:
    live = batch([deed.s("a")]).dispatch()

    assert find_batch(str(live.id)) == live
    assert len({live, find_batch(live.id)}) == 1
    with pytest.raises(BatchNotFound):
        find_batch("nonsense")


def test_members_and_callbacks_know_their_batch_and_nobody_else() -> None:
    live = batch([where.si()]).then(where.s()).dispatch()
    where.delay()

    run_jobs()

    found = [job.return_value for job in Job.objects.order_by("id")]
    assert sorted(found, key=str) == [str(live.id), str(live.id), None]
    assert current_batch() is None


def test_celerys_handles_are_returned_where_celery_returns_them() -> None:
    last = chain(deed.s("a"), deed.s("z")).delay()
    both = group(deed.s("a"), chain(deed.s("b"), deed.s("c"))).apply_async(queue="slow")
    nested = chain(deed.s("a"), group(deed.s("b"), group(deed.s("c"))))()

    assert isinstance(last, AsyncResult)
    assert last.id == Job.objects.get(preview='"z"').task_id
    assert isinstance(both, GroupResult)
    assert len(both.results) == 2
    assert Job.objects.filter(queue="slow").count() == 3
    assert isinstance(nested.results[1], GroupResult)
