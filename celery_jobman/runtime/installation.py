"""The installation: what can be asked of the project's Celery app from outside a worker."""

from __future__ import annotations

import re
import sys
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import celery
import django
from celery import current_app
from celery.app.utils import find_app
from celery.backends.base import DisabledBackend

from celery_jobman.runtime import publishing
from celery_jobman.runtime.declarations import OWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Celery

#: Seconds after which a service that has not answered is taken for unreachable.
PATIENCE = 5.0
#: Transports that deliver a message again when it is not acknowledged in time, and the seconds
#: they wait unless ``broker_transport_options["visibility_timeout"]`` says otherwise.
VISIBILITY_TIMEOUTS = {"redis": 3600.0, "sqs": 1800.0}

#: The lowest and the highest release of each that the tests run with.
TESTED = MappingProxyType({"Celery": ((5, 5), (5, 7)), "Django": ((5, 2), (6, 1))})

#: Name of the app that Celery makes for itself when the project has loaded none.
FALLBACK = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Something that Celery needs to reach."""

    #: Its address, without the password.
    address: str
    #: Why it does not answer; empty when it does.
    error: str


def app_name() -> str | None:
    """Return the name of the project's Celery app; None when none was loaded."""
    name = current_app.main
    return None if name == FALLBACK else str(name or "")


def app_path() -> str | None:
    """Return what ``celery -A`` takes for the project's app; None when none was loaded.

    The name of an app is free, and may be that of a package in which it is not found.
    """
    return None if app_name() is None else _path_of(current_app._get_current_object())  # noqa: SLF001


@lru_cache(maxsize=1)
def _path_of(app: Celery) -> str:
    for module, name in sorted(_places(app), key=_likelihood):
        parts = module.split(".")
        shorter = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
        for path in (*shorter, f"{module}:{name}"):
            if _leads_to(path, app):
                return path
    return str(app.main or "")


def _places(app: Celery) -> Iterator[tuple[str, str]]:
    """Yield the modules that hold an app, and its names there."""
    for module, content in list(sys.modules.items()):
        if module == "__main__" or module.startswith("celery."):
            continue
        names = list(getattr(content, "__dict__", {}).items())
        yield from ((module, name) for name, value in names if value is app)


def _likelihood(place: tuple[str, str]) -> tuple[bool, int, int]:
    """Sort modules that make an app before those that only import it."""
    module, _ = place
    return "celery" not in module.rpartition(".")[2], module.count("."), len(module)


def _leads_to(path: str, app: Celery) -> bool:
    try:
        return find_app(path) is app
    except Exception:  # noqa: BLE001 - whatever a module raises that is looked into
        return False


def untested() -> list[tuple[str, str, str]]:
    """Return the releases here that we are not tested with: a name, a version, and the range."""
    here = {"Celery": celery.__version__, "Django": django.get_version()}
    return [
        (name, version, f"{'.'.join(map(str, lowest))} to {'.'.join(map(str, highest))}")
        for name, version in here.items()
        for lowest, highest in [TESTED[name]]
        if not lowest <= _release(version) <= highest
    ]


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"\d+", version)[:2])


def broker() -> Service:
    """Try to reach the broker."""
    app = current_app._get_current_object()  # noqa: SLF001
    with closing(app.connection_for_write()) as connection:
        # Kombu masks a password even where there is none.
        address = connection.as_uri().replace("://:**@", "://")
        once = {"max_retries": 1, "interval_start": 0, "interval_step": 0}
        error = _probe(lambda: connection.ensure_connection(timeout=PATIENCE, **once))
    return Service(address=address, error=error)


def result_backend() -> Service | None:
    """Try to read from the result backend; None when the project has none."""
    app: Celery = current_app._get_current_object()  # noqa: SLF001
    backend = app.backend
    if isinstance(backend, DisabledBackend):
        return None
    address = str(backend.as_uri())
    if address.startswith("rpc"):
        return Service(address=address, error="")  # it is the broker
    return Service(address=address, error=_probe(lambda: backend.get_state("jobman-doctor")))


def _probe(ask: Callable[[], object]) -> str:
    """Return why a call fails, or does not come back in time; empty when it does neither."""
    try:
        publishing.within(PATIENCE, ask)
    except Exception as error:  # noqa: BLE001 - whatever the transport raises
        return f"{type(error).__name__}: {error}"
    return ""


def visibility_timeout() -> float | None:
    """Return the seconds after which the broker delivers unacknowledged messages again.

    Returns:
        None for brokers that wait as long as their connection to the worker lasts.
    """
    with closing(current_app.connection_for_write()) as connection:
        default = VISIBILITY_TIMEOUTS.get(connection.transport.driver_type)
    options: dict[str, Any] = current_app.conf.broker_transport_options or {}
    return None if default is None else float(options.get("visibility_timeout") or default)


def outlasting(limit: float) -> list[str]:
    """Return the names of the tasks that acknowledge late and may run for longer than this."""
    return sorted(
        task.name
        for task in current_app.tasks.values()
        if task.acks_late
        and not task.name.startswith(OWN)
        and (task.time_limit is None or task.time_limit > limit)
    )
