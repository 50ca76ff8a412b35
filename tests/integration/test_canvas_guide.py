"""Celery's guide to canvas, example by example, with every task a job."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from celery import chain, chord, group, signature
from celery.exceptions import ChordError

from celery_jobman import actions
from celery_jobman.models import Job
from tests.integration.workers import eventually

if TYPE_CHECKING:
    from tests.integration.conftest import Make

SECONDS = 20


#: What :func:`note` was given.
notes: list[tuple[Any, ...]] = []


def add(x: int, y: int) -> int:
    return x + y


def mul(x: int, y: int) -> int:
    return x * y


def div(x: int, y: int) -> float:
    return x / y


def xsum(numbers: list[int]) -> int:
    return sum(numbers)


def note(*args: Any) -> None:
    notes.append(args)


def oops(task_id: str) -> None:
    notes.append((task_id,))


def grief(request: Any, error: Exception, _traceback: Any) -> None:
    notes.append((request.id, type(error)))


def swap(self: Any, inner: dict[str, Any]) -> Any:
    return self.replace(signature(inner, app=self.app))


class Tasks:
    """The tasks of the guide."""

    def __init__(self, employ: Make) -> None:
        self.add = employ(add, name="guide.add", bind=False)
        self.mul = employ(mul, name="guide.mul", bind=False)
        self.xsum = employ(xsum, name="guide.xsum", bind=False)
        self.note = employ(note, name="guide.note", bind=False)
        self.div = employ(div, name="guide.div", bind=False)
        self.oops = employ(oops, name="guide.oops", bind=False)
        self.grief = employ(grief, name="guide.grief", bind=False)
        self.swap = employ(swap, name="guide.swap")


@pytest.fixture
def guide(employ: Make) -> Tasks:
    notes.clear()
    return Tasks(employ)


def value(result: Any) -> Any:
    return result.get(timeout=SECONDS, interval=0.01)


def all_jobs(count: int) -> list[Job]:
    """Return the jobs once so many have ended, and no other is left."""
    eventually(lambda: Job.objects.exclude(finished_at=None).count() == count, SECONDS)
    assert Job.objects.count() == count
    return list(Job.objects.order_by("id"))


def states() -> dict[str, int]:
    return dict(Counter(Job.objects.values_list("state", flat=True)))


def roots() -> int:
    """Count the workflows that the jobs belong to."""
    return len(set(Job.objects.values_list("root_id", flat=True)))


def test_a_signature_is_called_with_more_arguments_and_options(guide: Tasks) -> None:
    partial = guide.add.s(2)
    kept = partial.clone((4,), shadow="a sum")

    assert value(guide.add.signature((2, 2), shadow="four").delay()) == 4
    assert value(partial.delay(4)) == 6
    assert value(kept.apply_async()) == 6
    assert [job.label for job in all_jobs(3)] == ["four", "", "a sum"]


def test_a_callback_is_given_the_result(guide: Tasks) -> None:
    result = guide.add.apply_async((2, 2), link=guide.add.s(16))

    assert value(result) == 4
    first, second = all_jobs(2)
    assert (second.return_value, second.parent_id, second.root_id) == (20, first.id, first.task_id)


def test_an_immutable_callback_is_not(guide: Tasks) -> None:
    guide.add.apply_async((2, 2), link=guide.note.si("done"))

    all_jobs(2)
    assert notes == [("done",)]


@pytest.mark.parametrize("form", ["chain", "pipe"])
def test_a_chain_passes_each_result_on(guide: Tasks, form: str) -> None:
    links = [guide.add.s(4, 4), guide.mul.s(8), guide.mul.s(10)]
    flow = chain(*links) if form == "chain" else links[0] | links[1] | links[2]

    result = flow()

    assert value(result) == 640
    assert (value(result.parent), value(result.parent.parent)) == (64, 8)
    assert [job.return_value for job in all_jobs(3)] == [8, 64, 640]
    assert roots() == 1


def test_a_chain_may_be_partial_and_immutable(guide: Tasks) -> None:
    flow = guide.add.s(4) | guide.mul.s(8)
    steps = guide.add.si(2, 2) | guide.add.si(4, 4) | guide.add.si(8, 8)

    assert value(flow(16)) == 160
    last = steps()
    assert (value(last), value(last.parent), value(last.parent.parent)) == (
        16, 8, 4,
    )  # fmt: skip
    all_jobs(5)


def test_results_know_their_children(guide: Tasks) -> None:
    result = chain(guide.add.s(4, 4), guide.mul.s(8))()
    value(result)

    found = list(result.parent.collect())
    assert [value for _, value in found] == [8, 64]


def test_an_error_callback_is_called_and_the_rest_is_skipped(guide: Tasks) -> None:
    flow = chain(guide.add.s(1, 1), guide.div.s(0), guide.add.s(1), guide.add.s(1))

    result = flow.on_error(guide.oops.s()).on_error(guide.grief.s()).delay()

    with pytest.raises(ZeroDivisionError):
        value(result)
    jobs = all_jobs(5)
    assert [str(job.state) for job in jobs[:4]] == ["succeeded", "failed", "skipped", "skipped"]
    failed = jobs[1].task_id
    assert sorted(notes, key=len) == [(failed,), (failed, ZeroDivisionError)]
    assert jobs[4].parent_id == jobs[1].id


def test_a_chain_that_failed_goes_on_when_its_link_is_retried(guide: Tasks) -> None:
    flow = chain(guide.add.s(1, 1), guide.div.s(0), guide.add.s(1))
    flow.delay()
    job = all_jobs(3)[1]
    Job.objects.filter(pk=job.id).update(args=json.dumps([2, 2]))

    actions.retry(job.id)

    eventually(lambda: states() == {"succeeded": 3})
    assert [job.return_value for job in all_jobs(3)] == [2, 1, 2]


def test_a_group_runs_side_by_side(guide: Tasks) -> None:
    result = group(guide.add.s(number, number) for number in range(10))()

    assert value(result) == [number * 2 for number in range(10)]
    assert (result.successful(), result.failed(), result.waiting()) == (True, False, False)
    assert (result.ready(), result.completed_count()) == (True, 10)
    jobs = all_jobs(10)
    assert {job.group_id for job in jobs} == {result.id}
    assert [job.position for job in jobs] == list(range(10))


def test_a_group_can_be_given_its_first_arguments_later(guide: Tasks) -> None:
    both = group(guide.add.s(1), guide.mul.s(2))

    assert value(both(5)) == [6, 10]
    all_jobs(2)


def test_a_group_of_one_is_its_member(guide: Tasks) -> None:
    flow = chain(guide.add.s(2, 2), group(guide.add.s(1)), guide.add.s(1))

    assert value(flow()) == 6
    assert [job.return_value for job in all_jobs(3)] == [4, 5, 6]


def test_a_chain_leads_to_a_group(guide: Tasks) -> None:
    result = (guide.add.s(2, 2) | group(guide.add.s(1), guide.note.si("mail")))()

    assert value(result) == [5, None]
    first, *members = all_jobs(3)
    assert {job.parent_id for job in members} == {first.id}
    assert roots() == 1


@pytest.mark.parametrize("form", ["chord", "pipe"])
def test_a_chord_gives_its_body_all_results(guide: Tasks, form: str) -> None:
    header = [guide.add.s(number, number) for number in range(10)]
    if form == "chord":
        result = chord(header)(guide.xsum.s())
    else:
        result = (group(header) | guide.xsum.s())()

    assert value(result) == 90
    first, body, *others = all_jobs(11)
    assert (body.task_id, body.return_value) == (result.id, 90)
    assert {job.next_id for job in (first, *others)} == {body.id}
    assert body.parent_id in {job.id for job in (first, *others)}


def test_a_chord_in_a_chain_is_seen_from_the_start(guide: Tasks) -> None:
    header = group(guide.mul.s(number) for number in range(1, 4))
    flow = guide.add.s(1, 1) | header | guide.xsum.s() | guide.add.s(100)

    result = flow()
    seen = Job.objects.count()

    assert value(result) == 112
    assert seen == len(all_jobs(6)) == 6
    assert states() == {"succeeded": 6}
    assert roots() == 1


def test_a_chord_whose_header_fails_fails(guide: Tasks) -> None:
    body = guide.xsum.s().on_error(guide.oops.s())

    result = (guide.add.s(1, 1) | group(guide.add.s(1), guide.div.s(0)) | body).delay()

    with pytest.raises((ChordError, ZeroDivisionError)):  # of the body, or of its parent
        value(result)
    eventually(lambda: states() == {"succeeded": 3, "failed": 1, "skipped": 1})
    assert notes == [(result.id,)]
    assert Job.objects.get(state="skipped").task_id == result.id


def test_map_and_starmap_are_one_task_of_celerys(guide: Tasks) -> None:
    mapped = guide.xsum.map([list(range(10)), list(range(100))])
    starred = guide.add.starmap(zip(range(10), range(10), strict=True))

    assert value(mapped.delay()) == [45, 4950]
    assert value(starred.delay()) == [number * 2 for number in range(10)]
    assert [job.label for job in all_jobs(2)] == ["guide.xsum.map", "guide.add.starmap"]


def test_chunks_are_a_group_of_those(guide: Tasks) -> None:
    chunks = guide.add.chunks(zip(range(20), range(20), strict=True), 10)

    assert value(chunks()) == [
        [number * 2 for number in range(10)],
        [number * 2 for number in range(10, 20)],
    ]
    skewed = chunks.group().skew(start=1, stop=3)
    assert [each.options["countdown"] for each in skewed.tasks] == [1, 2]
    assert [job.position for job in all_jobs(2)] == [0, 1]


def test_a_task_may_replace_itself_in_the_middle_of_a_chain(guide: Tasks) -> None:
    inner = guide.add.s(1, 1) | guide.mul.s(10)

    result = (guide.swap.si(inner) | guide.add.s(3) | guide.add.s(4))()

    assert value(result) == 27
    jobs = all_jobs(5)
    assert states() == {"succeeded": 5}
    assert (jobs[0].completed_code, jobs[0].task) == ("replaced", "guide.swap")
    assert roots() == 1


def test_a_task_may_replace_itself_by_a_group(guide: Tasks) -> None:
    inner = group(guide.add.s(1, 1), guide.add.s(2, 2))

    result = (guide.swap.si(inner) | guide.xsum.s() | guide.add.s(4))()

    assert value(result) == 10
    eventually(lambda: states() == {"succeeded": 5})


def test_a_stand_in_that_fails_skips_the_rest_of_the_chain(guide: Tasks) -> None:
    inner = guide.add.s(1, 1) | guide.div.s(0)

    result = (guide.swap.si(inner) | guide.add.s(3) | guide.add.s(4))()

    with pytest.raises(ZeroDivisionError):
        value(result)
    eventually(lambda: states() == {"succeeded": 2, "failed": 1, "skipped": 2})
