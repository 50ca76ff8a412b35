"""How much was tried, for the summary of a run and for the page about the promises."""

from __future__ import annotations

from collections import Counter

#: By word: how many there were.
counts: Counter[str] = Counter()


def line() -> str:
    """Return what was tried, in a sentence; empty if nothing was."""
    if not counts:
        return ""
    told = (f"{number} {word}" for word, number in counts.items())
    return f"injected faults: {', '.join(told)}"
