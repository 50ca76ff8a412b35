"""What the injections share: one world for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection

from tests.integration.injection import tally
from tests.integration.injection.injector import Injector
from tests.integration.injection.world import World, close_private

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import Settings as Project

#: A worker gives up after so many seconds without the database; the clock says that they pass.
PATIENCE = 10


@pytest.fixture
def world(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch, settings: Project
) -> Iterator[World]:
    del transactional_db
    settings.JOBMAN = {"OUTAGE_PATIENCE": PATIENCE}
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", None)  # none is closed idly
    injector = Injector()
    made = World(injector)
    made.install(monkeypatch)
    with injector.installed():
        yield made
        injector.is_watching = False
        made.clear()
    close_private()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if told := tally.line():
        terminalreporter.section("injection")
        terminalreporter.line(told)
