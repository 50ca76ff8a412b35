"""What people and programs may pass: text, JSON and numbers of the unkind sort.

Every run tries the same; ``JOBMAN_TEST_FUZZ=random`` looks for more.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

#: How all of these tests try what they try.
TRIES = settings(
    derandomize=os.environ.get("JOBMAN_TEST_FUZZ") != "random",
    suppress_health_check=list(HealthCheck),
)

#: Text with NUL, halves of characters, directions, quotes and markup.
TEXT = st.one_of(
    st.text(max_size=20),
    st.text(st.characters(exclude_categories=()), max_size=20),
    st.sampled_from(
        [
            "",
            "\0",
            "\ud800",
            "\u202e",
            "'",
            '"',
            "%",
            "%s",
            "<script>",
            "{}",
            "[",
            "-1",
            "NaN",
            "9" * 30,
            "9" * 5000,
            "1e999",
            "٣",
            "x" * 5000,
            "2026-02-30",
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59-23:59",
            "-99999999d",
            "99999999999d",
            "inf",
            "::",
            "task:",
            "a:b:c",
        ]
    ),
)

#: JSON of any shape.
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from([10**30, -(10**400), 10**4000]),
        st.floats(),
        TEXT,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)


def sendable(text: str) -> str:
    """Return what a browser would send of a text."""
    return text.encode("utf-8", "replace").decode()
