from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from celery import chain, chord, group
from celery.exceptions import Ignore
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from celery_jobman import signals
from celery_jobman.core import behind, bulk
from celery_jobman.exceptions import DatabaseUnwritable
from celery_jobman.models import Job
from celery_jobman.runtime import broker
from celery_jobman.states import State
from celery_jobman.testing import run_jobs
from tests.workflows import deed, did

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery, Task

pytestmark = pytest.mark.django_db


def _rows() -> dict[str, Job]:
    return {job.arguments[0][-1]: job for job in Job.objects.order_by("id")}


def test_every_link_of_a_chain_has_a_row_from_the_first_publish() -> None:
    result = chain(deed.s("a"), deed.s("b"), deed.si("c"))()

    a, b, c = _rows().values()
    assert [job.state for job in (a, b, c)] == [State.QUEUED, State.BLOCKED, State.BLOCKED]
    assert [job.position for job in (a, b, c)] == [0, 1, 2]
    assert [job.next_id for job in (a, b, c)] == [b.id, c.id, None]
    assert [job.follows_id for job in (a, b, c)] == [None, a.id, b.id]
    assert [job.parent_id for job in (a, b, c)] == [None, a.id, b.id]
    assert {job.root_id for job in (a, b, c)} == {a.task_id}
    assert [job.takes_result for job in (b, c)] == [True, False]
    assert (result.id, result.parent.id, result.parent.parent.id) == (
        c.task_id, b.task_id, a.task_id,
    )  # fmt: skip


def test_a_row_says_what_its_call_will_be() -> None:
    later = timezone.now() + timedelta(days=1)
    link = deed.s("b").set(queue="slow", priority=3, shadow="the deed", countdown=90, expires=60)

    chain(deed.s("a"), link, deed.s("c").set(eta=later, tags=["nightly"]))()

    b, c = _rows()["b"], _rows()["c"]
    assert (b.queue, b.priority, b.label, b.delay) == ("slow", 3, "the deed", timedelta(seconds=90))
    assert (b.preview, b.available_at, b.expires_at) == ('"b"', None, None)
    assert (c.available_at, c.tags, c.state) == (later, ["nightly"], State.BLOCKED)


def test_a_link_that_arrives_is_the_job_that_waited() -> None:
    chain(deed.s("a"), deed.s("b").set(countdown=90), deed.s("c"))()
    waiting = _rows()["b"].id

    (first,) = run_jobs()

    b = _rows()["b"]
    assert (b.id, b.state, b.delivery, b.parent_id) == (waiting, State.SCHEDULED, 1, first.id)
    assert b.available_at is not None
    assert json.loads(b.args) == ["a", "b"]
    assert b.next_id == _rows()["c"].id
    assert Job.objects.count() == 3


def test_what_arrives_is_sent_once(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    sent: list[Job] = []
    monkeypatch.setattr(broker, "publish", lambda job, **_: sent.append(job))

    with django_capture_on_commit_callbacks(execute=True):
        chain(deed.s("a"), deed.s("b"))()
    with django_capture_on_commit_callbacks(execute=True):
        run_jobs()

    rows = _rows()
    assert [job.id for job in sent] == [rows["a"].id, rows["b"].id]
    assert behind.KEY not in sent[1].message


def test_groups_and_chords_in_a_chain_have_rows() -> None:
    (deed.s("a") | group(deed.s("b"), deed.s("c") | deed.s("c2")) | deed.s("d") | deed.s("e"))()

    rows = _rows()
    assert {name: str(job.state) for name, job in rows.items()} == {
        "a": "queued", **dict.fromkeys(["b", "c", "c2", "d", "e"], "blocked"),
    }  # fmt: skip
    follows = {name: job.follows_id for name, job in rows.items()}
    assert follows == {
        "a": None,
        "b": rows["a"].id,
        "c": rows["a"].id,
        "c2": rows["c"].id,
        "d": rows["b"].id,
        "e": rows["d"].id,
    }
    assert rows["b"].next_id == rows["c2"].next_id == rows["d"].id
    assert [rows[name].position for name in ("b", "c", "c2")] == [0, 1, 1]


def test_members_of_a_group_that_arrive_know_their_place() -> None:
    (deed.s("a") | group(deed.s("b"), deed.s("c")))()

    run_jobs()

    rows = _rows()
    assert Job.objects.count() == 3
    assert len({rows[name].group_id for name in "bc"} - {""}) == 1
    assert [rows[name].position for name in "bc"] == [0, 1]


@pytest.mark.parametrize("shape", ["task", "group", "chord", "starmap", "untracked", "unknown"])
def test_rows_end_where_a_plain_task_begins(plain: Task, app: Celery, shape: str) -> None:
    link = {
        "task": plain.si("p"),
        "group": group(deed.s("g"), plain.si("p")),
        "chord": chord([deed.s("g"), plain.si("p")], deed.s("h")),
        "starmap": plain.starmap([("g",)]),
        "untracked": deed.si("p").set(track=False),
        "unknown": app.signature("demo.unknown", immutable=True),
    }[shape]

    chain(deed.s("a"), deed.s("b"), link, deed.s("d"), deed.s("e"))()

    assert list(_rows()) == ["a", "b"]
    assert _rows()["b"].next_id is None


def test_the_rest_has_rows_once_the_plain_task_is_over(plain: Task) -> None:
    chain(deed.s("a"), plain.si("p"), deed.si("d"), deed.si("e"))()
    rest = list(reversed(json.loads(_rows()["a"].message)["chain"]))[1:]

    deed.app.signature(rest[0]).apply_async(chain=[rest[1]])

    assert list(_rows()) == ["a", "d", "e"]
    assert _rows()["e"].follows_id == _rows()["d"].id


def test_callbacks_of_links_have_rows() -> None:
    chain(deed.s("a"), deed.s("b").on_error(deed.s("x")).set(link=[deed.s("l")]), deed.s("c"))()

    rows = _rows()
    assert list(rows) == ["a", "b", "l", "c"]
    assert rows["l"].follows_id == rows["c"].follows_id == rows["b"].id

    run_jobs()
    assert sorted(did()) == ["a", "b", "c", "l"]
    assert Job.objects.count() == 4


def test_a_signature_of_the_caller_stays_as_it_was() -> None:
    callback, flow = deed.s("b"), chain(deed.s("a"), deed.s("c"))

    deed.apply_async(("z",), link=callback)
    flow.delay()
    flow.delay()

    assert behind.KEY not in json.dumps([callback, flow])
    assert Job.objects.count() == 6


def test_a_link_that_cannot_be_written_yet_is_left_to_its_turn(
    caplog: pytest.LogCaptureFixture,
) -> None:
    chain(deed.s("a"), deed.s("b"), deed.s("c").set(attribs=5), deed.s("d"))()

    assert list(_rows()) == ["a", "b"]
    assert "Link has no row yet" in caplog.text


def test_a_task_that_is_ignored_ends_its_chain(app: Celery) -> None:
    def ignoring(_name: str) -> Any:
        raise Ignore

    task = app.task(name="demo.ignoring", shared=False)(ignoring)
    chain(task.si("a"), deed.si("b"))()

    run_jobs()

    app.tasks.pop("demo.ignoring")
    assert _rows()["b"].state == State.SKIPPED


def test_all_rows_of_a_chain_are_written_by_one_statement_more() -> None:
    with CaptureQueriesContext(connection) as alone:
        deed.delay("a")
    with CaptureQueriesContext(connection) as chained:
        chain(*(deed.s(str(number)) for number in range(6)))()

    inserts = [sum("INSERT" in each["sql"] for each in queries) for queries in (alone, chained)]
    assert inserts == [1, 2]
    assert Job.objects.count() == 7


def test_a_chain_is_written_as_a_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise DatabaseError("no")

    monkeypatch.setattr(bulk, "insert_all", refuse)
    with pytest.raises(DatabaseUnwritable):
        chain(deed.s("a"), deed.s("b"))()

    assert not Job.objects.exists()


def test_rows_that_wait_are_announced(
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    heard = []

    def hear(**values: Any) -> None:
        heard.append(values["job_id"])

    signals.job_enqueued.connect(hear)
    with django_capture_on_commit_callbacks(execute=True):
        chain(deed.s("a"), deed.s("b"))()
        run_jobs()
    signals.job_enqueued.disconnect(hear)

    assert sorted(heard) == sorted(Job.objects.values_list("pk", flat=True))
