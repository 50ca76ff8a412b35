"""Results in Redis: many of them in two round trips, where Celery takes two for each."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from celery import states
from celery.exceptions import TaskRevokedError

if TYPE_CHECKING:
    from collections.abc import Sequence


def is_redis(backend: Any) -> bool:
    """Whether a result backend is Celery's for Redis, or one derived from it."""
    module = sys.modules.get("celery.backends.redis")  # nobody else has imported it
    return module is not None and isinstance(backend, module.RedisBackend)


def revoke_all(backend: Any, requests: Sequence[Any]) -> None:
    """Set the results of these calls to REVOKED; a success stays, as with Celery.

    Args:
        backend: One of which :func:`is_redis` is true.
        requests: Contexts of tasks, each with its id.

    Raises:
        Exception: Whatever the client raises.  Some may have been written.
    """
    keys = [backend.get_key_for_task(request.id) for request in requests]
    known = backend.mget(keys)
    meta = _Meta(backend)
    with backend.client.pipeline(transaction=False) as pipe:
        for key, request, stored in zip(keys, requests, known, strict=True):
            if stored and backend.decode_result(stored)["status"] == states.SUCCESS:
                continue
            value = backend.encode(meta.of(request))
            pipe.set(key, value, ex=backend.expires or None)
            pipe.publish(key, value)  # to those who wait for it
        pipe.execute()


class _Meta:
    """What is stored of cancelled calls; Celery is asked once for those that are alike."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.error = backend.encode_result(TaskRevokedError("cancelled"), states.REVOKED)
        self.is_extended = bool(backend.app.conf.result_extended)
        self._known: dict[tuple[Any, Any], dict[str, Any]] = {}

    def of(self, request: Any) -> dict[str, Any]:
        if self.is_extended:
            return {**self._made(request), "task_id": request.id}
        alike = (request.group, request.parent_id)
        if alike not in self._known:
            self._known[alike] = self._made(request)
        return {**self._known[alike], "task_id": request.id}

    def _made(self, request: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.backend._get_result_meta(  # noqa: SLF001 - what a result looks like is for Celery to say
            result=self.error, state=states.REVOKED, traceback=None, request=request
        )
        return made
