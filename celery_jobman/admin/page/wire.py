"""Text that came over the wire, made fit for a page."""

from __future__ import annotations

import unicodedata

#: What is shown in place of a character that a page must not contain.
INSTEAD = "\N{REPLACEMENT CHARACTER}"
#: Marks that turn the direction of what follows, even of the page's own words.
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(text: str, length: int = 500) -> str:
    """Return text as one line, without control characters, at most ``length`` long."""
    if len(text) <= length and text.isprintable() and "  " not in text and text == text.strip():
        return text
    line = " ".join(text[: 4 * length].split())
    shown = "".join(INSTEAD if _is_hidden(sign) else sign for sign in line)
    return shown if len(shown) <= length else shown[: length - 1] + "…"


def _is_hidden(sign: str) -> bool:
    return sign in TURNING or unicodedata.category(sign) in {"Cc", "Cs"}
