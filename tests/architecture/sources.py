"""The package's source, parsed, and what can be counted in it."""

from __future__ import annotations

import ast
import io
import tokenize
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "celery_jobman"

#: Tokens that are no code: blank lines, comments, layout.
_LAYOUT: Final = frozenset(
    {
        tokenize.COMMENT,
        tokenize.DEDENT,
        tokenize.ENCODING,
        tokenize.ENDMARKER,
        tokenize.INDENT,
        tokenize.NEWLINE,
        tokenize.NL,
    }
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One source file."""

    name: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        """Lines of the file, all of them."""
        return len(self.text.splitlines())

    def functions(self) -> Iterator[tuple[str, int]]:
        """Yield the place of every function and the lines of code in its body."""
        code = _code_lines(self.text)
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                yield f"{self.name}:{node.lineno} {node.name}", len(code & _body(node))


@cache
def modules() -> tuple[Module, ...]:
    """Return the package's modules, without its migrations."""
    return tuple(
        _parse(path) for path in sorted(PACKAGE.rglob("*.py")) if "migrations" not in path.parts
    )


def _parse(path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    return Module(name=path.relative_to(ROOT).as_posix(), text=text, tree=ast.parse(text))


def _code_lines(text: str) -> set[int]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {
        line
        for token in tokens
        if token.type not in _LAYOUT
        for line in range(token.start[0], token.end[0] + 1)
    }


def _body(node: Function) -> set[int]:
    first = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    return {line for item in first for line in range(item.lineno, (item.end_lineno or 0) + 1)}


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the full name of everything imported anywhere below ``tree``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def deferred_imports() -> dict[str, int]:
    """Return, per module that has any, the number of imports that wait for a function to run."""
    counts = {module.name: _deferred(module.tree) for module in modules()}
    return {name: count for name, count in counts.items() if count}


def _deferred(tree: ast.Module) -> int:
    inside = (
        inner
        for node in ast.walk(tree)
        if isinstance(node, Function)
        for inner in ast.walk(node)
        if _imports(inner)
    )
    return len(set(inside))  # a nested function is walked twice


def _imports(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return ast.unparse(node.func).endswith(("import_module", "__import__"))
    return isinstance(node, ast.Import | ast.ImportFrom)
