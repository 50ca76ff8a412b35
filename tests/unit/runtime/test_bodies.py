"""Bodies of chords whose headers are published member by member."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from celery import chain, chord, group
from celery.app.task import Context

from celery_jobman import actions
from celery_jobman.models import Job
from celery_jobman.runtime import bodies
from celery_jobman.states import State
from celery_jobman.testing import run_jobs
from tests.workflows import broken, deed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Celery, Task

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_is_left_to_workers(app: Celery) -> Iterator[None]:
    """Take back what plain tasks have sent."""
    yield
    app.control.purge()


def rows() -> dict[str, Job]:
    return {job.arguments[0][-1]: job for job in Job.objects.order_by("id")}


def waiting() -> list[str]:
    blocked = Job.objects.filter(state=State.BLOCKED).order_by("id")
    return [job.arguments[0][-1] for job in blocked]


def test_the_body_waits_from_the_first_publish() -> None:
    result = chord([deed.s("a"), deed.s("b"), deed.s("c")])(deed.s("z"))

    a, b, c, z = (rows()[name] for name in "abcz")
    assert (z.state, z.task_id, z.takes_result) == (State.BLOCKED, result.id, True)
    assert {a.next_id, b.next_id, c.next_id} == {z.id}
    assert (z.follows_id, z.root_id) == (a.id, a.root_id)


@pytest.mark.parametrize(
    ("header", "body", "wanted"),
    [
        ([chain(deed.s("a"), deed.s("b")), deed.s("c")], deed.s("z"), "bz"),
        ([deed.s("a"), chain(deed.s("b"), deed.s("c"))], deed.s("z"), "zc"),
        ([deed.s("a"), deed.s("b")], deed.s("y") | deed.s("z"), "yz"),
        ([deed.s("a"), deed.s("b")], group(deed.s("y"), deed.s("z")), "yz"),
        ([group(deed.s("a"), deed.s("b")), deed.s("c")], deed.s("z"), "z"),
        ([chord([deed.s("a"), deed.s("b")], deed.s("y")), deed.s("c")], deed.s("z"), "yz"),
        ([deed.s("c"), chord([deed.s("a"), deed.s("b")], deed.s("y"))], deed.s("z"), "zy"),
        ((deed.s(name) for name in "ab"), deed.s("z"), "z"),
        ([deed.s("a"), deed.s("b")], deed.s("y").set(link=[deed.s("z")]), "yz"),
    ],
    ids=[
        "chain first", "chain last", "chain as body", "group as body", "group in header",
        "chord first", "chord last", "lazy header", "callback of the body",
    ],
)  # fmt: skip
def test_every_shape_has_its_rows_once(header: Any, body: Any, wanted: str) -> None:
    chord(header)(body)

    assert waiting() == list(wanted)


def test_what_follows_a_chain_in_the_header_is_known_to_all_its_links() -> None:
    chord([chain(deed.s("a"), deed.s("b")), deed.s("c")])(deed.s("z"))

    a, b, c, z = (rows()[name] for name in "abcz")
    assert [a.next_id, b.next_id, c.next_id] == [b.id, z.id, z.id]


def test_one_failure_in_the_header_skips_the_body() -> None:
    chord([deed.s("a"), deed.s("b"), deed.s("c")])(deed.s("y") | deed.s("z"))
    broken.add("b")

    run_jobs()
    broken.clear()

    found = rows()
    assert [found[name].state for name in ("y", "z")] == [State.SKIPPED, State.SKIPPED]
    assert {found[name].stopped_by for name in ("y", "z")} == {found["b"].pk}


def test_a_cancelled_member_skips_the_body() -> None:
    chord([deed.s("a"), deed.s("b")])(deed.s("z"))

    actions.cancel(rows()["b"].pk)

    assert rows()["z"].state == State.SKIPPED


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_plain_task_in_the_header_leaves_the_body_to_its_publish(plain: Task, at: int) -> None:
    header = [deed.s("a"), deed.s("b")]
    header.insert(at, plain.si("p"))

    chord(header)(deed.s("z"))

    assert waiting() == []
    assert list(rows()) == ["a", "b"]


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("shape", ["last", "first", "untracked", "unknown", "chord", "body"])
def test_so_does_one_that_is_deeper_in_the_header(
    plain: Task, app: Celery, shape: str, at: int
) -> None:
    member = {
        "last": chain(deed.s("p"), plain.si("p")),
        "first": chain(plain.si("p"), deed.si("p")),
        "untracked": deed.si("p").set(track=False),
        "unknown": app.signature("demo.unknown", args=("p",), immutable=True),
        "chord": chord([deed.s("p"), plain.si("p")], deed.si("p")),
        "body": chord([deed.s("p"), deed.s("p")], plain.si("p")),
    }[shape]
    header = [deed.s("a"), deed.s("b")]
    header.insert(at, member)

    chord(header)(deed.s("z"))

    assert waiting() == []
    assert "z" not in rows()


def test_a_plain_body_has_no_row(plain: Task) -> None:
    chord([deed.s("a"), deed.s("b")])(plain.si("z"))
    chord([deed.s("c"), deed.s("d")])(chain(deed.si("y"), plain.si("z")))
    chord([deed.s("e"), deed.s("f")])(group(deed.si("y"), plain.si("z")))

    assert list(rows()) == ["a", "b", "c", "d", "e", "f"]


def test_a_body_that_was_closed_arrives_all_the_same(plain: Task) -> None:
    body = deed.s("z")
    body.freeze()
    deed.apply_async(("a",), chord=body)
    sent = body["options"]["jobman_row"]

    plain.apply_async(("p",), chord=body)
    assert waiting() == []
    deed.apply_async((["a", "p"], "z"), jobman_row=sent, task_id=body.id)

    assert str(rows()["z"].pk) == sent
    assert rows()["z"].state == State.QUEUED


def test_the_signature_of_the_caller_stays_as_it_was() -> None:
    body = deed.s("z")
    flow = chord([deed.s("a"), deed.s("b")], body)

    flow()
    flow()

    assert "jobman_row" not in body.options
    assert waiting() == ["z", "z"]
    assert Job.objects.filter(state=State.BLOCKED).values("task_id").distinct().count() == 2


def test_what_a_member_hands_on_is_not_placed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    body = deed.s("z")
    body.freeze()
    request = Context({"id": "x", "chord": dict(body), "called_directly": False})
    monkeypatch.setattr(bodies, "current_task", type("Task", (), {"request": request}))

    deed.apply_async(("stand-in",), chord=body)

    assert list(rows()) == ["stand-in"]


def test_a_backend_that_polls_has_sent_the_body_before(app: Celery) -> None:
    body = deed.s("z")
    body.freeze()
    app.send_task("celery.chord_unlock", ("group", body))

    deed.apply_async(("a",), chord=body)

    assert list(rows()) == ["a"]


def test_trouble_does_not_stop_the_publish(
    plain: Task, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bodies, "close_carried_by", lambda _: 1 / 0)

    plain.apply_async(("p",), chord=deed.s("z"))

    assert "could not be taken back task=demo.plain" in caplog.text


def test_a_body_costs_one_transaction_and_one_statement_more(
    django_assert_max_num_queries: Any,
) -> None:
    with django_assert_max_num_queries(20) as one:
        group([deed.s("a"), deed.s("b")])()
    alone = len(one)
    with django_assert_max_num_queries(alone + 3):  # one transaction around two statements
        chord([deed.s("a"), deed.s("b")])(deed.s("z"))


def test_a_chain_that_leads_to_a_chord_places_it_as_before() -> None:
    chain(deed.s("a"), group(deed.s("b"), deed.s("c")), deed.s("z"))()

    assert waiting() == ["b", "c", "z"]


CHORDS: dict[str, Callable[[], Any]] = {
    "a chain": lambda: chord([deed.s("a")], chain(deed.s("b"))),
    "a chain of two": lambda: chord([deed.s("a")], chain(deed.s("a2"), deed.s("b"))),
    "a group": lambda: chord([deed.s("a")], group(deed.s("b"))),
    "a chord in a chain": lambda: chord(
        [deed.s("a")], chain(deed.s("a2"), chord([deed.s("b")], deed.s("b2")))
    ),
    "a chord": lambda: chord([deed.s("a")], chord([deed.s("b")], deed.s("b2"))),
}


@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("body", CHORDS)
def test_the_body_of_a_chord_around_a_chord_has_one_row(body: str, *, last: bool) -> None:
    header = [CHORDS[body](), deed.s("c")]

    chord(header[::-1] if last else header)(deed.s("y") | deed.s("z"))

    assert [name for name in waiting() if name in "yz"] == ["y", "z"]
    found = rows()
    assert found["c"].next_id == found["y"].id


@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("body", CHORDS)
def test_a_plain_task_beside_a_chord_closes_the_body(plain: Task, body: str, *, last: bool) -> None:
    header = [CHORDS[body](), plain.si("p")]

    chord(header[::-1] if last else header)(deed.s("z"))

    assert "z" not in waiting()
