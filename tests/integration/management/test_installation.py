from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery, _state
from celery.backends.base import DisabledBackend
from kombu.transport.memory import Transport

from celery_jobman.runtime import installation

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = pytest.mark.django_db


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
