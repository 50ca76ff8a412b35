"""What became of each test, read from a JUnit file."""

from __future__ import annotations

import enum
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Outcome(enum.IntEnum):
    """From best to worst, so that the worst of a test's parts speaks for it."""

    PASSED = 0
    XFAILED = 1
    SKIPPED = 2
    MISSING = 3
    FAILED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The outcome of one test, one line that says why, and how long it took."""

    outcome: Outcome
    message: str = ""
    seconds: float = 0.0


def merge(parts: Iterable[Path], into: Path) -> None:
    """Write the results of several JUnit files into one."""
    whole = ET.Element("testsuites")
    for part in parts:
        whole.extend(ET.parse(part).getroot())  # noqa: S314 - as below
    ET.ElementTree(whole).write(into)


def read(path: Path) -> dict[str, Result]:
    """Return the results in a JUnit file by test id (``test_tasks.py::test_tasks::test_x``).

    A test that stands there several times (its set-up failed, or it has subtests) keeps the
    worst of its results.
    """
    results: dict[str, Result] = {}
    for case in ET.parse(path).iter("testcase"):  # noqa: S314 - pytest wrote the file
        found = _result(case)
        previous = results.setdefault(_test_id(case), found)
        if found.outcome > previous.outcome:
            results[_test_id(case)] = found
    return results


def _test_id(case: ET.Element) -> str:
    path = case.get("classname", "").removeprefix("t.integration.")
    module, _, container = path.partition(".")
    return "::".join(filter(None, [f"{module}.py", container, case.get("name")]))


def _result(case: ET.Element) -> Result:
    outcome, message = _outcome(case)
    return Result(outcome=outcome, message=message, seconds=float(case.get("time", 0)))


def _outcome(case: ET.Element) -> tuple[Outcome, str]:
    for child in case:
        if child.tag in {"failure", "error"}:
            return Outcome.FAILED, _first_line(child)
        if child.tag == "skipped":
            expected = child.get("type") == "pytest.xfail"
            return Outcome.XFAILED if expected else Outcome.SKIPPED, _first_line(child)
    return Outcome.PASSED, ""


def _first_line(child: ET.Element) -> str:
    return (child.get("message") or "").strip().partition("\n")[0]
