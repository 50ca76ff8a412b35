"""The README and the pages of the documentation, and what can be asked of their text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
README: Final = ROOT / "README.md"

#: A fenced block: ```language, or ```{directive} argument; options follow as ``:name: value``.
_BLOCK: Final = re.compile(r"^```(?P<info>\S[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_OPTION: Final = re.compile(r"^:(?P<name>[\w-]+): *(?P<value>.*)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of code on a page."""

    page: Path
    language: str
    caption: str
    code: str

    def __str__(self) -> str:
        first = next((line for line in self.code.splitlines() if line.strip()), "")
        return f"{self.page.relative_to(ROOT).as_posix()}: {first.strip()[:40]}"


def pages() -> list[Path]:
    """Return the files of all pages, without the changelog's fragments."""
    return sorted(
        path
        for path in DOCS.rglob("*.md")
        if not {"_build", "changelog.d"} & set(path.relative_to(DOCS).parts)
    )


def blocks(page: Path, language: str) -> Iterator[Block]:
    """Yield the blocks of one language on a page, in order."""
    for found in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        block = _block(page, found["info"], found["body"])
        if block.language == language:
            yield block


def _block(page: Path, info: str, body: str) -> Block:
    language = info.removeprefix("{code-block} ")
    options: dict[str, str] = {}
    if language != info:
        while option := _OPTION.match(body):
            options[option["name"]] = option["value"]
            body = body[option.end() :]
    return Block(
        page=page, language=language, caption=options.get("caption", ""), code=body.lstrip("\n")
    )


def rows(page: Path, heading: str = "") -> list[list[str]]:
    """Return the cells of all table rows on a page, or of those below one heading.

    Header rows are left out; a bar inside a cell is written ``\\|`` and comes back as ``|``.
    """
    return [_cells(line) for line in _body_rows(section(page, heading).splitlines())]


def section(page: Path, heading: str = "") -> str:
    """Return the text below a heading, up to the next of its rank; without one, all of it."""
    text = page.read_text(encoding="utf-8")
    if not heading:
        return text
    rank = heading.split(" ", maxsplit=1)[0]
    _, _, rest = text.partition(f"\n{heading}\n")
    return re.split(rf"^{rank} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def _body_rows(lines: list[str]) -> Iterator[str]:
    for before, line in zip(["", *lines], lines, strict=False):
        is_header = _is_row(line) and not _is_row(before)
        if _is_row(line) and not is_header and not re.fullmatch(r"[|\s:-]+", line):
            yield line


def _is_row(line: str) -> bool:
    return line.startswith("|")


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|").removesuffix("|")
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]


def codes(text: str) -> set[str]:
    """Return what stands in back-ticks."""
    return set(re.findall(r"`([^`\n]+)`", text))


def named_tests(text: str) -> list[str]:
    """Return the tests that a text names in back-ticks: a file, or a function in it."""
    return re.findall(r"`(tests/[\w/.-]+\.py(?:::\w+)?)`", text)


def exists(name: str) -> bool:
    """Return whether there is such a file, and such a function in it."""
    path, _, function = name.partition("::")
    file = ROOT / path
    return file.exists() and (not function or f"def {function}(" in file.read_text("utf-8"))
