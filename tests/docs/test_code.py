"""Every piece of Python in the README and on the pages is Python."""

from __future__ import annotations

import ast

import pytest

from tests.docs.pages import README, Block, blocks, pages

PYTHON = [block for page in (README, *pages()) for block in blocks(page, "python")]


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_a_block_compiles(block: Block) -> None:
    compile(block.code, str(block.page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_there_are_blocks() -> None:
    assert len(PYTHON) > 40
