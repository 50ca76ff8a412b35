"""Members: what a flow's elements are made of, whatever they were written as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.canvas import Signature, _chain, chunks
from celery.canvas import chord as celery_chord
from celery.canvas import group as celery_group

from celery_jobman.exceptions import EndlessWorkflow
from celery_jobman.models.batch import SEQUENCES
from celery_jobman.runtime.workflows.celerys import (
    LISTS,
    own_options,
    parts_of,
    signature_in,
    with_options,
)
from celery_jobman.runtime.workflows.flows import Flow, group

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def links_of(element: Any, inside: tuple[int, ...] = ()) -> Iterator[Signature | Flow]:
    """Yield the links of one element: a signature, a flow, a list, or a canvas of Celery's.

    Raises:
        NotASignature: It is, or contains, something else.
        EndlessWorkflow: It contains itself.
    """
    if id(element) in inside:
        raise EndlessWorkflow
    path = (*inside, id(element))
    if isinstance(element, Flow):
        yield from _links_of_flow(element, path)
    elif isinstance(element, list | tuple):
        for link in element:
            yield from links_of(link, path)
    else:
        yield from _links_of_canvas(signature_in(element), path)


def _links_of_flow(flow: Flow, path: tuple[int, ...]) -> Iterator[Signature | Flow]:
    if flow.kind not in SEQUENCES or not flow.is_plain:
        yield flow
        return
    for links in flow.elements:
        yield from links_of(links, path)


def _links_of_canvas(given: Signature, path: tuple[int, ...]) -> Iterator[Signature | Flow]:
    """Read Celery's own chains, groups and chords as ours, with their options."""
    own = own_options(given)
    if isinstance(given, _chain):
        yield from links_of(_chain_with(list(given.tasks), own), path)
    elif isinstance(given, celery_group):
        yield group(parts_of(given))
    elif isinstance(given, chunks):
        yield group([with_options(part, own) for part in given.group().tasks])
    elif isinstance(given, celery_chord):
        header = given.tasks
        parts = header.tasks if isinstance(header, celery_group) else header
        yield group([with_options(part, own, besides=("link",)) for part in parts])
        yield from links_of(with_options(given.body, own), path)
    else:
        yield given


def _chain_with(links: list[Any], own: Mapping[str, Any]) -> list[Any]:
    """Give a chain's options to its links as Celery does: its first is called with them."""
    if not links or not own:
        return links
    errbacks = {name: value for name, value in own.items() if name == "link_error"}
    callbacks = {name: value for name, value in own.items() if name == "link"}
    links = [with_options(link, errbacks) for link in links]
    links[0] = with_options(links[0], own, besides=LISTS)
    links[-1] = with_options(links[-1], callbacks)
    return links
