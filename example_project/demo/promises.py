"""What the demonstration promised, and whether it was so."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from example_project.demo.screen import Screen


class Promises:
    """Checks that are shown as they are made."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self.made = 0
        self.broken: list[str] = []

    def check(self, promise: str, kept: bool, seen: object = "") -> None:  # noqa: FBT001 - the point
        """Show whether a promise was kept; if not, with what was ``seen`` instead."""
        self.made += 1
        if not kept:
            self.broken.append(promise)
            promise = f"{promise}: {seen}" if seen != "" else promise
        self._screen.tick(promise, kept=kept)

    def equal(self, promise: str, seen: object, expected: object) -> None:
        """Show whether what was seen is what was expected."""
        self.check(promise, seen == expected, f"{seen!r} and not {expected!r}")
