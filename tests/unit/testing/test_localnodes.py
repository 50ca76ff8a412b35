"""What local nodes decide without starting a server; tests/acceptance starts them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import Mock

import celery
import pytest

from celery_jobman.testing.localnodes import LocalContainer, NodeNotReady, availability, sentinel
from celery_jobman.testing.localnodes.plugin import nodes_are_local
from celery_jobman.testing.localnodes.ports import free_port, is_listening
from celery_jobman.testing.localnodes.redis import LocalRedis
from celery_jobman.testing.localnodes.worker import LocalWorker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

COUNT = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
print("counting", flush=True)
time.sleep(60)
"""


class Program(LocalContainer):
    """A program that says when it is ready and ends politely."""

    kind = "program"
    code = COUNT
    start_timeout = 10

    def argv(self) -> Sequence[str]:
        return [sys.executable, "-c", self.code]

    def env(self) -> Mapping[str, str]:
        return {"PATH": os.defpath}

    def answers(self) -> bool:
        return "counting" in self.recent_logs()


class Crashing(Program):
    code = "raise SystemExit('no license')"


@pytest.fixture
def program() -> Iterator[Program]:
    program = Program()
    program.start()
    program.ready()
    yield program
    program.teardown()


def test_a_node_is_created_then_running_then_exited() -> None:
    program = Program()
    seen = [program.status]
    program.start()
    program.ready()
    seen.append(program.status)
    program.kill()
    seen.append(program.status)
    program.teardown()

    assert seen == ["created", "running", "exited"]


def test_a_kill_looks_as_it_does_in_docker(program: Program) -> None:
    program.kill("SIGKILL")

    assert program.attrs["State"]["ExitCode"] == 137
    assert program.attrs["State"]["Running"] is False


@pytest.mark.parametrize("name", ["SIGTERM", "TERM", signal.SIGTERM])
def test_signals_are_named_as_docker_names_them(program: Program, name: str | int) -> None:
    program.kill(name)

    assert program.process.wait(10)
    assert program.attrs["State"]["ExitCode"] == 3


def test_a_restart_keeps_the_log_and_the_place(program: Program) -> None:
    folder = program.folder

    program.restart()

    assert program.status == "running"
    assert program.logs().count("counting") == 2
    assert program.recent_logs().count("counting") == 1
    assert program.folder == folder


def test_a_frozen_node_is_paused(program: Program) -> None:
    program.pause()
    assert program.status == "paused"

    program.unpause()

    assert program.status == "running"


def test_a_program_that_ends_is_not_ready_and_says_why() -> None:
    program = Crashing()
    program.start()

    with pytest.raises(NodeNotReady, match="no license"):
        program.ready()
    program.teardown()


def test_a_torn_down_node_leaves_nothing(program: Program) -> None:
    pid = program.process.pid

    program.teardown()
    program.teardown()

    assert not program.folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_nodes_have_names_and_ids_of_their_own() -> None:
    one, other = Program(), Program()

    assert one.name != other.name
    assert one.attrs["Config"]["Hostname"] == one.id[:12]
    one.teardown()


def test_the_sentinel_ends_groups_that_were_not_reported_as_ended() -> None:
    lines = ["+ 11\n", "+ 12 /a folder\n", "+ 13\n", "- 11\n"]

    assert sentinel.groups_left(lines) == {12: "/a folder", 13: ""}


def test_what_a_killed_run_left_behind_is_ended_and_removed(tmp_path: Path) -> None:
    folder = tmp_path / "of the program"
    folder.mkdir()
    left = subprocess.Popen([sys.executable, "-c", COUNT], start_new_session=True)
    watching = [sys.executable, "-I", str(Path(sentinel.__file__))]

    subprocess.run(watching, input=f"+ {left.pid} {folder}\n", text=True, check=True, timeout=10)

    assert left.wait(10) == -signal.SIGKILL
    assert not folder.exists()


def test_nodes_are_local_unless_docker_is_asked_for() -> None:
    assert nodes_are_local({})
    assert not nodes_are_local({"JOBMAN_TEST_NODES": "docker"})
    with pytest.raises(ValueError, match="'podman' and must be"):
        nodes_are_local({"JOBMAN_TEST_NODES": "podman"})


def test_a_missing_server_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBMAN_TEST_REQUIRE_SERVERS", raising=False)

    with pytest.raises(pytest.skip.Exception, match="no such server"):
        availability.skip_or_fail("no such server")


def test_a_missing_server_fails_where_all_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBMAN_TEST_REQUIRE_SERVERS", "1")

    with pytest.raises(pytest.fail.Exception, match="no such server"):
        availability.skip_or_fail("no such server")


def test_a_program_that_is_not_installed_is_unavailable() -> None:
    with pytest.raises(availability.ServerUnavailable, match="no-such-program is not installed"):
        availability.program("no-such-program")


def test_a_free_port_has_no_listener() -> None:
    assert not is_listening(free_port())


def test_a_worker_tells_what_its_command_line_says() -> None:
    command = "celery -A app worker --loglevel=INFO -n tester@%h -Q one,two"
    worker = LocalWorker(command.split(), env={})

    assert worker.log_level() == "INFO"
    assert worker.worker_name() == "tester"
    assert worker.worker_queue() == "one,two"
    assert worker.version() == celery.__version__
    assert f"tester@{worker.id[:12]}" in worker.argv()


def test_a_worker_does_not_inherit_the_settings_of_the_tests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.settings")
    worker = LocalWorker(["celery", "-A", "app", "worker"], env={"ASKED": "yes"})

    assert worker.env()["ASKED"] == "yes"
    assert "DJANGO_SETTINGS_MODULE" not in worker.env()
    worker.teardown()


def test_commands_run_in_the_folder_of_the_worker() -> None:
    worker = LocalWorker(["celery"], env={}, content={"greeting.py": b"print('hello')"})
    worker.prepare()
    worker.process.argv = [sys.executable, "-c", "pass"]
    worker.process.start()

    assert worker.exec_run("python greeting.py") == (0, b"hello\n")
    assert worker.exec_run(["python", "-c", "raise SystemExit(7)"])[0] == 7
    worker.teardown()


def test_a_node_whose_program_is_missing_is_taken_down_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LocalRedis, "argv", Mock(side_effect=availability.ServerUnavailable("no")))
    node = LocalRedis()

    with pytest.raises(availability.ServerUnavailable):
        node.start()

    node.teardown()
