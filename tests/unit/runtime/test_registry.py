from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from celery_jobman.runtime import registry

if TYPE_CHECKING:
    from celery import Celery, Task


@pytest.fixture(autouse=True)
def _nothing_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_unknown", set())


def test_a_task_that_is_known_is_found_without_an_import(
    app: Celery, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = Mock()
    monkeypatch.setattr(app.loader, "import_default_modules", imported)

    assert registry.find("demo.add") is task
    imported.assert_not_called()


def test_a_task_that_was_not_imported_yet_is(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    def register() -> None:
        app.tasks["demo.late"] = late

    late = Mock()
    monkeypatch.setattr(app.loader, "import_default_modules", register)

    found = registry.find("demo.late")

    app.tasks.pop("demo.late")
    assert found is late


def test_a_task_that_is_not_there_is_looked_for_once(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = Mock()
    monkeypatch.setattr(app.loader, "import_default_modules", imported)

    assert registry.find("demo.renamed") is None
    assert registry.find("demo.renamed") is None

    imported.assert_called_once()


def test_a_task_that_comes_late_is_found_all_the_same(app: Celery) -> None:
    assert registry.find("demo.belated") is None
    app.tasks["demo.belated"] = late = Mock()

    found = registry.find("demo.belated")

    app.tasks.pop("demo.belated")
    assert found is late


@pytest.mark.parametrize("declared", [None, ("load",), "load"])
def test_effects_that_are_no_mapping_are_none(
    task: Task, declared: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "effects", declared, raising=False)

    assert registry.effects("demo.add", ["load"]) == {}


def test_only_the_effects_of_the_steps_that_are_asked_for_are_told(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = {"load": "sends a mail", "report": "prints"}
    monkeypatch.setattr(task, "effects", declared, raising=False)

    assert registry.effects("demo.add", ["fetch", "load"]) == {"load": "sends a mail"}
    assert registry.effects("demo.gone", ["load"]) == {}


def test_what_a_module_of_tasks_raises_is_returned(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert registry.import_tasks() is None

    error = ImportError("x")
    monkeypatch.setattr(app.loader, "import_default_modules", Mock(side_effect=error))
    assert registry.import_tasks() is error


def test_a_module_that_cannot_be_imported_is_logged(
    app: Celery, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app.loader, "import_default_modules", Mock(side_effect=ImportError("x")))

    for _ in range(2):
        assert registry.find("demo.gone") is None
        assert "The project's tasks could not be imported" in caplog.text
        caplog.clear()
