"""Members: what a flow's elements are made of, whatever they were written as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.canvas import Signature, _chain, chunks
from celery.canvas import chord as celery_chord
from celery.canvas import group as celery_group

from celery_jobman.exceptions import EndlessWorkflow
from celery_jobman.models.batch import SEQUENCES
from celery_jobman.runtime.workflows.flows import Flow, group, signature_in

if TYPE_CHECKING:
    from collections.abc import Iterator


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
    """Read Celery's own chains, groups and chords as ours."""
    if isinstance(given, _chain):
        yield from links_of(list(given.tasks), path)
    elif isinstance(given, celery_group | chunks):
        parts = given.group() if isinstance(given, chunks) else given
        yield group(list(parts.tasks))
    elif isinstance(given, celery_chord):
        header = given.tasks
        yield group(list(header.tasks if isinstance(header, celery_group) else header))
        yield from links_of(given.body, path)
    else:
        yield given
