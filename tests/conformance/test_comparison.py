from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.comparison import compare, table
from tests.conformance.confirmation import confirm
from tests.conformance.outcomes import Outcome, Result, merge, read
from tests.conformance.suite import Suite

if TYPE_CHECKING:
    from pathlib import Path

FILE = "test_tasks.py"
TEST = "test_tasks.py::test_tasks::test_x"
PASSED = Result(outcome=Outcome.PASSED)
XFAILED = Result(outcome=Outcome.XFAILED)
SKIPPED = Result(outcome=Outcome.SKIPPED)
FAILED = Result(outcome=Outcome.FAILED, message="AssertionError: 1 == 2")
CASE = '<testcase classname="t.integration.test_tasks.test_tasks" name="test_x">{}</testcase>'


class ScriptedSuite(Suite):
    """Passes or fails ``TEST`` as told for each run to come."""

    def narrowed(self, tests: set[str]) -> Suite:
        assert tests == {TEST}
        return self

    def run(self, base: str | None, results: Path) -> None:
        passes = self.keyword == ("vanilla" if base is None else "subject")
        _write(results, "" if passes else '<failure message="no"/>')


def _write(path: Path, *contents: str) -> None:
    cases = "".join(CASE.format(content) for content in contents)
    path.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")


def _kinds(vanilla: dict[str, Result], subject: dict[str, Result], *, partial: bool) -> list[str]:
    comparison = compare(vanilla, subject, tests=[FILE], partial=partial)
    return [difference.kind for difference in comparison.differences]


def test_the_worst_part_of_a_test_speaks_for_it(tmp_path: Path) -> None:
    _write(tmp_path / "junit.xml", "", '<failure message="first&#10;second"/>', "<skipped/>")

    results = read(tmp_path / "junit.xml")

    assert results == {TEST: Result(outcome=Outcome.FAILED, message="first")}


def test_files_that_ran_apart_are_read_together(tmp_path: Path) -> None:
    one, other = tmp_path / "1.xml", tmp_path / "2.xml"
    _write(one, "")
    other.write_text(one.read_text().replace("test_tasks", "test_canvas"))

    merge([one, other], tmp_path / "all.xml")

    both = {TEST, TEST.replace("test_tasks", "test_canvas")}
    assert read(tmp_path / "all.xml") == dict.fromkeys(both, PASSED)


@pytest.mark.parametrize(
    ("vanilla", "subject", "kinds"),
    [
        (PASSED, PASSED, []),
        (FAILED, FAILED, []),
        (PASSED, FAILED, ["defect"]),
        (PASSED, SKIPPED, ["defect"]),
        (PASSED, XFAILED, ["unsteady"]),
        (SKIPPED, FAILED, ["unsteady"]),
        (FAILED, PASSED, ["better"]),
    ],
)
def test_only_what_passes_with_vanilla_can_be_a_defect(
    vanilla: Result, subject: Result, kinds: list[str]
) -> None:
    assert _kinds({TEST: vanilla}, {TEST: subject}, partial=False) == kinds


def test_an_intended_deviation_is_no_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.conformance.comparison.DEVIATIONS", {TEST: "a reason"})

    comparison = compare({TEST: PASSED}, {TEST: FAILED}, tests=[""], partial=False)

    assert [difference.kind for difference in comparison.differences] == ["deviation"]
    assert comparison.defects == ()


def test_a_test_that_takes_much_longer_is_noted() -> None:
    before = Result(outcome=Outcome.PASSED, seconds=42)
    after = Result(outcome=Outcome.PASSED, seconds=164)

    assert _kinds({TEST: before}, {TEST: after}, partial=False) == ["slower"]
    assert _kinds({TEST: after}, {TEST: before}, partial=False) == []


def test_a_test_that_did_not_run_is_a_defect_unless_only_some_were_wanted() -> None:
    assert _kinds({TEST: PASSED}, {}, partial=False) == ["defect"]
    assert _kinds({TEST: PASSED}, {}, partial=True) == []


def test_results_of_other_files_are_left_out() -> None:
    assert _kinds({"test_canvas.py::test_x": PASSED}, {}, partial=False) == []


@pytest.mark.parametrize(
    ("passing_side", "defects"), [("vanilla", 1), ("subject", 0), ("neither", 0)]
)
def test_a_defect_must_show_again_while_vanilla_passes_again(
    tmp_path: Path, passing_side: str, defects: int
) -> None:
    comparison = compare({TEST: PASSED}, {TEST: FAILED}, tests=[FILE], partial=False)
    suite = ScriptedSuite(tests=(FILE,), keyword=passing_side)

    confirmed = confirm(comparison, suite, "celery_jobman:JobTask", tmp_path)

    assert len(confirmed.defects) == defects


def test_the_table_names_the_test_and_the_reason() -> None:
    text = table(compare({TEST: PASSED}, {TEST: FAILED}, tests=[FILE], partial=False))

    assert TEST in text
    assert "AssertionError: 1 == 2" in text
    assert "1 tests compared, 0 alike; 1 defect" in text
