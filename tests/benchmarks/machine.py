"""The machine and the versions that figures were measured with."""

from __future__ import annotations

import os
import platform
import sqlite3
from importlib import metadata
from pathlib import Path
from typing import Final

import psycopg
import redis

PACKAGES: Final = (
    "celery-jobman",
    "celery",
    "kombu",
    "Django",
    "django-celery-results",
    "psycopg",
    "redis",  # its client
)


def facts(database: str, broker: str) -> dict[str, str]:
    """Return what figures depend on, by name.

    Args:
        database: URL of the run's database.
        broker: URL of the run's Redis.
    """
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    here = {
        "cores": str(os.cpu_count()),
        "processor": _processor(),
        "system": platform.platform(),
        "load before": load,
        "Python": platform.python_version(),
    }
    servers = {"database": _database(database), "Redis": _redis(broker)}
    return here | servers | {package: _version(package) for package in PACKAGES}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _database(url: str) -> str:
    if url.startswith("sqlite"):
        return f"SQLite {sqlite3.sqlite_version}"
    with psycopg.connect(url) as connection:
        version = connection.info.server_version
    return f"PostgreSQL {version // 10_000}.{version % 10_000}"


def _redis(url: str) -> str:
    with redis.Redis.from_url(url) as client:
        return str(client.info("server")["redis_version"])
