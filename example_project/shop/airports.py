"""The source: a public list of the world's airports, and the working copy an import reads.

The list comes with the ``airportsdata`` package: some 28,000 rows of codes, names, places,
positions and time zones, collected by volunteers and as good as such lists are.
"""

from __future__ import annotations

import csv
import hashlib
import logging
import tempfile
from importlib.resources import as_file, files
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypedDict

from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

logger = logging.getLogger(__name__)

#: One row of the file, by the names in its first line.
Row = dict[str, str]

#: What may be imported: the package that holds the file, and the file.
SOURCES: Final = {"airports": ("airportsdata", "airports.csv")}


class FileChanged(Exception):
    """The working copy is not the file that was fetched."""


class Line(NamedTuple):
    """A row and its place: the header is the file's first line."""

    number: int
    row: Row


class Fetched(TypedDict):
    """The working copy of a source, as the step ``fetch`` returns it."""

    path: str
    size: int
    sha256: str


def fetch(source: str, job_id: UUID) -> Fetched:
    """Copy a source into the import folder.

    The copy gets its name when it is complete, so that a worker killed in the middle leaves
    nothing that looks like a whole file.

    Raises:
        ValueError: There is no such source.
    """
    if source not in SOURCES:
        raise ValueError(f"no source {source!r}; there is {', '.join(SOURCES)}")
    package, name = SOURCES[source]
    folder = Path(getattr(settings, "SHOP_IMPORT_FOLDER", tempfile.gettempdir()))
    target = folder / f"{source}-{job_id}.csv"
    target.parent.mkdir(parents=True, exist_ok=True)
    with as_file(files(package) / name) as original:
        content = original.read_bytes()
    partial = target.with_suffix(".part")
    partial.write_bytes(content)
    partial.replace(target)
    logger.info("Fetched source=%s size=%s path=%s", source, len(content), target)
    return {"path": str(target), "size": len(content), "sha256": _checksum(content)}


def read(file: Fetched, limit: int | None = None) -> list[Row]:
    """Return the rows of the working copy, the first ``limit`` of them if given.

    Every attempt reads the file anew, and a cursor of an earlier attempt means something only
    if it is still the same file.  So its checksum is compared.

    Raises:
        FileChanged: It is not.
        FileNotFoundError: It is gone; retry the job from the step ``fetch``.
    """
    content = Path(file["path"]).read_bytes()
    if _checksum(content) != file["sha256"]:
        raise FileChanged(f"{file['path']} is not the file that was fetched")
    return list(csv.DictReader(StringIO(content.decode(), newline="")))[:limit]


def numbered(rows: Iterable[Row], country: str = "") -> list[Line]:
    """Return the rows with the numbers of their lines; of one country, if given."""
    lines = (Line(number, row) for number, row in enumerate(rows, start=2))
    return [line for line in lines if line.row["country"] == (country or line.row["country"])]


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
