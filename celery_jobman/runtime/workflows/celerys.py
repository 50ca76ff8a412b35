"""Celery's canvas: its parts with the options that it gives them, whoever reads it as ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from celery.canvas import Signature
from celery.canvas import signature as signature_of
from celery.utils.functional import maybe_list

from celery_jobman.exceptions import NotASignature

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Options of a canvas that only say where it stood when it was frozen.
OF_PLACE: Final = frozenset({
    "task_id", "root_id", "parent_id", "group_id", "group_index", "chord", "reply_to",
})  # fmt: skip
#: Options that are lists, to which others add.
LISTS: Final = ("link", "link_error")


def signature_in(given: Any) -> Signature:
    """Return a signature that was given as one, or as the dict that stands for one.

    Raises:
        NotASignature: It is neither.
    """
    if isinstance(given, Signature):
        return given
    if isinstance(given, dict) and "task" in given:
        return signature_of(given)
    raise NotASignature(given)


def own_options(given: Signature) -> dict[str, Any]:
    """Return what a canvas was given, and not what it got when it was frozen."""
    return {name: value for name, value in given.options.items() if name not in OF_PLACE}


def parts_of(given: Any) -> list[Any]:
    """Return the members of a group, each with the options of the group."""
    own = own_options(given)
    return [with_options(part, own) for part in given.tasks]


def with_options(element: Any, options: Mapping[str, Any], besides: Iterable[str] = ()) -> Any:
    """Return an element with further options; its own win, and callbacks are added to its own.

    Raises:
        NotASignature: The element is neither a signature nor a flow.
    """
    more = {name: value for name, value in options.items() if name not in besides}
    if not more:
        return element
    if hasattr(element, "elements"):  # a flow
        return element.set(**{**more, **element.options})
    copy = signature_in(element).clone()
    for name in more.keys() & set(LISTS):
        more[name] = [*(maybe_list(copy.options.get(name)) or ()), *maybe_list(more[name])]
    own = {name: value for name, value in copy.options.items() if name not in LISTS}
    return copy.set(**{**more, **own})
