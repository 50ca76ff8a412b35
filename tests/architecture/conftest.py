"""Print the numbers that the tests in this folder hold to their limits."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from tests.architecture.sources import deferred_imports, modules

if TYPE_CHECKING:
    import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    longest_file = max(modules(), key=lambda module: module.lines)
    functions = [function for module in modules() for function in module.functions()]
    place, lines = max(functions, key=lambda function: function[1])
    deferred = deferred_imports()
    terminalreporter.section("architecture")
    terminalreporter.line(
        f"files: {len(modules())}, longest {longest_file.lines} lines ({longest_file.name})"
    )
    terminalreporter.line(
        f"functions: {len(functions)}, median {median(count for _, count in functions):g} lines, "
        f"longest {lines} ({place})"
    )
    terminalreporter.line(
        f"deferred imports: {sum(deferred.values())} in {len(deferred)} modules "
        f"({', '.join(sorted(deferred)) or 'none'})"
    )
