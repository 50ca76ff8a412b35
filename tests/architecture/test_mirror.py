from __future__ import annotations

from tests.architecture.sources import PACKAGE, ROOT

CORE_TESTS = ROOT / "tests" / "unit" / "core"


def test_every_core_module_has_its_tests() -> None:
    modules = {path.stem for path in (PACKAGE / "core").glob("*.py")} - {"__init__"}
    tested = {path.stem.removeprefix("test_") for path in CORE_TESTS.glob("test_*.py")}

    assert modules - tested == set(), "no tests"
    assert tested - modules == set(), "tests of a module that is gone"
