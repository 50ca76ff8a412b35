"""Composing: the same tree as Celery's canvas, as ours, and as ours around Celery's."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import celery
from celery import current_app
from django.utils import timezone

import celery_jobman
from celery_jobman.runtime.workflows.flows import Flow
from tests.acceptance.oracle import trees
from tests.acceptance.oracle.sides import CELERYS

if TYPE_CHECKING:
    from tests.acceptance.oracle.trees import Tree

#: What is told of errors.
ERRBACKS: Final = ("told", "named")
#: When what expires has expired.
LONG_AGO: Final = timedelta(hours=-1)


@dataclass(frozen=True, kw_only=True)
class Composer:
    """Makes of a tree what can be called, for one run."""

    #: The key of the book in which its tasks write.
    run: str
    #: ``plain`` or ``job``.
    kind: str

    def workflow(self, tree: Tree, side: str) -> Any:
        """Return what a side calls."""
        if side in CELERYS:
            return self.canvas(tree)
        made = {"ours": self.own, "read": self.canvas, "mixed": self.mixed}[side](tree)
        return made if isinstance(made, Flow) else _ours_around(made)

    def canvas(self, tree: Tree) -> Any:
        """Return Celery's canvas."""
        if tree["kind"] == "task":
            return self.signature(tree)
        parts = [self.canvas(part) for part in tree["parts"]]
        made = _composed(celery, tree["kind"], parts)
        made.set(**_options(tree.get("options", {})))
        return self._with_callbacks(made, tree)

    def own(self, tree: Tree) -> Any:
        """Return a flow of ours; a task is a signature."""
        return self._flow(tree, self.own)

    def mixed(self, tree: Tree) -> Any:
        """Return a flow in which some parts are Celery's canvas."""
        is_celerys = zlib.crc32(trees.written(tree).encode()) % 3 == 0
        return self.canvas(tree) if is_celerys else self._flow(tree, self.mixed)

    def _flow(self, tree: Tree, part: Any) -> Any:
        if tree["kind"] == "task":
            return self.signature(tree)
        made = _composed(celery_jobman, tree["kind"], [part(each) for each in tree["parts"]])
        options = tree.get("options")
        return made.set(**_options(options)) if options else made

    def signature(self, tree: Tree) -> Any:
        """Return a task's signature, with its options and callbacks."""
        name = tree["does"] if tree["does"] in ERRBACKS else "do"
        task = current_app.tasks[f"oracle.{self.kind}.{name}"]
        sent = {key: value for key, value in tree.items() if key not in trees.CALLBACKS}
        about = {"at": [self.run, tree["name"]], "tree": sent, "kind": self.kind}
        made = task.signature(tree.get("args", ()), about, immutable=tree.get("immutable", False))
        asked = tree.get("options", {})
        made.set(**_options(asked))
        if tree["does"] == "expire":
            made.set(expires=timezone.now() + LONG_AGO)
        made = self._with_callbacks(made, tree)
        if "stamp" in asked:
            made.stamp(colour=asked["stamp"])
        return made

    def _with_callbacks(self, made: Any, tree: Tree) -> Any:
        for callback in tree.get("link", ()):
            made.link(self.canvas(callback))
        for callback in tree.get("link_error", ()):
            made.link_error(self.canvas(callback))
        return made


def _composed(maker: Any, kind: str, parts: list[Any]) -> Any:
    if kind == "chord":
        return maker.chord(parts[:-1], parts[-1])
    return maker.group(parts) if kind == "group" else maker.chain(*parts)


def _ours_around(made: Any) -> Any:
    """Return a flow that is what Celery's canvas is."""
    is_group = isinstance(made, celery.group)
    return celery_jobman.group(made) if is_group else celery_jobman.chain(made)


def _options(asked: dict[str, Any]) -> dict[str, Any]:
    options = {name: value for name, value in asked.items() if name != "stamp"}
    if "queue" in asked:
        options["queue"] = f"oracle-{asked['queue']}"
    if "eta" in asked:
        options["eta"] = timezone.now() + timedelta(seconds=asked["eta"])
    if "headers" in asked:
        options["headers"] = {"colour": asked["headers"]}
    if "task_id" in asked:
        options["task_id"] = f"own{uuid4().hex}"
    return options
