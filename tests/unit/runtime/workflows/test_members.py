"""Whatever elements were written as, they are read as links."""

from __future__ import annotations

import celery
import pytest

from celery_jobman import batch, chain, chord, group
from celery_jobman.exceptions import EndlessWorkflow, NotASignature
from celery_jobman.models import Kind
from celery_jobman.runtime.workflows.flows import Flow
from celery_jobman.runtime.workflows.members import links_of
from tests.workflows import deed, note

A, B, C, D = (deed.s(name) for name in "abcd")


def shape(element: object) -> list[object]:
    """Return links as names, and what is inside batches as lists."""
    return [
        (str(link.kind), [shape(each) for each in link.elements])
        if isinstance(link, Flow)
        else link.args[-1]
        for link in links_of(element)
    ]


@pytest.mark.parametrize(
    ("element", "links"),
    [
        (A, ["a"]),
        (dict(A), ["a"]),
        ([A, B], ["a", "b"]),
        ((A, (B, C)), ["a", "b", "c"]),
        (chain(A, B), ["a", "b"]),
        (chain([A, B]), ["a", "b"]),
        (chain(A, chain(B, C)), ["a", "b", "c"]),
        (celery.chain(A, B), ["a", "b"]),
        (group(A, B), [("group", [["a"], ["b"]])]),
        (celery.group(A, celery.chain(B, C)), [("group", [["a"], ["b", "c"]])]),
        (chord([A, B], C), [("group", [["a"], ["b"]]), "c"]),
        (celery.chord([A, B], C), [("group", [["a"], ["b"]]), "c"]),
        (celery.chain(A, celery.group(B, C), D), ["a", ("group", [["b"], ["c"]]), "d"]),
        (chain(celery.group(A, B)), [("group", [["a"], ["b"]])]),
        (chain([celery.group(A, B)]), [("group", [["a"], ["b"]])]),
        (chain(celery.group(A)), [("group", [["a"]])]),
        (chain(celery.chord([A, B], C)), [("group", [["a"], ["b"]]), "c"]),
        (group(celery.group(A, B)), [("group", [["a"], ["b"]])]),
        (group([celery.group(A, B)]), [("group", [[("group", [["a"], ["b"]])]])]),
        (chord(celery.group(A, B), C), [("group", [["a"], ["b"]]), "c"]),
        (chord([celery.group(A, B)], C), [("group", [[("group", [["a"], ["b"]])]]), "c"]),
        (batch([A, [B, C]]), [("batch", [["a"], ["b", "c"]])]),
        (chain(A, B, name="named"), [("chain", [["a", "b"]])]),
        (chain(A).then(note.s("then")), [("chain", [["a"]])]),
    ],
)
def test_what_an_element_is_made_of(element: object, links: list[object]) -> None:
    assert shape(element) == links


@pytest.mark.parametrize("wrong", [None, 1, "a", b"a", {"no": "task"}, deed])
def test_something_else_is_refused(wrong: object) -> None:
    with pytest.raises(NotASignature):
        list(links_of([A, wrong]))


def test_what_contains_itself_is_refused() -> None:
    inner: list[object] = [A]
    inner.append((B, [inner]))

    with pytest.raises(EndlessWorkflow, match="contains itself"):
        list(links_of(inner))


def test_the_same_link_twice_is_no_circle() -> None:
    assert shape([A, A, [A]]) == ["a", "a", "a"]


@pytest.mark.parametrize("wrong", [-1, "5", "five%", 2.5, None])
def test_a_number_of_failures_that_is_none_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="allow_failures is"):
        batch([A], allow_failures=wrong)  # type: ignore[arg-type]


def test_another_way_to_deal_with_failures_is_refused() -> None:
    with pytest.raises(ValueError, match="on_failure is 'ignore'"):
        batch([A], on_failure="ignore")


def test_a_callback_is_a_signature() -> None:
    with pytest.raises(NotASignature):
        batch([A]).then(print)


def test_a_flow_never_changes() -> None:
    flow = batch([A])

    other = flow.then(note.s("then")).set(queue="slow")

    assert (flow.callbacks, flow.options) == ({}, {})
    assert (other.kind, other.options) == (Kind.BATCH, {"queue": "slow"})
