"""Job ids: UUIDs of version 7, which sort by the time they were made (RFC 9562, 6.2)."""

from __future__ import annotations

import os
import time
import uuid


def _uuid7() -> uuid.UUID:
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000  # a quarter of a microsecond: ids keep their order
    random = int.from_bytes(os.urandom(8))
    value = (milliseconds & (1 << 48) - 1) << 80 | fraction << 64 | random
    value = value & ~(0xF << 76) | 0x7 << 76  # version
    value = value & ~(0x3 << 62) | 0x2 << 62  # variant
    return uuid.UUID(int=value)


#: Make a new id.  Python 3.14 brings its own, which also counts within a millisecond.
uuid7 = getattr(uuid, "uuid7", _uuid7)
