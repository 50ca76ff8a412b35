"""Tracebacks: the frames of a traceback's text, the project's own apart from libraries'."""

from __future__ import annotations

import re
from typing import NamedTuple

_FRAME = re.compile(r'^  File "(?P<path>.+)", line (?P<line>\d+), in (?P<name>.+)$')
#: What begins the last of several tracebacks that led to one another.
_BEGIN = "Traceback (most recent call last):"
#: Code that is not the project's: Python's own, what was installed, Celery and jobman.
_LIBRARY = re.compile(
    r"/(?:site|dist)-packages/|/lib(?:64)?/python\d|/python\d+/lib/|^<frozen "
    r"|/celery/(?:app|worker|utils|concurrency|backends|canvas)\b"
    r"|/celery_jobman/(?:runtime|core|testing)/",
    re.IGNORECASE,
)


class Frame(NamedTuple):
    """One call of a traceback."""

    path: str
    line: str
    name: str
    code: str

    @property
    def is_library(self) -> bool:
        """Whether the code is not the project's own."""
        return _LIBRARY.search(self.path.replace("\\", "/")) is not None


def frames(text: str) -> list[Frame]:
    """Return the calls of a traceback, the outermost first; none when it looks different.

    Of exceptions that led to one another, these are the last one's.
    """
    found: list[Frame] = []
    for line in text[text.rfind(_BEGIN) :].splitlines():
        if match := _FRAME.match(line):
            found.append(Frame(match["path"], match["line"], match["name"], ""))
        elif found and line.startswith("    "):
            last = found[-1]
            found[-1] = last._replace(code=f"{last.code}{line[4:]}\n")
    return found
