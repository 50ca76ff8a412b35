"""Celery's own test suite, as released with the Celery that is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib import metadata
from pathlib import Path, PurePosixPath


def celery_version() -> str:
    """Return the version of the installed Celery."""
    return metadata.version("celery")


def cache_folder() -> Path:
    """Return the folder that keeps downloads and results between runs."""
    home = Path(os.environ.get("TOX_ENV_DIR", tempfile.gettempdir()))
    folder = home / "celery-conformance"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def release(version: str) -> Path:
    """Return the source release of Celery ``version``, downloading it when it is not cached.

    Raises:
        subprocess.CalledProcessError: pip cannot download it.
    """
    archive = cache_folder() / f"celery-{version}.tar.gz"
    if not archive.exists():
        options = ["--quiet", "--no-deps", "--no-binary", "celery", "--dest", str(archive.parent)]
        command = [sys.executable, "-m", "pip", "download", *options, f"celery=={version}"]
        subprocess.run(command, check=True)
    return archive


def unpack(version: str, folder: Path) -> Path:
    """Unpack the tests of Celery ``version`` into ``folder``; return the root of the tree.

    Only the tests and their configuration are taken: with Celery's package beside them, they
    would test the copy and not the installed one.
    """
    root = folder / f"celery-{version}"
    shutil.rmtree(root, ignore_errors=True)
    with tarfile.open(release(version)) as archive:
        members = [member for member in archive.getmembers() if _is_test(member.name)]
        archive.extractall(folder, members, filter="data")
    return root


def _is_test(name: str) -> bool:
    parts = PurePosixPath(name).parts[1:]
    return parts[:1] == ("t",) or parts == ("pyproject.toml",)
