"""A job is killed at each of its checkpoints."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group

from celery_jobman.models import Job
from celery_jobman.testing import crash_at_every_checkpoint
from tests.celery_app import app

pytestmark = pytest.mark.django_db

#: What a task does outside the database.
sent: list[str] = []
looped: list[int] = []


def _groups() -> list[str]:
    return sorted(Group.objects.values_list("name", flat=True))


def _ensure(name: str) -> str:
    Group.objects.get_or_create(name=name)
    return name


@app.task(bind=True, name="crashes.careful", steps=("first", "loop", "last"))
def careful(self: Any, count: int) -> int:
    self.step("first", _ensure, "first")
    for number in self.iterate("loop", range(count), every=2):
        _ensure(f"loop {number}")
    self.step("last", lambda: Group.objects.create(name="last").name, atomic=True)
    return count


@app.task(bind=True, name="crashes.looper")
def looper(self: Any) -> None:
    self.iterate("loop", range(3), each=looped.append)


@app.task(bind=True, name="crashes.careless")
def careless(self: Any) -> None:
    self.step("mail", lambda: sent.append("mail"))


@app.task(bind=True, name="crashes.creator")
def creator(self: Any) -> None:
    self.step("create", _create, "mine")


def _create(name: str) -> str:
    if Group.objects.filter(name=name).exists():
        raise ValueError(f"there is a group {name}")
    return Group.objects.create(name=name).name


@app.task(bind=True, name="crashes.once", max_attempts=1)
def once(self: Any) -> None:
    self.step("only", lambda: None)


@app.task(bind=True, name="crashes.restless")
def restless(self: Any) -> None:
    self.release(1)


def test_a_task_that_resumes_is_let_pass() -> None:
    places = crash_at_every_checkpoint(careful, 4, observe=_groups)

    assert [(place.moment, place.step) for place in places] == [
        ("step:work done", "first"),
        ("step:checkpointed", "first"),
        ("iteration:item", "loop"),
        ("iteration:item", "loop"),
        ("iteration:checkpointed", "loop"),
        ("iteration:item", "loop"),
        ("iteration:item", "loop"),
        ("iteration:checkpointed", "loop"),
        ("step:checkpointed", "loop"),
        ("step:work done", "last"),
        ("atomic:before commit", "last"),
        ("step:checkpointed", "last"),
        ("finishing", ""),
    ]


def test_nothing_is_left_of_the_runs() -> None:
    crash_at_every_checkpoint(careful, 2)

    assert _groups() == []
    assert not Job.objects.exists()


def test_an_effect_that_happens_twice_is_found() -> None:
    with pytest.raises(AssertionError) as found:
        crash_at_every_checkpoint(careless, observe=lambda: list(sent), prepare=sent.clear)

    assert "killed after the work of step 'mail', before its checkpoint (place 1)" in str(
        found.value
    )
    assert "observed is ['mail', 'mail'], and undisturbed it is ['mail']" in str(found.value)


def test_work_that_cannot_be_done_twice_is_found() -> None:
    with pytest.raises(AssertionError, match="state is 'failed', and undisturbed"):
        crash_at_every_checkpoint(creator)


def test_a_task_that_may_not_be_tried_again_is_found() -> None:
    with pytest.raises(AssertionError, match="state is 'failed'"):
        crash_at_every_checkpoint(once)


def test_many_places_are_spread() -> None:
    places = crash_at_every_checkpoint(careful, 50, most=4)

    assert [place.number for place in places] == [1, 28, 55, 82]


def test_a_task_that_does_not_end_is_an_error() -> None:
    with pytest.raises(AssertionError, match="wants to run again"):
        crash_at_every_checkpoint(restless)


def test_a_crash_saves_nothing_on_its_way_out() -> None:
    runs: list[list[int]] = []

    places = crash_at_every_checkpoint(
        looper, prepare=looped.clear, observe=lambda: runs.append(list(looped))
    )

    items = [place.number for place in places if place.moment == "iteration:item"]
    assert runs[0] == [0, 1, 2]
    assert runs[items[2]] == [0, 1, 0, 1, 2], "the cursor was saved"
