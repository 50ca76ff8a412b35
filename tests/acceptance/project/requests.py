"""One request of the project that enqueues jobs in every way, under a tracer."""

from __future__ import annotations

from typing import Any

import celery
from django.db import transaction

from celery_jobman import batch, chain
from tests.acceptance.project import tasks


def serve(queue: str, tag: str) -> dict[str, Any]:
    """Enqueue a voyage with this tag, and others; return the trace, and the voyage's id."""
    from tests.acceptance import traces  # noqa: PLC0415 - only here, it takes its time

    touch, failing = tasks.touch.si(tag).set(queue=queue), tasks.failing.si(tag, 2)
    with traces.request(), transaction.atomic():
        voyage = tasks.voyage.apply_async((tag,), queue=queue)
        tasks.quiet.apply_async(("later",), queue=queue, countdown=1)
        batch([failing.set(queue=queue), chain(touch, touch)]).then(touch).dispatch()
        links = [tasks.parcel.si("link").set(queue=queue) for _ in range(2)]
        celery.chain(*links).apply_async()
        return {"trace": traces.current(), "voyage": str(voyage.id)}
