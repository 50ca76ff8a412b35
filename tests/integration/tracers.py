"""The libraries that follow a request into its tasks, installed as their manuals say."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import celery
import celery.app.trace
import pytest
import sentry_sdk
import structlog
from billiard.pool import Worker
from celery import Celery, signals
from celery.worker.consumer import consumer
from kombu import Producer
from opentelemetry import trace
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from sentry_sdk.envelope import Envelope


class Tracer(Protocol):
    """A library, as a test sees it."""

    def installed(self) -> AbstractContextManager[None]:
        """Install it in this process, and take it away again."""

    def request(self) -> AbstractContextManager[str]:
        """Serve a request; yield the id by which the library knows it."""

    def current(self) -> str | None:
        """Return that id, where the library knows it."""


@contextmanager
def _receivers_restored() -> Iterator[None]:
    """Take away what is connected to Celery's signals in this block."""
    known = [each for each in vars(signals).values() if isinstance(each, signals.Signal)]
    before = [list(signal.receivers) for signal in known]
    yield
    for signal, receivers in zip(known, before, strict=True):
        signal.receivers[:] = receivers
        signal.sender_receivers_cache.clear()


class OpenTelemetry:
    """OpenTelemetry's instrumentation of Celery, with its exporter in memory."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._provider = TracerProvider()
        self._provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @contextmanager
    def installed(self) -> Iterator[None]:
        instrumentor = CeleryInstrumentor()  # type: ignore[no-untyped-call]
        instrumentor.instrument(tracer_provider=self._provider)
        yield
        instrumentor.uninstrument()

    @contextmanager
    def request(self) -> Iterator[str]:
        with self._provider.get_tracer("web").start_as_current_span("GET /"):
            yield self.current()

    def current(self) -> str:
        return trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)

    def spans(self) -> list[Any]:
        """Return what was exported, in the order of the beginnings."""
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)


class _Kept(Transport):
    """A transport that keeps what it is to send."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        for item in envelope.items:
            event = item.get_transaction_event() or item.get_event()
            if event is not None:
                self.events.append(dict(event))


class Sentry:
    """Sentry's SDK with its integration for Celery, which patches Celery's classes."""

    #: What it patches, for good.
    PATCHED = (
        (celery.Task, "apply_async"), (Celery, "send_task"), (celery.app.trace, "build_tracer"),
        (Worker, "workloop"), (Producer, "publish"),
    )  # fmt: skip

    def __init__(self) -> None:
        self._transport = _Kept()

    @contextmanager
    def installed(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for owner, name in self.PATCHED:
                patch.setattr(owner, name, getattr(owner, name))
            patch.setattr(sentry_sdk.integrations, "_processed_integrations", set())
            sentry_sdk.init(
                dsn="https://key@sentry.invalid/1",
                transport=self._transport,
                default_integrations=False,
                auto_enabling_integrations=False,
                integrations=[CeleryIntegration()],
                traces_sample_rate=1.0,
            )
            # A worker imports it after the project has called ``init``.
            patch.setattr(consumer, "build_tracer", celery.app.trace.build_tracer)
            yield
            sentry_sdk.get_global_scope().set_client(None)

    @contextmanager
    def request(self) -> Iterator[str]:
        with sentry_sdk.isolation_scope(), sentry_sdk.start_transaction(op="http", name="GET /"):
            yield self.current()

    def current(self) -> str:
        return (sentry_sdk.get_traceparent() or "").split("-")[0]

    def transactions(self, name: str) -> list[dict[str, Any]]:
        """Return the transactions of this name, in order."""
        return [event for event in self._transport.events if event.get("transaction") == name]


class StructLog:
    """django-structlog, whose request ids are bound to the log of a task."""

    @contextmanager
    def installed(self) -> Iterator[None]:
        structlog.configure(processors=[_drop])
        with _receivers_restored():
            _structlogs_receiver().connect_worker_signals()
            yield
        structlog.reset_defaults()

    @contextmanager
    def request(self) -> Iterator[str]:
        request_id = str(uuid4())
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            yield request_id

    def current(self) -> str | None:
        return structlog.contextvars.get_contextvars().get("request_id")


@cache
def _structlogs_receiver() -> Any:
    """Return the receiver of the process: Celery 5.5 forgets the others with one that dies."""
    from django_structlog.celery.receivers import CeleryReceiver  # noqa: PLC0415 - needs settings

    return CeleryReceiver()


def _drop(*_: Any) -> Any:
    raise structlog.DropEvent


class Guid:
    """django-guid with its integration for Celery."""

    @contextmanager
    def installed(self) -> Iterator[None]:
        pytest.importorskip("django_guid", reason="django-guid refuses Django 6 on Python 3.12")
        from django_guid.config import settings  # noqa: PLC0415 - as above
        from django_guid.integrations.celery import CeleryIntegration as Integration  # noqa: PLC0415

        with _receivers_restored(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(settings, "settings", {"INTEGRATIONS": [Integration()]})
            from django_guid.integrations.celery import signals as receivers  # noqa: PLC0415 - it connects

            send = receivers.publish_task_from_worker_or_request
            signals.before_task_publish.connect(send)
            signals.task_prerun.connect(receivers.worker_prerun)
            signals.task_postrun.connect(receivers.clean_up)
            yield

    @contextmanager
    def request(self) -> Iterator[str]:
        from django_guid import clear_guid, set_guid  # noqa: PLC0415 - as above

        guid = uuid4().hex
        set_guid(guid)
        yield guid
        clear_guid()

    def current(self) -> str | None:
        from django_guid import get_guid  # noqa: PLC0415 - as above

        guid: str | None = get_guid()
        return guid
