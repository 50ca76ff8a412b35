"""Markup: HTML made of a pattern and values, at the rate that a long list needs.

Django's ``format_html`` first looks through all that it is given for lazy text; a list calls it
some two thousand times.  What comes out here is the same.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

from django.utils.safestring import SafeString


def markup(pattern: str, *values: Any) -> SafeString:
    """Return a pattern with values in the places of its ``{}``, escaped unless they are safe."""
    return SafeString(pattern.format(*map(escaped, values)))


def coded(text: str) -> SafeString:
    """Return a text as HTML in which what stands between backticks is code."""
    return SafeString(re.sub("`([^`]+)`", r"<code>\1</code>", escaped(text)))


def breakable(name: str) -> SafeString:
    """Return a dotted name as HTML that may break behind its dots."""
    return SafeString(escaped(name).replace(".", ".<wbr>"))


def joined(*parts: SafeString) -> SafeString:
    """Return pieces of HTML as one."""
    return SafeString("".join(parts))


def escaped(value: Any) -> str:
    """Return a value as HTML: as it says itself if it is safe, otherwise as escaped text."""
    if type(value) is SafeString:  # most are, and a long list has thousands
        return value
    text = value if hasattr(value, "__html__") else str(value)
    html: str = text.__html__() if hasattr(text, "__html__") else escape(text)
    return html
