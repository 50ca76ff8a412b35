"""Shares: how many members of a batch may fail, as its row says it."""

from __future__ import annotations

import re
from fractions import Fraction
from reprlib import repr as shorten

#: All of them may.
ALL = "all"
#: The largest number that a batch can have members.
MOST = 2**31 - 1

_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)%")
_NUMBER = re.compile(r"[0-9]{1,10}")


def text_of(given: bool | int | str) -> str:  # noqa: FBT001 - as it was given
    """Return what a batch's row keeps: "" for none, "all", a number, or a share.

    Raises:
        ValueError: It is none of these.
    """
    if isinstance(given, bool):
        return ALL if given else ""
    if isinstance(given, int) and 0 <= given <= MOST:
        return str(given)
    if isinstance(given, str) and is_share(given):
        return given
    msg = (
        f"allow_failures is {shorten(given)}, but must be True, False, a number from 0 to {MOST},"
        ' or a share from "0%" to "100%" such as "5%" or "2.5%"'
    )
    raise ValueError(msg)


def is_share(text: str) -> bool:
    """Whether a text is a share such as ``"5%"`` or ``"64.1%"``, of at most 100 percent."""
    found = _SHARE.fullmatch(text)
    return found is not None and Fraction(found[1]) <= 100  # noqa: PLR2004 - percent


def number_of(text: str, total: int) -> int:
    """Return how many of so many members may fail; what cannot be read allows none."""
    if text == ALL:
        return total
    if is_share(text):
        return int(total * Fraction(text[:-1]) / 100)
    return int(text) if _NUMBER.fullmatch(text) else 0
