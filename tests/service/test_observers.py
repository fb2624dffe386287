"""Logs, metrics and traces: what they hold, and what they never hold."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import prometheus_client
import pytest
from grpc import aio
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk, CreateChatCompletionRequest
from chatpb import json_to_wire
from chatpb._wire.write import delimited, tag
from chatpb.service import (
    AsyncClient,
    Call,
    EchoBackend,
    FunctionBackend,
    JsonFormatter,
    Limits,
    LogObserver,
    Outcome,
    PrometheusObserver,
    Server,
    ServiceError,
    SumRepeats,
    TraceObserver,
)
from chatpb.service._grpc_backend import CREATE, STREAM
from chatpb.service._observers import TextFormatter
from chatpb.service.gateway import gateway
from tests.service.fake_upstream import HttpExchange
from tests.service.service_stack import QUESTION, Outcomes, hops, http_client, run, serve_http, stack

JSON = {"content-type": "application/json"}
SECRET = {**QUESTION, "messages": [{"role": "user", "content": "very private"}]}


def test_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "chatpb.service")

    async def main() -> None:
        async with Server(
            EchoBackend(), listen="127.0.0.1:0", observers=[LogObserver()], tokens=["sk-right"]
        ) as server:
            target = f"127.0.0.1:{server.port}"
            async with AsyncClient(target, token="sk-right") as client, AsyncClient(target, token="sk-wrong") as wrong:
                await client.create(SECRET, metadata={"x-request-id": "r-1"})
                assert [chunk async for chunk in client.stream(SECRET)]
                with pytest.raises(ServiceError):
                    await wrong.create(SECRET)

    run(main())
    lines = [JsonFormatter().format(record) for record in caplog.records if record.name == "chatpb.service"]
    facts = [json.loads(line) for line in lines]
    assert [(fact["method"], fact["status"], fact["code"]) for fact in facts] == [
        ("create", 200, "OK"),
        ("stream", 200, "OK"),
        ("create", 401, "UNAUTHENTICATED"),
    ]
    assert facts[0]["request_id"] == "r-1"
    assert facts[0]["received_bytes"] > 10
    assert facts[1]["chunks"] == 4
    assert len(facts[1]["request_id"]) == 32
    assert not any(word in line for line in lines for word in ("private", "sk-", "Bearer"))


def test_times_and_levels_in_logs(caplog: pytest.LogCaptureFixture) -> None:
    """The times are those of the call; failures of the service are errors, those of callers are not."""
    caplog.set_level(logging.INFO, "chatpb.service")

    class Slow(EchoBackend):
        async def create(self, request: bytes, call: Call) -> bytes:
            await asyncio.sleep(0.2)
            if call.metadata["x-request-id"] in ("400", "503"):
                raise ServiceError.of(int(call.metadata["x-request-id"]), "No.")
            return await super().create(request, call)

        async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
            async for chunk in super().stream(request, call):
                yield chunk
                await asyncio.sleep(0.1)

    async def main() -> None:
        app = gateway(Slow(), observers=[LogObserver()])
        async with serve_http(app) as url, http_client() as client:
            for number in ("200", "400", "503", "x" * 300):
                await client.post(f"{url}/v1/chat/completions", json=QUESTION, headers={"x-request-id": number})
            streamed = await client.post(f"{url}/v1/chat/completions", json={**QUESTION, "stream": True})
            # Proxies hold nothing back.
            assert (streamed.headers["x-accel-buffering"], streamed.headers["cache-control"]) == ("no", "no-cache")

    run(main())
    records = [record for record in caplog.records if record.name == "chatpb.service"]
    assert [record.levelname for record in records] == ["INFO", "INFO", "ERROR", "INFO", "INFO"]
    *calls, cut, stream = [json.loads(JsonFormatter().format(record)) for record in records]
    assert all(call["seconds"] >= 0.19 for call in calls)
    assert calls[0]["first_seconds"] >= 0.19
    assert calls[1]["first_seconds"] is None
    assert cut["request_id"] == "x" * 200
    assert stream["seconds"] - stream["first_seconds"] >= 0.09
    assert stream["sent_bytes"] > stream["chunks"] * 100


@hops
@pytest.mark.parametrize("is_stream", [False, True])
def test_callers_who_leave_are_counted_so(is_stream: bool, hops: str) -> None:
    """As 499, by each service; a deadline that passes is another matter."""
    outcomes = Outcomes()

    async def main() -> None:
        asked = asyncio.Event()

        async def answer(exchange: HttpExchange) -> None:
            asked.set()
            await exchange.until_closed()

        observers = {"observers": [outcomes]}
        async with stack(answer, hops, server=observers, front=observers) as up:
            asking = asyncio.ensure_future(up.post({**QUESTION, "stream": is_stream}))
            await asked.wait()
            asking.cancel()
            while len(outcomes.ended) < (1 if hops == "one hop" else 2):
                await asyncio.sleep(0.01)

    run(main())
    assert [(outcome.status, outcome.code) for outcome in outcomes.ended] == [(499, "CANCELLED")] * len(outcomes.ended)


def test_metrics() -> None:
    observer = PrometheusObserver(prometheus_client.CollectorRegistry())

    class Slow(EchoBackend):
        async def create(self, request: bytes, call: Call) -> bytes:
            await asyncio.sleep(0.06)
            return await super().create(request, call)

    received: list[int] = []
    sent: list[int] = []

    async def main() -> str:
        app = gateway(Slow(), observers=[observer])
        async with serve_http(app) as url, http_client() as client:
            for stream in (False, True):
                response = await client.post(f"{url}/v1/chat/completions", json={**SECRET, "stream": stream})
                assert response.status_code == 200
                received.append(len(response.request.content))
                sent.append(len(response.content.removesuffix(b"data: [DONE]\n\n")))
            packed = gzip.compress(b"{" + b" " * 1000)  # no request, but it came
            response = await client.post(
                f"{url}/v1/chat/completions", content=packed, headers={**JSON, "content-encoding": "gzip"}
            )
            assert response.status_code == 400
            received.append(1001)
            assert (await client.get(f"{url}/metrics")).status_code == 404
            return prometheus_client.generate_latest(observer.registry).decode()

    text = run(main())
    for outcome in ("written", "lost"):  # also before there is one: a rate needs two values
        assert f'chatpb_records_total{{outcome="{outcome}"}} 0.0' in text
    assert 'chatpb_calls_total{code="OK",method="create"} 1.0' in text
    assert 'chatpb_calls_total{code="OK",method="stream"} 1.0' in text
    assert 'chatpb_open_calls{method="stream"} 0.0' in text
    assert "chatpb_chunks_total 4.0" in text
    assert "chatpb_first_chunk_seconds_count 1.0" in text
    sums = dict(re.findall(r"^chatpb_(\w+_seconds_sum\S*) (\S+)$", text, re.MULTILINE))
    for name in ('call_seconds_sum{method="create"}', 'call_seconds_sum{method="stream"}', "first_chunk_seconds_sum"):
        assert float(sums[name]) >= 0.05
    sizes = dict(re.findall(r"^chatpb_(sent|received)_bytes_total (\S+)$", text, re.MULTILINE))
    assert (float(sizes["sent"]), float(sizes["received"])) == (sum(sent), sum(received))
    assert "private" not in text


def test_bytes_over_grpc_are_those_of_its_messages() -> None:
    outcomes = Outcomes()

    async def main() -> None:
        async with (
            Server(EchoBackend(), listen="127.0.0.1:0", observers=[outcomes]) as server,
            aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        ):
            request = json_to_wire(json.dumps(SECRET), CreateChatCompletionRequest)
            create: Any = channel.unary_unary(CREATE)
            stream: Any = channel.unary_stream(STREAM)
            answer = await create(request)
            chunks = [chunk async for chunk in stream(request)]
        sizes = [(each.received, each.sent, each.chunks) for each in outcomes.ended]
        assert sizes == [(len(request), len(answer), 0), (len(request), sum(map(len, chunks)), len(chunks))]

    run(main())


def test_an_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins as that of a call that went well and sent nothing; times are from its start."""
    clock = [10.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[-1])
    outcome = Outcome("stream", _started=10.0)

    def shown() -> list[Any]:
        return [
            outcome.status,
            outcome.code,
            outcome.received,
            outcome.sent,
            outcome.chunks,
            outcome.first,
            outcome.seconds,
        ]

    assert shown() == [200, "OK", 0, 0, 0, None, 0.0]
    for now, chunks in ((25.0, 1), (40.0, 3)):
        clock.append(now)
        outcome.send(5, chunks)
    clock.append(45.0)
    outcome.end()
    assert shown() == [200, "OK", 0, 10, 4, 15.0, 35.0]


@pytest.mark.parametrize(("status", "level"), [(200, "INFO"), (499, "INFO"), (500, "ERROR"), (504, "ERROR")])
def test_the_record_of_a_call(status: int, level: str) -> None:
    """It goes to the logger that the observer was given, with times in microseconds."""
    records: list[Any] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger = logging.Logger("mine")
    logger.addHandler(Kept())
    outcome = Outcome("create", status, first=0.1234567, seconds=2.7654321)
    LogObserver(logger).start("create", Call({"x-request-id": "r"}))(outcome)
    (record,) = records
    assert (record.levelname, record.facts["first_seconds"], record.facts["seconds"]) == (level, 0.123457, 2.765432)


def failed() -> logging.LogRecord:
    """Return the record of a task that failed, as asyncio logs it."""
    try:
        raise KeyError("private")
    except KeyError as error:
        info = (type(error), error, error.__traceback__)
    message = "Task exception was never retrieved\nfuture: <Task finished exception=KeyError('private')>"
    return logging.LogRecord("asyncio", logging.ERROR, "", 0, message, None, info)


def test_logs_have_where_an_exception_arose_and_not_its_text() -> None:
    where = r"test_observers.py:\d+ failed"
    text = TextFormatter("%(levelname)s %(message)s").format(failed())
    assert re.fullmatch(rf"ERROR Task exception was never retrieved \(KeyError\)\n  \S*{where}", text)
    line = json.loads(JsonFormatter().format(failed()))
    assert (line["message"], line["level"]) == ("Task exception was never retrieved (KeyError)", "error")
    (place,) = line["where"]
    assert re.search(f"{where}$", place)
    for name in ("uvicorn.error", "app"):
        plain = logging.LogRecord(name, logging.WARNING, "", 0, "a\nb %d", (1,), None)
        assert TextFormatter("%(message)s").format(plain) == "a\nb 1"
        assert "where" not in json.loads(JsonFormatter().format(plain))


def test_metrics_count_the_fields_that_json_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an answer that comes whole, one that is split for a caller who asks for a stream, and one put together."""
    monkeypatch.setattr("chatpb._known_json._counts", Counter())
    observer = PrometheusObserver(prometheus_client.CollectorRegistry())
    newer = delimited(tag(1000, 2), b"of a newer contract")
    whole = ChatCompletion.FromString(ChatCompletion(id="c").SerializeToString() + newer)
    chunk = ChatCompletionChunk.FromString(ChatCompletionChunk(id="c").SerializeToString() + newer)

    async def answer(request: CreateChatCompletionRequest) -> ChatCompletion:
        return whole

    async def answer_in_pieces(request: CreateChatCompletionRequest) -> AsyncIterator[ChatCompletionChunk]:
        yield chunk
        yield chunk

    async def main() -> str:
        for backend in (answer, answer_in_pieces):
            async with (
                serve_http(gateway(FunctionBackend(backend), observers=[observer])) as url,
                http_client() as client,
            ):
                for stream in (False, True):
                    response = await client.post(f"{url}/v1/chat/completions", json={**QUESTION, "stream": stream})
                    assert response.status_code == 200
        return prometheus_client.generate_latest(observer.registry).decode()

    text = run(main())
    assert 'chatpb_unknown_fields_total{field="1000",message="chatcompletion.v1.ChatCompletion"} 2.0' in text
    assert 'chatpb_unknown_fields_total{field="1000",message="chatcompletion.v1.ChatCompletionChunk"} 4.0' in text


def test_requests_that_cannot_be_read_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "chatpb.service")

    async def main() -> None:
        app = gateway(EchoBackend(), observers=[LogObserver()], limits=Limits(message=100))
        async with serve_http(app) as url, http_client() as client:
            for body in (b"{", b" " * 101):
                await client.post(f"{url}/v1/chat/completions", content=body, headers=JSON)

    run(main())
    assert [record.facts["status"] for record in caplog.records if record.name == "chatpb.service"] == [400, 413]  # type: ignore[attr-defined]


def test_warnings_that_repeat_are_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of a kind passes each second, whatever its further lines say. Records of calls always pass."""
    now = 0.0
    monkeypatch.setattr("chatpb.service._observers.time.monotonic", lambda: now)
    summed = SumRepeats()
    passed = []
    for number in range(30):
        now = 100 + number / 10
        record = logging.LogRecord("asyncio", logging.ERROR, "", 0, f"no more files\nsocket {number}", None, None)
        if summed.filter(record):
            passed.append(record.getMessage())
    assert passed == [
        "no more files\nsocket 0",
        "no more files (9 more like it before)\nsocket 10",
        "no more files (9 more like it before)\nsocket 20",
    ]
    now = 250.0
    late = logging.LogRecord("asyncio", logging.ERROR, "", 0, "no more files\nsocket 9", None, None)
    assert summed.filter(late)
    assert late.getMessage() == "no more files (9 more like it before)\nsocket 9"
    other = logging.LogRecord("asyncio", logging.WARNING, "", 0, "another", None, None)
    third = logging.LogRecord("asyncio", logging.ERROR, "", 0, "a third", None, None)
    call = logging.LogRecord("chatpb.service", logging.ERROR, "", 0, "%s", ("create",), None)
    call.facts = {}
    info = logging.LogRecord("asyncio", logging.INFO, "", 0, "another", None, None)
    assert [summed.filter(each) for each in (other, other, third, call, call, info, info)] == [
        True,
        False,
        True,
        True,
        True,
        True,
        True,
    ]


class KeptSpans(SpanExporter):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS


def test_traces_go_on_through_both_hops() -> None:
    kept = KeptSpans()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))

    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(b'{"error":{"message":"private"}}', 500)

    async def main() -> str:
        observers = {"observers": [TraceObserver(provider)]}
        async with stack(answer, server=observers, front=observers) as up:
            given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
            assert (await up.post(SECRET, traceparent=given)).status_code == 500
            return up.upstream.seen[0].headers["traceparent"]

    sent = run(main())
    server, front = kept.spans
    assert server.context
    assert front.context
    assert server.parent
    assert front.parent
    assert f"{front.context.trace_id:x}" == "af7651916cd43dd8448eb211c80319c"
    assert f"{front.parent.span_id:x}" == "b7ad6b7169203331"
    assert server.parent.span_id == front.context.span_id
    assert sent == f"00-0af7651916cd43dd8448eb211c80319c-{server.context.span_id:016x}-01"
    found: Any = server.attributes
    assert (found["http.response.status_code"], found["error.type"]) == (500, "INTERNAL")
    assert "private" not in server.to_json()


@pytest.mark.parametrize(("status", "code", "fails"), [(200, "OK", False), (404, "NOT_FOUND", False), (499, "CANCELLED", False),
                                                       (500, "INTERNAL", True), (504, "DEADLINE_EXCEEDED", True)])  # fmt: skip
def test_the_span_of_a_call_fails_where_the_service_does(status: int, code: str, fails: bool) -> None:
    kept = KeptSpans()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    outcome = Outcome("stream", chunks=2)
    outcome.fail(status, code)
    TraceObserver(provider).start("stream", Call())(outcome)
    (span,) = kept.spans
    expected = {
        "rpc.system": "grpc",
        "rpc.service": "chatcompletion.v1.ChatCompletionService",
        "rpc.method": "stream",
        "http.response.status_code": status,
        "chatpb.chunks": 2,
        **({"error.type": code} if fails else {}),
    }
    assert (span.name, span.attributes, span.status.is_ok) == ("chat stream", expected, not fails)
