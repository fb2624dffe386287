"""Logs, metrics and traces of calls. None of them holds credentials or parts of a conversation.

Names follow OpenTelemetry's semantic conventions where these define one.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from chatpb._extras import extra_for
from chatpb._known_json import unknown_field_counts
from chatpb.service._call import Call

__all__ = [
    "JsonFormatter",
    "LogObserver",
    "Observer",
    "Outcome",
    "PrometheusObserver",
    "SumRepeats",
    "TextFormatter",
    "TraceObserver",
]


@dataclass
class Outcome:
    """How a call went. It is complete when the call has ended.

    Attributes:
        method: "create", "stream", "models", or "other" for what is no call.
        status: the HTTP status.
        code: the name of the gRPC code.
        received: bytes of the request's body as this service got it: JSON over HTTP, decompressed; a message over gRPC.
        sent: bytes of the answer's body that were sent, in the same form; of a stream, those of its chunks.
        chunks: number of chunks that were sent.
        first: seconds until the first chunk, or the whole answer, was sent; None if nothing was sent.
        seconds: how long the call took; 0 until it has ended.

    Examples:
        >>> from chatpb.service import Outcome
        >>> outcome = Outcome("stream")
        >>> outcome.send(120, chunks=3)
        >>> outcome.fail(503, "UNAVAILABLE")
        >>> outcome.status, outcome.sent, outcome.chunks, outcome.seconds
        (503, 120, 3, 0.0)

    """

    method: str
    status: int = 200
    code: str = "OK"
    received: int = 0
    sent: int = 0
    chunks: int = 0
    first: float | None = None
    seconds: float = 0.0
    _started: float = field(default_factory=time.monotonic)

    def send(self, size: int, chunks: int = 0) -> None:
        """Count bytes that are sent: a whole answer, or a number of chunks."""
        if self.first is None:
            self.first = time.monotonic() - self._started
        self.sent += size
        self.chunks += chunks

    def fail(self, status: int, code: str) -> None:
        """Note that the call failed, with an HTTP status and the name of a gRPC code."""
        self.status, self.code = status, code

    def end(self) -> None:
        """Note that the call ended."""
        self.seconds = time.monotonic() - self._started


class Observer(Protocol):
    """Is notified of every call.

    Examples:
        >>> from chatpb.service import Call, Observer, Outcome
        >>> class Printer:
        ...     def start(self, method, call):
        ...         return lambda outcome: print(method, outcome.status)
        ...
        >>> observer: Observer = Printer()
        >>> observer.start("create", Call())(Outcome("create", status=429))
        create 429

    """

    def start(self, method: str, call: Call) -> Callable[[Outcome], None]:
        """Note that a call begins, and return the function to call when it ends."""


class LogObserver:
    """Logs one record for each call. The record's attribute `facts` is a dict, which JsonFormatter writes.

    Examples:
        >>> import logging
        >>> from chatpb.service import Call, LogObserver, Outcome
        >>> logger, handler = logging.Logger("calls"), logging.Handler()
        >>> handler.emit = lambda record: print(record.facts["method"], record.facts["status"])
        >>> logger.addHandler(handler)
        >>> LogObserver(logger).start("create", Call())(Outcome("create"))
        create 200

    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger("chatpb.service")

    def start(self, method: str, call: Call) -> Callable[[Outcome], None]:
        request_id = call.metadata.get("x-request-id", "")

        def finish(outcome: Outcome) -> None:
            level = logging.ERROR if outcome.status >= 500 else logging.INFO
            facts = {
                "method": method,
                "status": outcome.status,
                "code": outcome.code,
                "seconds": round(outcome.seconds, 6),
                "first_seconds": None if outcome.first is None else round(outcome.first, 6),
                "received_bytes": outcome.received,
                "sent_bytes": outcome.sent,
                "chunks": outcome.chunks,
                "request_id": request_id[:200],
            }
            words = (method, outcome.code, outcome.status, outcome.seconds, facts["request_id"])
            self._logger.log(level, "%s %s %d %.3fs %s", *words, extra={"facts": facts})

        return finish


def _words(record: logging.LogRecord) -> str:
    """Return what a record says, without the text of an exception, which may hold a conversation."""
    message = record.getMessage()
    if record.name == "asyncio":  # further lines show tasks, with their exceptions
        message = message.partition("\n")[0]
    kind = record.exc_info[0] if record.exc_info else None
    return f"{message.strip()} ({kind.__name__})" if kind else message


def _where(record: logging.LogRecord) -> list[str]:
    """Return where the exception of a record arose, a place for each line."""
    trace = record.exc_info[2] if record.exc_info else None
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]


class TextFormatter(logging.Formatter):
    """Formats a log record as text, without the text of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        # A copy, since other handlers get the record too.
        shown = logging.makeLogRecord({**vars(record), "msg": _words(record), "args": (), "exc_info": None})
        shown.exc_text = shown.stack_info = None
        return "\n".join([super().format(shown), *(f"  {place}" for place in _where(record))])


class JsonFormatter(logging.Formatter):
    """Formats a log record as one line of JSON, without the text of an exception.

    Examples:
        >>> import json
        >>> import logging
        >>> from chatpb.service import JsonFormatter
        >>> record = logging.LogRecord("app", logging.INFO, "app.py", 1, "ready at %s", ("8080",), None)
        >>> json.loads(JsonFormatter().format(record))["message"]
        'ready at 8080'

    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _words(record),
        }
        if where := _where(record):
            line["where"] = where
        return json.dumps({**line, **getattr(record, "facts", {})})


class SumRepeats(logging.Filter):
    """Sums warnings and errors that repeat: at most one a second of each kind passes, with the number left out.

    Records of calls always pass.

    Examples:
        >>> import logging
        >>> import sys
        >>> from chatpb.service import SumRepeats
        >>> handler = logging.StreamHandler(sys.stdout)
        >>> handler.addFilter(SumRepeats())
        >>> logger = logging.Logger("app")
        >>> logger.addHandler(handler)
        >>> for _ in range(1000):
        ...     logger.warning("the disk is full")
        ...
        the disk is full

    """

    def __init__(self) -> None:
        super().__init__()
        self._left_out: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or hasattr(record, "facts"):
            return True
        kind = (record.name, str(record.msg).partition("\n")[0])  # further lines name objects by their address
        now = time.monotonic()
        until, number = self._left_out.get(kind, (now, 0))
        if now < until:
            self._left_out[kind] = (until, number + 1)
            return False
        self._left_out[kind] = (now + 1, 0)
        if number:
            first, newline, more = str(record.msg).partition("\n")
            record.msg = f"{first} ({number} more like it before){newline}{more}"
        return True


class PrometheusObserver:
    """Counts and times calls for Prometheus (package `prometheus-client`).

    Attributes:
        registry: the registry that holds the metrics: the one given, else the package's own.

    Examples:
        >>> from prometheus_client import CollectorRegistry
        >>> from chatpb.service import Call, Outcome, PrometheusObserver
        >>> registry = CollectorRegistry()
        >>> PrometheusObserver(registry).start("create", Call())(Outcome("create"))
        >>> "chatpb_calls" in {metric.name for metric in registry.collect()}
        True

    """

    _SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

    def __init__(self, registry: Any = None) -> None:
        with extra_for("PrometheusObserver"):
            import prometheus_client as prometheus

        self.registry = registry or prometheus.REGISTRY
        where: dict[str, Any] = {"registry": self.registry}
        buckets: dict[str, Any] = {"buckets": self._SECONDS, **where}
        self._calls = prometheus.Counter("chatpb_calls", "Calls that ended.", ("method", "code"), **where)
        self._open = prometheus.Gauge("chatpb_open_calls", "Calls that are open.", ("method",), **where)
        self._chunks = prometheus.Counter("chatpb_chunks", "Chunks sent.", **where)
        self._received = prometheus.Counter("chatpb_received_bytes", "Bytes of requests.", **where)
        self._sent = prometheus.Counter("chatpb_sent_bytes", "Bytes of answers.", **where)
        self._seconds = prometheus.Histogram("chatpb_call_seconds", "Duration of calls.", ("method",), **buckets)
        self._first = prometheus.Histogram("chatpb_first_chunk_seconds", "Time to the first chunk.", **buckets)
        self._records = prometheus.Counter("chatpb_records", "Records of calls, by outcome.", ("outcome",), **where)
        for outcome in ("written", "lost"):  # from the start, since a rate begins at the second value
            self._records.labels(outcome)
        self.registry.register(_UnknownFieldsCollector())

    def count_records(self, outcome: str, number: int) -> None:
        """Count recorded calls that were "written" or "lost"."""
        self._records.labels(outcome).inc(number)

    def start(self, method: str, call: Call) -> Callable[[Outcome], None]:
        self._open.labels(method).inc()

        def finish(outcome: Outcome) -> None:
            self._open.labels(method).dec()
            self._calls.labels(method, outcome.code).inc()
            self._chunks.inc(outcome.chunks)
            self._received.inc(outcome.received)
            self._sent.inc(outcome.sent)
            self._seconds.labels(method).observe(outcome.seconds)
            if outcome.chunks and outcome.first is not None:
                self._first.observe(outcome.first)

        return finish


class _UnknownFieldsCollector:
    """Gives Prometheus how many messages this process printed as JSON without a field of a newer contract."""

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily

        what = "Messages that became JSON without a field of a newer contract."
        family = CounterMetricFamily("chatpb_unknown_fields", what, labels=("message", "field"))
        for (name, number), count in sorted(unknown_field_counts().items()):
            family.add_metric((name, str(number)), count)
        yield family


class TraceObserver:
    """Makes a span for each call (package `opentelemetry-api`), in the caller's trace, and passes it on upstream.

    Examples:
        >>> from opentelemetry.sdk.trace import TracerProvider
        >>> from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        >>> from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        >>> from chatpb.service import Call, Outcome, TraceObserver
        >>> spans, provider = InMemorySpanExporter(), TracerProvider()
        >>> provider.add_span_processor(SimpleSpanProcessor(spans))
        >>> TraceObserver(provider).start("create", Call())(Outcome("create"))
        >>> len(spans.get_finished_spans())
        1

    """

    def __init__(self, tracer_provider: Any = None) -> None:
        with extra_for("TraceObserver"):
            from opentelemetry import trace
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._trace = trace
        self._tracer = trace.get_tracer("chatpb.service", tracer_provider=tracer_provider)
        self._propagator = TraceContextTextMapPropagator()

    def start(self, method: str, call: Call) -> Callable[[Outcome], None]:
        parent = self._propagator.extract(call.metadata)
        span = self._tracer.start_span(f"chat {method}", context=parent, kind=self._trace.SpanKind.SERVER)
        self._propagator.inject(call.metadata, context=self._trace.set_span_in_context(span))

        def finish(outcome: Outcome) -> None:
            span.set_attribute("rpc.system", "grpc")
            span.set_attribute("rpc.service", "chatcompletion.v1.ChatCompletionService")
            span.set_attribute("rpc.method", method)
            span.set_attribute("http.response.status_code", outcome.status)
            span.set_attribute("chatpb.chunks", outcome.chunks)
            if outcome.status >= 500:
                span.set_attribute("error.type", outcome.code)
                span.set_status(self._trace.StatusCode.ERROR)
            span.end()

        return finish
