"""Recorded calls hold the request, the answer and how the call ended, and never a credential."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import prometheus_client
import pytest

from chatpb import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRecord,
    ChatpbError,
    CreateChatCompletionRequest,
    json_to_wire,
    wire_to_json,
)
from chatpb.service import Call, EchoBackend, GrpcBackend, PrometheusObserver, Server, ServiceError
from chatpb.service._call import forwarded_for
from chatpb.service._recording_backend import RecordingBackend
from chatpb.service.gateway import _peer, gateway
from chatpb.storage import BackgroundRecorder, Recorder
from tests.service.service_stack import (
    QUESTION,
    front_of,
    http_client,
    run,
    serve_http,
)

REQUEST = json_to_wire(json.dumps(QUESTION), CreateChatCompletionRequest)
ANSWER = json_to_wire('{"id":"c1","choices":[]}', ChatCompletion)
CHUNKS = [
    json_to_wire(
        json.dumps({"id": "c1", "model": "m" * 60, "choices": [{"delta": {"content": text}}]}), ChatCompletionChunk
    )
    for text in "abc"
]


class ScriptedBackend:
    """Answers with fixed bodies, unless it is made to wait for ever or to fail before the end."""

    def __init__(self, failure: BaseException | None = None, waits: bool = False) -> None:
        self._failure = failure
        self._waits = waits
        self.begun = asyncio.Event()

    async def create(self, request: bytes, call: Call) -> bytes:
        await self._fail()
        return ANSWER

    async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        for chunk in CHUNKS:
            yield chunk
        await self._fail()

    async def models(self, call: Call) -> bytes:
        return b"{}"

    async def close(self) -> None:
        pass

    async def _fail(self) -> None:
        self.begun.set()
        if self._waits:
            await asyncio.Event().wait()
        if self._failure:
            raise self._failure


def recorded(path: Path, backend: Any, use: Callable[[RecordingBackend], Any], **options: Any) -> list[dict[str, Any]]:
    """Return the records, as JSON values, of the calls that `use` makes."""

    async def main() -> None:
        recording = RecordingBackend(backend, BackgroundRecorder(Recorder(path)), **options)
        try:
            await use(recording)
        finally:
            await recording.close()

    run(main())
    with Recorder(path, read_only=True) as recorder:
        return [json.loads(wire_to_json(each, ChatCompletionRecord)) for each in recorder if isinstance(each, bytes)]


async def ask(backend: RecordingBackend, method: str, call: Call) -> None:
    if method == "create":
        await backend.create(REQUEST, call)
    else:
        [chunk async for chunk in backend.stream(REQUEST, call)]


CALL = {"x-request-id": "r1", "authorization": "Bearer sk-very-secret"}


def test_a_completion(tmp_path: Path) -> None:
    async def use(backend: RecordingBackend) -> None:
        assert await backend.create(REQUEST, Call(dict(CALL), peer="p")) == ANSWER

    (record,) = recorded(tmp_path / "r.db", ScriptedBackend(), use, labels={"site": "x"})
    assert record.pop("start_time") <= record.pop("end_time")
    assert record == {
        "status": 200,
        "request_id": "r1",
        "request": QUESTION,
        "response": {"id": "c1", "choices": []},
        "peer": "p",
        "labels": {"site": "x"},
    }


@pytest.mark.parametrize(
    ("scope", "peer"),
    [
        ({"client": ("127.0.0.1", 5)}, "127.0.0.1:5"),
        ({"client": ("2001:db8::1", 5)}, "[2001:db8::1]:5"),
        ({"client": None}, ""),
        ({}, ""),
    ],
)
def test_the_address_of_a_caller_over_http(scope: dict[str, Any], peer: str) -> None:
    assert _peer(scope) == peer


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("203.0.113.9, 192.0.2.1", "192.0.2.1"),
        ("192.0.2.1 ,[2001:db8::1]:80 ", "[2001:db8::1]:80"),
        ("ipv4:127.0.0.1:5", "ipv4:127.0.0.1:5"),
        ("192.0.2.1,", ""),
        ("", ""),
        ("a b", ""),
        ("x" * 101, ""),
        ("\x1b[31m", ""),
    ],
)
def test_the_address_that_a_proxy_gives(given: str, address: str) -> None:
    assert forwarded_for({"x-forwarded-for": given}) == address
    assert forwarded_for({}) == ""


def test_the_caller_of_a_gateway_is_the_peer_of_its_server(tmp_path: Path) -> None:
    """Also if the gateway passes on what the caller says, which nobody believes."""
    peers: list[str] = []

    class Peers(EchoBackend):
        async def create(self, request: bytes, call: Call) -> bytes:
            peers.append(call.peer)
            return await super().create(request, call)

    async def main() -> None:
        trusts = {"trust_forwarded_for": True}
        for server, front in ((trusts, {}), (trusts, {"forward": ["x-forwarded-for"]}), ({}, {})):
            async with front_of(Peers(), "two hops", server=server, front=front) as up:
                await up.post(QUESTION, x_forwarded_for="192.0.2.1")
        assert [bool(re.fullmatch(r"127\.0\.0\.1:\d+", peer)) for peer in peers[:2]] == [True, True]
        assert re.fullmatch(r"ipv4:127\.0\.0\.1:\d+", peers[2])
        async with front_of(Peers(), "one hop") as up:
            await up.post(QUESTION, x_forwarded_for="192.0.2.1")
        assert re.fullmatch(r"127\.0\.0\.1:\d+", peers[3])

    run(main())


@pytest.mark.parametrize(
    ("given", "peer", "sent"),
    [
        (None, "127.0.0.1:5", "127.0.0.1:5"),
        ("192.0.2.1", "127.0.0.1:5", "192.0.2.1, 127.0.0.1:5"),
        (None, "", None),
        ("192.0.2.1", "", "192.0.2.1"),
        (None, "\u00e9", None),
        ("192.0.2.1", "\u00e9", "192.0.2.1"),
    ],
)
def test_the_address_that_a_gateway_adds(given: str | None, peer: str, sent: str | None) -> None:
    """As proxies do, behind those that came with the call."""
    call = Call({} if given is None else {"x-forwarded-for": given}, peer=peer)
    assert dict(GrpcBackend("127.0.0.1:9")._metadata(call)).get("x-forwarded-for") == sent


def test_a_stream(tmp_path: Path) -> None:
    async def use(backend: RecordingBackend) -> None:
        assert [chunk async for chunk in backend.stream(REQUEST, Call())] == CHUNKS

    (record,) = recorded(tmp_path / "r.db", ScriptedBackend(), use)
    assert record["start_time"] <= record["first_token_time"] <= record["end_time"]
    assert record["status"] == 200
    assert record["stream"]["common"]["id"] == "c1"
    assert [chunk["choices"][0]["delta"]["content"] for chunk in record["stream"]["chunks"]] == ["a", "b", "c"]


def test_times_are_microseconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are those of the system's clock at the start, and from then on those that passed."""
    clock = 1_700_000_000_123_456_789
    passed = 5_000_000_000

    def monotonic_ns() -> int:
        nonlocal passed
        passed += 7_000_999
        return passed

    monkeypatch.setattr(
        "chatpb.service._recording_backend.time", SimpleNamespace(time_ns=lambda: clock, monotonic_ns=monotonic_ns)
    )

    async def use(backend: RecordingBackend) -> None:
        await ask(backend, "stream", Call())

    (record,) = recorded(tmp_path / "r.db", ScriptedBackend(), use)
    start = 1_700_000_000_123_456
    names = ("start_time", "first_token_time", "end_time")
    assert [int(record[name]) for name in names] == [start, start + 7000, start + 14_001]


@pytest.mark.parametrize(("less", "kept"), [(0, 2), (1, 1)])
def test_a_long_stream_is_recorded_up_to_the_limit(less: int, kept: int, tmp_path: Path) -> None:
    limit = 2 * (len(CHUNKS[0]) + 64) - less

    async def use(backend: RecordingBackend) -> None:
        assert [chunk async for chunk in backend.stream(REQUEST, Call())] == CHUNKS

    (record,) = recorded(tmp_path / "r.db", ScriptedBackend(), use, max_stream=limit)
    assert len(record["stream"]["chunks"]) == kept
    assert record["labels"] == {"chatpb.chunks_left_out": str(3 - kept)}


@pytest.mark.parametrize(
    ("method", "failure", "size"),
    [
        ("create", None, len(REQUEST) + len(ANSWER)),
        ("create", ServiceError(429, b"{}"), len(REQUEST) + 2),
        ("stream", None, len(REQUEST) + sum(len(chunk) + 64 for chunk in CHUNKS)),
        ("stream", ServiceError(429, b"{}"), len(REQUEST) + sum(len(chunk) + 64 for chunk in CHUNKS) + 2),
    ],
)
def test_the_bytes_that_a_call_holds_until_it_is_recorded(method: str, failure: Exception | None, size: int) -> None:
    """The queue of the recorder is bounded by them."""
    sizes = []

    class Queue:
        def put(self, make: Callable[[], bytes], size: int) -> None:
            sizes.append(size)

    async def main() -> None:
        backend = RecordingBackend(ScriptedBackend(failure), cast(BackgroundRecorder, Queue()))
        with suppress(ServiceError):
            await ask(backend, method, Call())

    run(main())
    assert sizes == [size]


def test_a_stream_of_a_megabyte_is_recorded_whole(tmp_path: Path) -> None:
    """Unless it is told otherwise."""
    long = json_to_wire(json.dumps({"choices": [{"delta": {"content": "x" * 100_000}}]}), ChatCompletionChunk)

    class Long(ScriptedBackend):
        async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
            for _ in range(10):
                yield long

    async def use(backend: RecordingBackend) -> None:
        await ask(backend, "stream", Call())

    (record,) = recorded(tmp_path / "r.db", Long(), use)
    assert len(record["stream"]["chunks"]) == 10
    assert "labels" not in record


@pytest.mark.parametrize(
    ("failure", "status", "error"),
    [
        (ServiceError(429, b'{"error":{"message":"slow down","code":7}}'), 429, {"message": "slow down", "code": 7}),
        (ServiceError(502, b"<html>"), 502, {"message": "<html>"}),
        (ChatpbError("what was said"), 400, {"message": "The request cannot be read.", "type": "invalid_request_error", "param": None, "code": None}),
        (ServiceError(401, b'{"error":{"message":"no sk-very-secret"}}'), 401, {"message": "no **************"}),
        (ZeroDivisionError("what was said"), 500, {"message": "The service failed.", "type": "server_error", "param": None, "code": None}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["create", "stream"])
def test_failures(failure: Exception, status: int, error: dict[str, Any], method: str, tmp_path: Path) -> None:
    async def use(backend: RecordingBackend) -> None:
        with pytest.raises(type(failure)):
            await ask(backend, method, Call(dict(CALL)))

    (record,) = recorded(tmp_path / "r.db", ScriptedBackend(failure), use)
    assert (record["status"], record["error"]) == (status, {"error": error})
    assert len(record.get("stream", {}).get("chunks", [])) == (3 if method == "stream" else 0)


@pytest.mark.parametrize("method", ["create", "stream"])
@pytest.mark.parametrize(("deadline", "status"), [(None, 499), (0.0, 504)])
def test_cancelled(method: str, deadline: float | None, status: int, tmp_path: Path) -> None:
    async def use(backend: RecordingBackend) -> None:
        call = Call(deadline=deadline)

        task = asyncio.ensure_future(ask(backend, method, call))
        await scripted.begun.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    scripted = ScriptedBackend(waits=True)
    (record,) = recorded(tmp_path / "r.db", scripted, use)
    assert record["status"] == status
    assert "error" not in record


def test_a_stream_that_is_closed_early(tmp_path: Path) -> None:
    async def use(backend: RecordingBackend) -> None:
        chunks = backend.stream(REQUEST, Call())
        assert await anext(chunks) == CHUNKS[0]
        await chunks.aclose()  # type: ignore[attr-defined]

    (record,) = recorded(tmp_path / "r.db", ScriptedBackend(), use)
    assert record["status"] == 499
    assert len(record["stream"]["chunks"]) == 1


def test_what_else_a_backend_can_do(tmp_path: Path) -> None:
    async def use(backend: RecordingBackend) -> None:
        assert await backend.models(Call()) == b"{}"
        assert not hasattr(backend, "check")

    assert recorded(tmp_path / "r.db", ScriptedBackend(), use) == []


@pytest.mark.parametrize("hops", ["gRPC", "HTTP"])
def test_through_the_services(hops: str, tmp_path: Path) -> None:
    observer = PrometheusObserver(prometheus_client.CollectorRegistry())

    async def use(backend: RecordingBackend) -> None:
        if hops == "gRPC":
            async with Server(backend, listen="127.0.0.1:0", tokens=["sk-very-secret"]) as server:
                client = GrpcBackend(f"127.0.0.1:{server.port}")
                await client.create(REQUEST, Call(dict(CALL)))
                await client.close()
        else:
            async with (
                serve_http(gateway(backend, observers=[observer])) as url,
                http_client() as caller,
            ):
                await caller.post(f"{url}/v1/chat/completions", json=QUESTION, headers=CALL)

    async def main() -> None:
        writer = BackgroundRecorder(Recorder(tmp_path / "r.db"), on_count=observer.count_records)
        await use(RecordingBackend(EchoBackend(), writer))
        await asyncio.to_thread(writer.close)

    run(main())
    with Recorder(tmp_path / "r.db", read_only=True) as recorder:
        wire = recorder.get("r1")
    assert wire
    record = json.loads(wire_to_json(wire, ChatCompletionRecord))
    assert record["request"] == QUESTION
    assert record["response"]["id"] == "chatcmpl-echo"
    assert "127.0.0.1:" in record["peer"]
    assert b"secret" not in wire
    value = observer.registry.get_sample_value("chatpb_records_total", {"outcome": "written"})
    assert value == 1
