"""Limits: the options that a call may have, looked at where it is written.

An option with a value that no broker takes and no database holds would otherwise fail later:
when the message is sent, or in the end of the job before it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from kombu import compression, serialization

from celery_jobman.core import priorities
from celery_jobman.core.encoding import clean
from celery_jobman.core.terms import check_moment, check_queue
from celery_jobman.exceptions import OptionRefused
from celery_jobman.models.job import NAME_LENGTH
from celery_jobman.runtime import option_names

#: The longest duration: a thousand years.
LONGEST = timedelta(days=365_250)
#: The greatest number that a column of every database holds.
GREATEST = 2**31 - 1


def check(options: Mapping[str, Any]) -> None:
    """Refuse options of a call that cannot be kept.

    Raises:
        OptionRefused: The message names the first of them, and says what it may be.

    One whose name nobody knows is a :class:`~celery_jobman.exceptions.TaskWarning`.
    """
    option_names.check(options)
    for name, refuse in CHECKS.items():
        value = options.get(name)
        if value is None:
            continue
        try:
            refuse(name, value)
        except OptionRefused:
            raise
        except ValueError as error:
            raise OptionRefused(name, value, error) from error


def tamed(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the names in a message of somebody else's, as a row can hold them.

    They cannot be refused: the message is here, and is executed.
    """
    names = {name: options.get(name) for name in ("root_id", "group_id", "shadow")}
    return {name: clean(str(text), NAME_LENGTH) for name, text in names.items() if text is not None}


def duration(name: str, value: Any) -> timedelta:
    """Return a number of seconds as a duration.

    Raises:
        OptionRefused: It is no number, or of more than a thousand years.
    """
    try:
        found = timedelta(seconds=float(value))
    except (TypeError, ValueError, OverflowError):
        found = None
    if found is None or abs(found) > LONGEST:
        advice = "give a number of seconds, of at most 1,000 years"
        raise OptionRefused(name, value, advice)
    return found


def _moment(name: str, value: Any) -> None:
    if isinstance(value, int | float):
        duration(name, value)
        return
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, datetime):
        raise OptionRefused(name, value, "give an aware datetime, or ISO 8601 text of one")
    check_moment(name, found)


def _text(name: str, value: Any) -> None:
    text = value if isinstance(value, str) else str(value)
    if len(text) > NAME_LENGTH or not _is_storable(text):
        advice = f"give a text of at most {NAME_LENGTH} characters, without NUL and surrogates"
        raise OptionRefused(name, value, advice)


def _task_id(name: str, value: Any) -> None:
    if not str(value):
        raise OptionRefused(name, value, "leave it out to be given one")
    _text(name, value)


def _is_storable(text: str) -> bool:
    """Whether a database takes a text: PostgreSQL knows no NUL, and no encoding surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _queue(_name: str, value: Any) -> None:
    check_queue(getattr(value, "name", value))


def _tags(name: str, value: Any) -> None:
    listed = isinstance(value, Iterable) and not isinstance(value, str | Mapping)
    if not listed or not all(isinstance(each, str) for each in value):
        raise OptionRefused(name, value, "give a list of texts")
    _stored(name, list(value))


def _mapping(name: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise OptionRefused(name, value, "give a dict")


def _attribs(name: str, value: Any) -> None:
    _mapping(name, value)
    _stored(name, value)


def _stored(name: str, value: Any) -> None:
    """Refuse what no JSON column takes."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise OptionRefused(name, value, f"it is no JSON: {error}") from error
    if not all(_is_storable(text) for text in _texts(value)):
        raise OptionRefused(name, value, "write it without NUL and surrogates")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _serializer(name: str, value: Any) -> None:
    known = serialization.registry.name_to_type
    if value not in known:
        raise OptionRefused(name, value, f"kombu knows {', '.join(sorted(known))}")


def _compression(name: str, value: Any) -> None:
    try:
        compression.get_encoder(value)
    except KeyError:
        known = ", ".join(sorted(compression.encoders()))
        raise OptionRefused(name, value, f"kombu knows {known}") from None


def _priority(_name: str, value: Any) -> None:
    priorities.check(value)


def _count(name: str, value: Any) -> None:
    if not isinstance(value, int) or not 0 <= value <= GREATEST:
        raise OptionRefused(name, value, f"give a whole number from 0 to {GREATEST:,}")


def _owner(name: str, value: Any) -> None:
    key = getattr(value, "pk", value)
    try:
        users: Any = get_user_model()
        if key is None or users._meta.pk.to_python(key) is None:  # noqa: SLF001
            raise OptionRefused(name, value, "save the user first")
    except ValidationError as error:
        reason = f"give a user or the key of one: {' '.join(error.messages)}"
        raise OptionRefused(name, value, reason) from error


CHECKS: Mapping[str, Callable[[str, Any], object]] = MappingProxyType(
    {
        "countdown": duration,
        "eta": _moment,
        "expires": _moment,
        "time_limit": duration,
        "soft_time_limit": duration,
        "priority": _priority,
        "queue": _queue,
        "routing_key": _text,
        "task_id": _task_id,
        "root_id": _text,
        "group_id": _text,
        "shadow": _text,
        "group_index": _count,
        "retries": _count,
        "owner": _owner,
        "tags": _tags,
        "attribs": _attribs,
        "headers": _mapping,
        "serializer": _serializer,
        "compression": _compression,
    }
)


def check_name(name: str, value: Any) -> None:
    """Refuse a name that no database takes.

    Raises:
        OptionRefused: It is no text of at most 255 characters, or has NUL or surrogates in it.
    """
    if not isinstance(value, str):
        raise OptionRefused(name, value, "give a text")
    _text(name, value)


_OF_ONE_CALL = "it belongs to one call of apply_async; leave it out of a workflow"
_ONCE = "there are several jobs; give it to one of its members"

#: Options without a meaning for a member of a durable workflow, and what to do instead.
NOT_OF_MEMBERS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("producer", "publisher", "connection", "router"), _OF_ONE_CALL),
        **dict.fromkeys(("result_cls", "task_type"), _OF_ONE_CALL),
        "chord": "it is a part of another chord; give a signature of its own",
    }
)
NOT_OF_FLOWS: Mapping[str, str] = MappingProxyType(
    {
        **NOT_OF_MEMBERS,
        "task_id": _ONCE,
        "link": "write what follows as a link of a chain, or with then()",
        "args": "give arguments to dispatch()",
        "kwargs": "give them to the members' signatures",
    }
)
NOT_OF_CALLBACKS: Mapping[str, str] = MappingProxyType(
    {
        **NOT_OF_MEMBERS,
        "task_id": "a callback may be called more than once; leave it out",
        "allow_failure": "nothing waits for a callback; leave it out",
    }
)


def check_place(options: Mapping[str, Any], meaningless: Mapping[str, str]) -> None:
    """Refuse options that cannot be kept where they stand in a workflow.

    Raises:
        OptionRefused: The message names the first of them, and what to do instead.
    """
    for name, advice in meaningless.items():
        if options.get(name) is not None:
            raise OptionRefused(name, options[name], advice)
    if options.get("after_commit") is False:
        advice = "messages of a workflow leave after the commit"
        raise OptionRefused("after_commit", options["after_commit"], advice)
    check(options)
