"""The pages about the example's workflows show the example's own code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import DOCS, ROOT, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.docs.pages import Block

PAGES = ("fan-out-import", "newsletter", "image-pipeline", "abandoned-carts")
SHOP = ROOT / "example_project" / "shop"


def quotations() -> Iterator[tuple[str, Block]]:
    """Yield the blocks that begin with the name of a file, and that name."""
    for page in PAGES:
        for block in blocks(DOCS / "howto" / f"{page}.md", "python"):
            if found := re.match(r"# (\w+\.py)\n", block.code):
                yield found[1], block


def sources(name: str) -> Iterator[list[str]]:
    """Yield the lines of each file of the shop with a name."""
    for path in SHOP.rglob(name):
        yield [line.strip() for line in path.read_text("utf-8").splitlines()]


def is_in(wanted: list[str], lines: list[str]) -> bool:
    """Return whether some lines occur in this order; a page leaves out docstrings."""
    rest = iter(lines)
    return all(line in rest for line in wanted)


@pytest.mark.parametrize(("name", "block"), list(quotations()), ids=str)
def test_a_page_quotes_the_file_as_it_is(name: str, block: Block) -> None:
    _title, *lines = [line.strip() for line in block.code.splitlines() if line.strip()]

    assert any(is_in(lines, source) for source in sources(name)), block.code


def test_there_is_something_to_compare() -> None:
    assert len(list(quotations())) > 10
    assert not is_in(["b", "a"], ["a", "b"])
