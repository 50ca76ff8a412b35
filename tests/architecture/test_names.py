from __future__ import annotations

from pathlib import PurePath

from tests.architecture.sources import modules

#: Names that say nothing about what is inside; the plural is no better.
EMPTY_WORDS = frozenset({"util", "helper", "common", "base", "manager", "service"})


def test_no_module_has_an_empty_name() -> None:
    assert [module.name for module in modules() if _words(module.name) & EMPTY_WORDS] == []


def _words(name: str) -> set[str]:
    return {part.strip("_").removesuffix("s") for part in PurePath(name).with_suffix("").parts}
