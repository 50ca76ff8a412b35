"""JSON as the package stores it, and text that every database accepts."""

from __future__ import annotations

import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from celery_jobman.exceptions import UnencodableValue

#: What JSON text may hold and a database's JSON column may not: NUL, halves of characters, NaN.
UNSTORABLE = ("\\u0000", "\\ud", "NaN", "Infinity")


def encode(value: Any, what: str) -> str:
    """Return ``value`` as JSON text.

    Raises:
        UnencodableValue: It cannot be written as JSON.  ``what`` names it in the message.
    """
    try:
        return json.dumps(value, cls=DjangoJSONEncoder)
    except (TypeError, ValueError, RecursionError) as error:
        raise UnencodableValue(what, value, error) from error


def clean(text: str, length: int) -> str:
    """Return ``text`` without NUL (which PostgreSQL refuses) and at most ``length`` long."""
    if "\x00" in text:
        text = text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    text = text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text
    return text if len(text) <= length else text[: length - 1] + "…"


def is_storable(text: str) -> bool:
    """Whether a JSON column of every database takes this JSON text."""
    return not any(mark in text for mark in UNSTORABLE)


def shown(value: Any, length: int) -> Any:
    """Return a value as a JSON column can hold it: itself or, if it must be, its ``repr``.

    A longer one than ``length`` is cut off.
    """
    try:
        text = encode(value, "item")
    except TypeError:
        return clean(repr(value), length)
    if len(text) > length or not is_storable(text):
        return clean(repr(value), length)
    return json.loads(text)
