"""Logs that are made up: answers as the log's address gives them, as many as a test wants."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Route

#: Lines that a busy job writes in a second.
PACE = 1_000


class Log:
    """Answers like the log's address does."""

    def __init__(self) -> None:
        self.ready: list[dict[str, Any]] = []
        self.asked: list[dict[str, list[str]]] = []
        self.last = 1_000_000

    def lines(self, count: int, level: str = "INFO", text: str = "line") -> list[list[Any]]:
        first = self.last + 1
        self.last += count
        return [
            [key, "12:00:00.000", level, "", f"{text} {key}"] for key in range(first, first + count)
        ]

    def say(self, lines: list[list[Any]], **more: Any) -> None:
        cursor = lines[-1][0] if lines else self.last
        answer = {"lines": lines, "cursor": cursor, "skipped": 0, "through": True, "eof": False}
        self.ready.append({**answer, **more})

    def answer(self, route: Route) -> None:
        self.asked.append(parse_qs(urlsplit(route.request.url).query))
        if not self.ready:
            self.say([])
        route.fulfill(body=json.dumps(self.ready.pop(0)), content_type="application/json")


class Flood(Log):
    """A log that grows by :data:`PACE` lines a second, from when it is first asked."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        self.began = 0.0
        self.sent = 0

    def answer(self, route: Route) -> None:
        self.began = self.began or time.monotonic()
        due = min(int((time.monotonic() - self.began) * PACE), self.count)
        count = min(due - self.sent, 2_000)
        through = self.sent + count >= due
        self.sent += count
        bad = self.lines(1, "ERROR", "bad") if count else []
        self.say([*bad, *self.lines(max(count - 1, 0))], through=through)
        super().answer(route)
