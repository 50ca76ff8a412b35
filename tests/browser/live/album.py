"""The pictures of the tour, and what the page said when each was taken."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOLDER: Final = Path(__file__).parents[3] / "docs" / "images" / "tour"

#: Most bytes of a picture.
LARGEST: Final = 150_000

#: What differs from one walk to the next, and what is kept in its place, in this order.
PASSING: Final = {
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "ID",
    r"\b[0-9a-f]{64}\b": "SUM",
    r"…\s*[0-9a-f]{6,12}\b|\b[0-9a-f]{8}…": "ID",
    r"(/[\w.-]+)+/(?=example_project|imports)": "",
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d( UTC)?": "MOMENT",
    r"\d\d:\d\d:\d\d(\.\d+)?": "CLOCK",
    r"\ba few seconds left|less than a [a-z]+ left|about .* left": "REST",
    r"(\d+(\.\d+)?(ms|s|m|h|d)\b ?)+(ago)?|\bjust now\b": "TIME ",
    r"\d+([.,]\d+)*": "0",
    r"^as of .*|^State: .*|^[\s^~]+$": "",
}


def neutral(text: str) -> str:
    """Return a page's text without times, ids, numbers, empty lines and repeated ones."""
    lines = filter(None, map(_neutral, text.splitlines()))
    return "".join(f"{line}\n" for line, _again in groupby(lines))


def _neutral(line: str) -> str:
    for pattern, kept in PASSING.items():
        line = re.sub(pattern, kept, line)
    return re.sub(r"\s+", " ", line).strip()


@dataclass(kw_only=True)
class Album:
    """The folder of pictures; ``writes`` decides whether they are taken or compared."""

    writes: bool
    folder: Path = FOLDER
    #: What no longer says what its picture shows, by the picture's name.
    stale: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, page: Page, text: str) -> None:
        """Take a picture of a page and keep its text, or compare the text with the kept one."""
        picture, words = self.folder / f"{name}.png", self.folder / f"{name}.txt"
        if self.writes:
            self.folder.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=picture, animations="disabled")
            words.write_text(neutral(text), encoding="utf-8")
        assert picture.stat().st_size < LARGEST
        if difference := _difference(words.read_text(encoding="utf-8"), neutral(text)):
            self.stale[name] = difference


def _difference(kept: str, seen: str) -> str:
    return "\n".join(difflib.unified_diff(kept.splitlines(), seen.splitlines(), lineterm="", n=1))
