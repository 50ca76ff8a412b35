"""Beginnings: the first part of a long JSON text, closed so that it is JSON by itself.

Only JSON can be masked, and reading 10 MB of it takes seconds.  What is closed here has the same
keys before its values as the whole, so that masking finds the same secrets.
"""

from __future__ import annotations

import re
from typing import Final

#: A string, as far as it goes; a bracket; a comma; a colon.
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\(?:u[0-9a-fA-F]{4}|[^u]))*(?P<end>"?)|[\[\]{},:]')
_CLOSING: Final = {"[": "]", "{": "}"}


def beginning(text: str) -> str:
    """Return the first part of a JSON list or object as complete JSON.

    Items and pairs that are not whole are left out, except that of a string that is cut its
    first part is kept.  Of a text that is no JSON, something that is none either comes back.
    """
    open_, kept, before = "", "", ""
    for token in _TOKEN.finditer(text):
        sign = token[0][0]
        if sign in "]}":
            open_ = open_[:-1]
        elif sign in _CLOSING:
            open_ += sign
            kept = text[: token.end()] + _closed(open_)
        elif sign == ",":
            kept = text[: token.start()] + _closed(open_)
        elif sign == '"' and not token["end"]:
            is_value = before == ":" or open_.endswith("[")
            return text[: token.end()] + '"' + _closed(open_) if is_value else kept
        before = sign
    return kept


def _closed(open_: str) -> str:
    return "".join(_CLOSING[sign] for sign in reversed(open_))
