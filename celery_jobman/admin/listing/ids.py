"""Ids: ranges of job ids, which sort by the time they were made.

A range of ids is read through the primary key, in the order of the list; a range of
``created_at`` would need an index of its own and a sort.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Q

if TYPE_CHECKING:
    from datetime import datetime

#: Hexadecimal digits of an id, and the fewest that may stand for it.
DIGITS, FEWEST = 32, 8
#: The time takes the first 48 of 128 bits, in milliseconds.
TIME_SHIFT, LATEST = 80, (1 << 48) - 1


def first_at(moment: datetime) -> UUID:
    """Return an id that no job made before ``moment`` can reach."""
    milliseconds = min(max(int(moment.timestamp() * 1000), 0), LATEST)
    return UUID(int=milliseconds << TIME_SHIFT)


def beginning_with(text: str) -> Q | None:
    """Return the condition for ids that begin with these digits; None if it is no beginning."""
    digits = text.replace("-", "").lower()
    if not re.fullmatch(rf"[0-9a-f]{{{FEWEST},{DIGITS}}}", digits):
        return None
    first, last = (UUID(digits.ljust(DIGITS, filler)) for filler in "0f")
    return Q(pk__gte=first, pk__lte=last)
