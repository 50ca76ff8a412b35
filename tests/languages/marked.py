"""Every word of the package that is marked to be translated, read from its source.

Python is parsed; templates go through Django's own preparation for ``xgettext``, which turns
their tags into calls of gettext.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils.translation.template import templatize

from tests.architecture.sources import PACKAGE, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Functions that mark, and what their first arguments are.
MARKS: Final = {
    "gettext": ("msgid",),
    "gettext_noop": ("msgid",),
    "ngettext": ("msgid", "plural"),
    "pgettext": ("context", "msgid"),
    "npgettext": ("context", "msgid", "plural"),
}
#: A call in a prepared template.
_CALL: Final = re.compile(r"\b(n?p?gettext|_)\((.*?)(?=\) |\)$|,\s*count\))", re.MULTILINE)


@dataclass(frozen=True, slots=True, order=True)
class Message:
    """A text to be translated."""

    context: str
    msgid: str
    #: The text for more than one; empty when nothing is counted.
    plural: str = ""


class NotConstant(ValueError):
    """A text is marked that is put together only when it is shown."""


def messages() -> dict[Message, list[str]]:
    """Return every marked text, with the files it stands in, in the order of the files."""
    found: dict[Message, list[str]] = {}
    for path in sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.html")]):
        place = path.relative_to(ROOT).as_posix()
        text = path.read_text(encoding="utf-8")
        for message in in_python(text) if path.suffix == ".py" else in_template(text):
            places = found.setdefault(message, [])
            places += [place] if place not in places else []
    return _joined(found)


def _joined(found: dict[Message, list[str]]) -> dict[Message, list[str]]:
    """Let a text that is also counted somewhere be one message, as gettext wants it."""
    counted = {(m.context, m.msgid): m for m in found if m.plural}
    joined: dict[Message, list[str]] = {}
    for message, places in found.items():
        whole = counted.get((message.context, message.msgid), message)
        known = joined.setdefault(whole, [])
        known += [place for place in places if place not in known]
    return joined


def in_python(source: str) -> Iterator[Message]:
    """Yield the texts that a module marks.

    Raises:
        NotConstant: A text is put together when it is shown, so that nobody can translate it.
    """
    tree = ast.parse(source)
    names = _names(tree)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        name = names.get(call.func.id, "") if isinstance(call.func, ast.Name) else ""
        # A name stands for a text that is marked where it is written, or is Django's.
        if name in MARKS and not isinstance(call.args[0], ast.Name | ast.Attribute):
            yield _message(MARKS[name], call.args)


def _names(tree: ast.AST) -> dict[str, str]:
    """Return what the module calls gettext's functions; lazy ones mark the same."""
    return {
        alias.asname or alias.name: alias.name.removesuffix("_lazy")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation"
        for alias in node.names
    }


def in_template(source: str) -> Iterator[Message]:
    """Yield the texts that a template marks."""
    for name, arguments in _CALL.findall(templatize(source)):
        parts = MARKS["gettext" if name == "_" else name]
        call = ast.parse(f"f({arguments})", mode="eval").body
        assert isinstance(call, ast.Call)
        yield _message(parts, call.args)


def _message(parts: tuple[str, ...], arguments: list[ast.expr]) -> Message:
    texts = dict(zip(parts, map(_text, arguments), strict=False))
    return Message(texts.get("context", ""), texts["msgid"], texts.get("plural", ""))


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise NotConstant(ast.unparse(node))
