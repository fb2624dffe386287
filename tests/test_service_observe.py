"""Logs, metrics and traces: what they hold, and what they never hold."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

import httpx
import prometheus_client
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from chatpb.service import (
    AsyncClient,
    EchoBackend,
    JsonFormatter,
    Limits,
    LogObserver,
    PrometheusObserver,
    Server,
    ServiceError,
    TraceObserver,
)
from chatpb.service.gateway import gateway
from service.stack import QUESTION, http, run, stack
from service.upstream import Exchange

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


def test_metrics() -> None:
    observer = PrometheusObserver(prometheus_client.CollectorRegistry())

    async def main() -> str:
        app = gateway(EchoBackend(), observers=[observer])
        async with http(app) as url, httpx.AsyncClient(trust_env=False) as client:
            for stream in (False, True):
                response = await client.post(f"{url}/v1/chat/completions", json={**SECRET, "stream": stream})
                assert response.status_code == 200
            return (await client.get(f"{url}/metrics")).text

    text = run(main())
    assert 'chatpb_calls_total{code="OK",method="create"} 1.0' in text
    assert 'chatpb_calls_total{code="OK",method="stream"} 1.0' in text
    assert 'chatpb_open_calls{method="stream"} 0.0' in text
    assert "chatpb_chunks_total 4.0" in text
    assert "chatpb_first_chunk_seconds_count 1.0" in text
    assert "private" not in text


def test_requests_that_cannot_be_read_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "chatpb.service")

    async def main() -> None:
        app = gateway(EchoBackend(), observers=[LogObserver()], limits=Limits(message=100))
        async with http(app) as url, httpx.AsyncClient(trust_env=False) as client:
            for body in (b"{", b" " * 101):
                await client.post(f"{url}/v1/chat/completions", content=body)

    run(main())
    assert [record.facts["status"] for record in caplog.records if record.name == "chatpb.service"] == [400, 413]  # type: ignore[attr-defined]


class Kept(SpanExporter):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS


def test_traces_go_on_through_both_hops() -> None:
    kept = Kept()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))

    async def answer(exchange: Exchange) -> None:
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
