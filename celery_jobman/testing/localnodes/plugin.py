"""A pytest plugin that chooses what pytest-celery's nodes are.

Put this into the ``conftest.py`` at the top of the tests::

    pytest_plugins = ["celery_jobman.testing.localnodes.plugin"]

``JOBMAN_TEST_NODES=local``, which is the default, makes them processes of this machine.
``JOBMAN_TEST_NODES=docker`` leaves pytest-celery's own fixtures alone: they need a Docker engine.
"""

from __future__ import annotations

import os


def nodes_are_local(environ: dict[str, str] | os._Environ[str] = os.environ) -> bool:
    """Whether nodes are local processes.

    Raises:
        ValueError: ``JOBMAN_TEST_NODES`` is neither ``local`` nor ``docker``.
    """
    choice = environ.get("JOBMAN_TEST_NODES", "local")
    if choice not in {"local", "docker"}:
        raise ValueError(f"JOBMAN_TEST_NODES is {choice!r} and must be 'local' or 'docker'")
    return choice == "local"


if nodes_are_local():
    from celery_jobman.testing.localnodes.fixtures import (  # noqa: F401 - pytest finds them here
        default_rabbitmq_broker,
        default_redis_backend,
        default_redis_broker,
        default_worker_container,
        default_worker_utils_module,
    )
