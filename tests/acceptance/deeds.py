"""Deeds: what tasks did to a world that no rollback reaches, a line of a file for each."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tests.acceptance import gates

_FILE = "deeds.jsonl"


def note(**facts: Any) -> None:
    """Write a deed down; called in the process that does it."""
    with (Path(os.environ[gates.FOLDER]) / _FILE).open("a") as world:
        world.write(f"{json.dumps(facts)}\n")


def noted(folder: Path) -> list[dict[str, Any]]:
    """Return what was done, in order."""
    written = folder / _FILE
    lines = written.read_text().splitlines() if written.exists() else []
    return [json.loads(line) for line in lines]


def mended(folder: Path, tag: str) -> Path:
    """Return the file whose presence tells a job's task that what was wrong is mended."""
    return folder / f"{tag}.mended"
