from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from example_project.demo import processes
from example_project.demo.processes import Crew, DidNotStart

if TYPE_CHECKING:
    from example_project.demo.processes import Process

#: A process with a child; the child's id is in the log.
FAMILY = """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{FAMILY}"


def started(crew: Crew, code: str) -> tuple[Process, int]:
    process = crew.start("family", sys.executable, "-c", code)
    process.wait_until(lambda: bool(process.tail()))
    return process, int(process.tail()[-1])


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that waits for its burial does not."""
    status = Path(f"/proc/{pid}/stat")
    if not status.parent.parent.joinpath("self").exists():
        pytest.skip("no /proc here")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_for_end(pid: int) -> None:
    until = time.monotonic() + 5
    while is_alive(pid):
        assert time.monotonic() < until, f"process {pid} lives on"
        time.sleep(0.02)


def test_a_kill_takes_the_children_along(crew: Crew) -> None:
    process, child = started(crew, FAMILY)

    process.kill()

    assert not process.is_running
    wait_for_end(child)


def test_a_crew_leaves_nobody_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PATIENCE", 0.2)
    with pytest.raises(KeyboardInterrupt), Crew(tmp_path, os.environ) as crew:  # noqa: PT012 - the point
        family = [started(crew, FAMILY), started(crew, STUBBORN)]
        raise KeyboardInterrupt

    for process, child in family:
        assert not process.is_running
        wait_for_end(child)


def test_a_signal_waits_until_a_started_process_is_known(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore it
    try:
        with pytest.raises(KeyboardInterrupt), processes.unbroken():  # noqa: PT012 - the point
            signal.raise_signal(signal.SIGINT)
            (tmp_path / "known").touch()
    finally:
        signal.signal(signal.SIGINT, before)

    assert (tmp_path / "known").exists()


def test_who_ends_before_being_ready_is_quoted(crew: Crew) -> None:
    process = crew.start("broken", sys.executable, "-c", "raise SystemExit('no such port')")

    with pytest.raises(DidNotStart, match="broken did not start:\nno such port"):
        process.wait_until(lambda: False)


def test_who_takes_too_long_is_given_up(crew: Crew) -> None:
    process = crew.start("slow", sys.executable, "-c", FAMILY)

    with pytest.raises(DidNotStart, match="slow did not start"):
        process.wait_until(lambda: False, timeout=0.1)
