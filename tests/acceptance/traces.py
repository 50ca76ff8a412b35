"""Traces: what the processes of the project tell OpenTelemetry or Sentry, in a file.

Both are installed as in a project, before the worker builds its tracers; they write to a file
what they would send.  An attempt whose process is killed tells them nothing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import sentry_sdk
from opentelemetry import trace
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.transport import Transport

from tests.acceptance import gates

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from opentelemetry.sdk.trace import ReadableSpan
    from sentry_sdk.envelope import Envelope

#: Names the library in the environment of a process.
TRACER: Final = "JOBMAN_ACCEPTANCE_TRACER"

_FILE = "traces.jsonl"
_WEB = "GET /"


class Run(NamedTuple):
    """An attempt that was told: the trace it belongs to, and its task."""

    trace: str
    task: str


def install() -> None:
    """Install in this process the library that its environment names."""
    wanted = os.environ.get(TRACER)
    if wanted == "opentelemetry":
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(_Exporter()))
        trace.set_tracer_provider(provider)
        CeleryInstrumentor().instrument()  # type: ignore[no-untyped-call]
    elif wanted == "sentry":
        sentry_sdk.init(
            dsn="https://key@sentry.invalid/1",
            transport=_Transport(),
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[CeleryIntegration()],
            traces_sample_rate=1.0,
        )


def request() -> AbstractContextManager[Any]:
    """Serve a request: begin a trace."""
    if os.environ[TRACER] == "opentelemetry":
        return trace.get_tracer("web").start_as_current_span(_WEB)
    return sentry_sdk.start_transaction(op="http", name=_WEB)


def current() -> str:
    """Return the id of the trace that is current."""
    if os.environ[TRACER] == "opentelemetry":
        return trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)
    return (sentry_sdk.get_traceparent() or "").split("-")[0]


def runs(folder: Path) -> list[Run]:
    """Return the attempts that were told so far."""
    written = folder / _FILE
    lines = written.read_text().splitlines() if written.exists() else []
    return [Run(*json.loads(line)) for line in lines]


class _Exporter(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            kind, _, task = span.name.partition("/tests.")
            if kind == "run" and span.context is not None:
                _write(trace.format_trace_id(span.context.trace_id), task)
        return SpanExportResult.SUCCESS


class _Transport(Transport):
    def capture_envelope(self, envelope: Envelope) -> None:
        for item in envelope.items:
            event: Any = item.get_transaction_event()
            if event is not None and event["transaction"] != _WEB:
                name = event["transaction"].removeprefix("tests.")
                _write(event["contexts"]["trace"]["trace_id"], name)


def _write(trace_id: str, task: str) -> None:
    with (Path(os.environ[gates.FOLDER]) / _FILE).open("a") as book:
        book.write(f"{json.dumps([trace_id, task.rpartition('.')[2]])}\n")
