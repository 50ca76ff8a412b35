from __future__ import annotations

import re
import sys
import time
import tomllib
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery, _state
from celery.app.utils import find_app
from celery.backends.base import DisabledBackend
from kombu.transport.memory import Transport

from celery_jobman.runtime import installation

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parents[3]


@pytest.fixture
def other() -> Iterator[Celery]:
    """Another app, current for one test."""
    before = _state._tls.current_app
    with Celery("other", broker="memory://", set_as_current=True) as app:
        yield app
    _state._tls.current_app = before


def test_the_projects_app_has_its_name(app: Celery) -> None:
    assert app.main == installation.app_name() == "tests"


def test_celerys_own_fallback_is_no_app(other: Celery) -> None:
    other.main = "default"

    assert installation.app_name() is None


def test_the_app_is_found_where_a_worker_finds_it() -> None:
    assert installation.app_path() == "tests.celery_app"


@pytest.mark.parametrize(
    ("module", "name", "path"),
    [
        ("shopfront.celery_app", "app", "shopfront.celery_app"),
        ("shopfront.celery", "app", "shopfront"),
        ("shopfront.conf.jobs", "broker", "shopfront.conf.jobs"),
        ("shopfront.celery", "celery", "shopfront"),
    ],
)
def test_the_path_of_an_app_is_the_shortest_that_a_worker_starts_with(
    other: Celery, monkeypatch: pytest.MonkeyPatch, module: str, name: str, path: str
) -> None:
    whole = ["shopfront", *module.split(".")[1:]]
    for length in range(1, len(whole) + 1):
        dotted = ".".join(whole[:length])
        package = ModuleType(dotted)
        package.__path__ = ["/nowhere"]
        monkeypatch.setitem(sys.modules, dotted, package)
    setattr(sys.modules[module], name, other)
    importer = ModuleType("a")
    importer.app = other  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shopfront.celeryless.tasks", importer)

    assert installation.app_path() == path
    assert find_app(path) is other


@pytest.mark.usefixtures("other")
def test_an_app_that_no_module_holds_has_its_name() -> None:
    assert installation.app_path() == "other"


def test_without_an_app_there_is_no_path(other: Celery) -> None:
    other.main = "default"

    assert installation.app_path() is None


def test_the_releases_that_are_tested_are_those_that_are_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = dict(re.findall(r"(celery|django)>=([\d.]+),<", " ".join(project["dependencies"])))
    (celery_limit,) = re.findall(r"celery>=[\d.]+,<5\.(\d+)", " ".join(project["dependencies"]))
    newest = max(re.findall(r"Framework :: Django :: (\d+\.\d+)", " ".join(project["classifiers"])))

    for name, (lowest, _) in installation.TESTED.items():
        assert ".".join(map(str, lowest)) == declared[name.lower()]
    assert installation.TESTED["Celery"][1] == (5, int(celery_limit) - 1)
    assert ".".join(map(str, installation.TESTED["Django"][1])) == newest


def test_a_broker_and_a_backend_that_answer() -> None:
    broker, backend = installation.broker(), installation.result_backend()

    assert (broker.address, broker.error) == ("memory://localhost//", "")
    assert backend is not None
    assert (backend.address, backend.error) == ("memory:///", "")


def test_a_password_is_not_shown(other: Celery) -> None:
    other.conf.broker_url = "memory://ann:s3cret@localhost//"

    assert installation.broker().address == "memory://ann:**@localhost//"


def test_a_broker_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise ConnectionRefusedError("nobody there")

    monkeypatch.setattr(Transport, "establish_connection", refuse)

    assert "nobody there" in installation.broker().error


def test_a_broker_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "PATIENCE", 0.1)
    monkeypatch.setattr(Transport, "establish_connection", lambda *_: time.sleep(0.5))

    assert "did not answer within 0.1 s" in installation.broker().error


def test_no_result_backend(other: Celery) -> None:
    other._local.backend = DisabledBackend(other)

    assert installation.result_backend() is None


def test_results_that_travel_by_the_broker_need_no_look(other: Celery) -> None:
    other.conf.result_backend = "rpc://"

    assert installation.result_backend() == installation.Service(address="rpc://", error="")


def test_only_some_brokers_lose_patience_with_a_message(
    other: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert installation.visibility_timeout() is None

    monkeypatch.setattr(Transport, "driver_type", "redis")
    assert installation.visibility_timeout() == 3600

    other.conf.broker_transport_options = {"visibility_timeout": 60}
    assert installation.visibility_timeout() == 60


def test_tasks_outlast_a_limit_when_theirs_is_longer_or_missing(other: Celery) -> None:
    def body() -> None:
        """Do nothing."""

    for name, limit in {"endless": None, "long": 61, "short": 60}.items():
        other.task(name=name, acks_late=True, time_limit=limit, shared=False)(body)
    other.task(name="early", shared=False)(body)
    other.task(name="jobman.own", acks_late=True, shared=False)(body)

    assert installation.outlasting(60) == ["endless", "long"]
