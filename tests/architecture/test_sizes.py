"""How long files and functions may be.

The length of a function is the lines of code in its body: no signature, no docstring, no
comment, no blank line.
"""

from __future__ import annotations

import ast
from statistics import median

from tests.architecture.sources import Module, modules

LONGEST_FILE = 400
LONGEST_FUNCTION = 40
MEDIAN_FUNCTION = 6

EXAMPLE = '''
def short(
    x: int,
) -> int:
    """Say something.

    At length.
    """
    # A comment.

    return (
        x
    )
'''


def test_no_file_is_too_long() -> None:
    too_long = {module.name: module.lines for module in modules() if module.lines > LONGEST_FILE}

    assert too_long == {}


def test_no_function_is_too_long() -> None:
    functions = (function for module in modules() for function in module.functions())

    assert {place: lines for place, lines in functions if lines > LONGEST_FUNCTION} == {}


def test_the_median_function_is_short() -> None:
    lengths = [lines for module in modules() for _, lines in module.functions()]

    assert median(lengths) <= MEDIAN_FUNCTION


def test_a_function_is_as_long_as_the_code_in_its_body() -> None:
    module = Module(name="example.py", text=EXAMPLE, tree=ast.parse(EXAMPLE))

    assert list(module.functions()) == [("example.py:2 short", 3)]
