"""The demonstration, played for real: its own promises, and that it leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, build_opener

import psycopg
import pytest
from psycopg import sql

from example_project.demo import ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
PATIENCE = 120

#: Plays the story with a mail server that is up all the time.
NEVER_DOWN = """
import sys
from example_project.demo import __main__, mailbox, stage

class NeverDown(mailbox.Mailbox):
    def __init__(self):
        super().__init__()
        super().switch_on()

    def switch_on(self):
        pass

stage.Mailbox = NeverDown
sys.exit(__main__.main(["--once", "--short"]))
"""


class Demo:
    """A demonstration that runs, and what it has written so far."""

    def __init__(self, folder: Path, command: tuple[str, ...], environment: dict[str, str]) -> None:
        self.folder = folder / "tmp"
        self.folder.mkdir()
        self._output = folder / "output"
        own = {name: os.environ[name] for name in os.environ if not name.startswith("JOBMAN_")}
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env={**own, "TMPDIR": str(self.folder), **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def told(self) -> str:
        return self._output.read_text("utf-8")

    def wait_for(self, text: str) -> None:
        until = time.monotonic() + PATIENCE
        while text not in self.told:
            assert self._process.poll() is None, self.told
            assert time.monotonic() < until, self.told
            time.sleep(0.05)

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def status(self) -> int:
        return self._process.wait(PATIENCE)

    def leftovers(self) -> list[str]:
        """Return the files in its temporary folder, and the processes that know the folder."""
        files = [str(path) for path in self.folder.rglob("*")]
        return files + [str(path.parent) for path in _environments() if self._is_in(path)]

    def _is_in(self, environment: Path) -> bool:
        try:
            return str(self.folder).encode() in environment.read_bytes()
        except OSError:  # it ended meanwhile, or is somebody else's
            return False


def _environments() -> Iterator[Path]:
    return Path("/proc").glob("[0-9]*/environ")


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    started: list[Demo] = []

    def demo(*arguments: str, program: tuple[str, ...] = (), **environment: str) -> Demo:
        command = program or ("-m", "example_project.demo", *arguments)
        started.append(Demo(tmp_path, command, environment))
        return started[-1]

    yield demo
    for each in started:
        each.send(signal.SIGTERM)
        each.status()


@pytest.fixture
def database(postgresql_url: str) -> Iterator[str]:
    name = f"jobman_demo_{os.getpid()}"
    with closing(psycopg.connect(postgresql_url, autocommit=True)) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield urlsplit(postgresql_url)._replace(path=f"/{name}").geturl()
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def assert_all_was_kept(demo: Demo) -> None:
    assert demo.status() == 0, demo.told
    assert demo.leftovers() == []
    (kept, made), *_ = re.findall(r"(\d+) of (\d+) promises kept", demo.told)
    assert kept == made
    assert "\x1b" not in demo.told


def test_every_promise_is_kept(play: Callable[..., Demo]) -> None:
    demo = play("--once")

    assert_all_was_kept(demo)
    assert "SIGKILL" in demo.told
    assert "Connection refused" in demo.told
    assert re.search(r"load went on with pack \d\d", demo.told)
    assert re.search(r"Subject: 2\d,\d{3} branches imported, \d+ rows rejected", demo.told)
    assert re.search(r"one mail says: \d+ rows: 12 created, \d+ invalid, \d+ updated", demo.told)
    assert "who is gone is not written to again" in demo.told
    assert "now the smaller files are shown" in demo.told
    assert "its cart is deleted, and the order is there" in demo.told


def test_messages_may_be_files(play: Callable[..., Demo]) -> None:
    demo = play("--once", "--short", JOBMAN_DEMO_BROKER_URL="filesystem://")

    assert_all_was_kept(demo)
    assert "files in a folder, as JOBMAN_DEMO_BROKER_URL says" in demo.told


def test_it_plays_on_real_servers(
    play: Callable[..., Demo], database: str, rabbitmq_url: str
) -> None:
    demo = play("--once", JOBMAN_DEMO_DATABASE_URL=database, JOBMAN_DEMO_BROKER_URL=rabbitmq_url)

    assert_all_was_kept(demo)
    assert "PostgreSQL" in demo.told
    assert "amqp on " in demo.told


def test_a_promise_that_is_not_kept_fails_it(play: Callable[..., Demo]) -> None:
    demo = play(program=("-c", NEVER_DOWN))

    assert demo.status() == 1, demo.told
    assert "the job has failed: 'succeeded' and not" in demo.told
    assert demo.leftovers() == []


def test_a_signal_in_the_middle_leaves_nothing_behind(play: Callable[..., Demo]) -> None:
    demo = play()
    demo.wait_for("A new worker takes over")

    demo.send(signal.SIGTERM)

    assert demo.status() == 128 + signal.SIGTERM
    assert demo.leftovers() == []


def test_the_site_stays_until_ctrl_c(play: Callable[..., Demo]) -> None:
    port = ports.free()
    demo = play("--short", "--port", str(port))
    demo.wait_for("Ctrl-C stops everything")

    page = logged_in(f"http://127.0.0.1:{port}/admin/shop/branch/", demo.told)
    demo.send(signal.SIGINT)

    assert re.search(r"2\d,?\d{3} branches", page)
    assert demo.status() == 0, demo.told
    assert demo.leftovers() == []


def logged_in(address: str, told: str) -> str:
    """Return a page of the site, read by the user that the demonstration named."""
    name, password = (re.findall(rf"{label} +(\S+)", told)[-1] for label in ("user", "password"))
    browser = build_opener(HTTPCookieProcessor())
    with browser.open(address) as answer:
        form, login = answer.read().decode(), answer.url
    token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', form)[0]
    fields = {"csrfmiddlewaretoken": token, "username": name, "password": password}
    with browser.open(login, urlencode({**fields, "next": address}).encode()) as answer:
        assert "login" not in answer.url
    with browser.open(address) as answer:
        return str(answer.read().decode())
