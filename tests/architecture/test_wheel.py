from __future__ import annotations

from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

from tests.architecture.sources import PACKAGE, ROOT

NOT_SHIPPED = {"__pycache__"}


def test_the_wheel_holds_every_file_of_the_package() -> None:
    shipped = {Path(file.path) for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    present = {
        path for path in PACKAGE.rglob("*") if path.is_file() and not NOT_SHIPPED & set(path.parts)
    }

    assert present - shipped == set()


def test_the_wheel_speaks_other_languages() -> None:
    shipped = {Path(file.path) for file in WheelBuilder(str(ROOT)).recurse_included_files()}

    for language in ("de", "es"):
        folder = PACKAGE / "locale" / language / "LC_MESSAGES"
        assert {folder / "django.po", folder / "django.mo"} <= shipped
