"""Arguments: as text that a person edits, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from django.core.exceptions import ValidationError
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from celery_jobman.admin.page.wire import TURNING
from celery_jobman.core.redaction import editable

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Deepest nesting that is taken.
DEEPEST = 100
#: Most changes shown, and the longest value of one in characters.
SHOWN = 50
LENGTH = 200


#: Marks that would turn the direction of the text around them, as JSON escapes them.
_ESCAPED = {ord(mark): f"\\u{ord(mark):04x}" for mark in TURNING}


def written(value: Any, indent: int | None = 2) -> str:
    """Return a JSON value as text to be edited."""
    text = json.dumps(value, indent=indent, ensure_ascii=False).translate(_ESCAPED)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a pair of surrogates, which no page can hold
        return json.dumps(value, indent=indent)
    return text


def read(text: str, kind: type) -> Any:
    """Return what JSON text says.

    Raises:
        ValidationError: It is not JSON (the message gives line and column), of another kind,
            or nested too deep.
    """
    try:
        value = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        values = {"line": error.lineno, "column": error.colno, "problem": error.msg}
        text = _("This is not JSON. Line %(line)s, column %(column)s: %(problem)s.")
        raise ValidationError(text % values) from error
    except RecursionError as error:
        raise ValidationError(_("This is nested too deep.")) from error
    except ValueError as error:
        raise ValidationError(_("This is not JSON: %(why)s.") % {"why": error}) from error
    if not isinstance(value, kind):
        raise ValidationError(_kinds()[kind])
    if _is_deep(value):
        raise ValidationError(_("This is nested too deep."))
    return value


def _kinds() -> dict[type, str]:
    return {
        list: _("Positional arguments are a list, such as [1, 2]."),
        dict: _('Keyword arguments are an object, such as {"limit": 2}.'),
    }


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def _is_deep(value: Any) -> bool:
    level = [value]
    for _level in range(DEEPEST):
        level = [item for held in level for item in _items(held)]
        if not level:
            return False
    return True


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


class Difference(NamedTuple):
    """One value that was changed."""

    path: str
    #: As JSON; empty when there was, or is, none.
    old: str
    new: str


def differences(old: Any, new: Any, path: str) -> list[Difference]:
    """Return the first changes between two JSON values; secrets are masked."""
    found = list(_differences(editable(old), editable(new), path))
    if not found and old != new:
        return [Difference(path, _("masked values"), _("other masked values"))]
    return found[:SHOWN]


_NOTHING = object()


def _differences(old: Any, new: Any, path: str) -> Iterator[Difference]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            was, becomes = old.get(key, _NOTHING), new.get(key, _NOTHING)
            yield from _differences(was, becomes, f"{path}.{key}")
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            was, becomes = (v[index] if index < len(v) else _NOTHING for v in (old, new))
            yield from _differences(was, becomes, f"{path}[{index}]")
    elif old != new or type(old) is not type(new):
        yield Difference(path, _short(old), _short(new))


def _short(value: Any) -> str:
    return "" if value is _NOTHING else Truncator(written(value, indent=None)).chars(LENGTH)
