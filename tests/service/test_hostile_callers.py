"""What callers did to the services that would have stopped them, hurt others or cost the operator."""

from __future__ import annotations

import asyncio
import gzip
import json
import signal
import sys
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import httpx
import psutil
import pytest
from google.api import annotations_pb2
from grpc import aio

from chatcompletion.v1 import CreateChatCompletionRequest, chat_completion_service_pb2
from chatpb import json_to_wire
from chatpb.service import AsyncClient, Call, EchoBackend, GrpcBackend, Limits, Server, ServiceError, _server
from chatpb.service._byte_budget import ByteBudget
from chatpb.service._grpc_backend import CREATE, channel_options
from chatpb.service._grpc_backend import STREAM as STREAM_METHOD
from chatpb.service.gateway import gateway
from tests.service.chatpb_program import Program
from tests.service.fake_upstream import FakeUpstream, HttpExchange
from tests.service.service_stack import (
    CHUNK,
    DEADLINES,
    PATIENCE,
    QUESTION,
    STREAM,
    Outcomes,
    free_port,
    front_of,
    hops,
    http_client,
    run,
    serve_http,
    stack,
)

WIRE = json_to_wire(json.dumps(QUESTION), CreateChatCompletionRequest)
GRPC = tuple(map(int, grpc.__version__.split(".")[:2]))
QUIET = ("--listen", "127.0.0.1:0", "--log", "none")
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


def post(body: bytes) -> bytes:
    return HEAD + b"content-length: %d\r\n\r\n" % len(body) + body


def method(channel: Any, path: str = CREATE) -> Any:
    return channel.unary_unary(path) if path == CREATE else channel.unary_stream(path)


async def until(holds: Any) -> None:
    while not holds():
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(("limit", "served"), [("4096", 3000), ("100", None)])
def test_3000_grpc_calls_at_once(limit: str, served: int | None) -> None:
    """All are served, or refused with the documented status; the metrics count each."""

    async def main() -> None:
        arguments = ("--max-calls", limit, "--metrics", f"127.0.0.1:{free_port()}", *QUIET)
        async with (
            Program("serve", *arguments) as server,
            aio.insecure_channel(server.address, options=channel_options(1 << 20, 1.0)) as channel,
            http_client() as client,
        ):

            async def ask() -> str:
                try:
                    await method(channel)(WIRE, timeout=PATIENCE)
                except aio.AioRpcError as error:
                    return error.code().name
                return "OK"

            found = await asyncio.gather(*[ask() for _ in range(3000)])
            text = (await client.get(f"http://{arguments[3]}/metrics")).text
            counts = {code: found.count(code) for code in set(found)}
            assert counts.keys() <= ({"OK"} if served else {"OK", "UNAVAILABLE"})
            for code, number in counts.items():
                assert f'chatpb_calls_total{{code="{code}",method="create"}} {number}.0' in text

    run(main())


def test_a_server_that_is_down_for_long() -> None:
    """The client tries to connect as often as `reconnect` says; by gRPC's own rules, ten attempts take two minutes."""

    async def main() -> None:
        attempts = 0

        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal attempts
            attempts += 1
            writer.transport.abort()

        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        backend = GrpcBackend(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", reconnect=0.1)
        while attempts < 15:
            with pytest.raises(ServiceError):
                await backend.create(WIRE, Call())
            await asyncio.sleep(0.01)
        await backend.close()
        server.close()

    run(main())


def peak(process: int) -> int:
    """Return the most memory that a process has used, in bytes."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def test_12_clients_send_60_mib_without_a_token() -> None:
    async def main() -> None:
        async with Program("serve", "--token", "right", *QUIET) as server:
            before = peak(server.process.pid)
            body = bytes(60 << 20)

            async def send() -> None:
                options = [*channel_options(64 << 20, 1.0), ("grpc.use_local_subchannel_pool", 1)]
                async with aio.insecure_channel(server.address, options=options) as channel:
                    with pytest.raises(aio.AioRpcError) as caught:
                        await method(channel)(body)
                    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED

            await asyncio.gather(*[send() for _ in range(12)])
            assert peak(server.process.pid) - before < 150 << 20

    run(main())


@pytest.mark.skipif(GRPC < (1, 84), reason="before grpcio 1.84, a message is decompressed before its size is known")
@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_a_compressed_message_of_grpc(compression: grpc.Compression) -> None:
    """It may be as large as the limit when it is decompressed, and takes no more memory if it is larger."""

    async def main() -> None:
        large = {**QUESTION, "messages": [{"role": "user", "content": "x" * 900_000}]}
        wire = json_to_wire(json.dumps(large), CreateChatCompletionRequest)
        async with Program("serve", "--max-message", "1", *QUIET) as server:
            async with aio.insecure_channel(server.address, options=[("grpc.max_send_message_length", -1)]) as channel:
                assert b"xxx" in await method(channel)(wire, compression=compression)
                before = peak(server.process.pid)
                with pytest.raises(aio.AioRpcError) as caught:
                    await method(channel)(bytes(200 << 20), compression=compression)
                assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert peak(server.process.pid) - before < 50 << 20

    run(main())


@hops
@pytest.mark.parametrize("body", [QUESTION, STREAM], ids=["create", "stream"])
def test_bytes_in_flight_have_a_limit(body: dict[str, Any], hops: str) -> None:
    """Requests wait for each other, and all are answered."""
    large = {**body, "messages": [{"role": "user", "content": "x" * 300_000}]}

    class Holding(EchoBackend):
        held = 0
        most = 0

        async def create(self, request: bytes, call: Call) -> bytes:
            self.held += len(request)
            self.most = max(self.most, self.held)
            await asyncio.sleep(0.01)
            self.held -= len(request)
            return await super().create(request, call)

    backend = Holding()
    limits = {"limits": Limits(message=1 << 20, in_flight=1 << 20)}

    async def main() -> None:
        async with front_of(backend, hops, server=limits, front=limits) as front:
            answers = await asyncio.gather(*[front.post(large) for _ in range(20)])
            assert [answer.status_code for answer in answers] == [200] * 20
            assert 300_000 < backend.most <= 1 << 20

    run(main())


@hops
def test_bytes_in_flight_that_nobody_gives_back(hops: str) -> None:
    large = {**QUESTION, "messages": [{"role": "user", "content": "x" * 800}]}

    async def main(seconds: float) -> list[int]:
        asked, may_end = asyncio.Event(), asyncio.Event()

        class Waiting(EchoBackend):
            async def create(self, request: bytes, call: Call) -> bytes:
                asked.set()
                await may_end.wait()
                return await super().create(request, call)

        limits = {"limits": Limits(message=1 << 20, in_flight=1000, body=seconds)}
        async with front_of(Waiting(), hops, **{"front" if hops == "one hop" else "server": limits}) as front:
            first = asyncio.ensure_future(front.post(large))
            await until(lambda: asked.is_set() or first.done())
            if not asked.is_set():
                return [(await first).status_code]
            refused = await front.post(large)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
            may_end.set()
            return [(await first).status_code, (await front.post(large)).status_code]

    # On a slow machine, the bodies themselves may take longer than the first of these times.
    assert any(run(main(seconds)) == [200, 200] for seconds in DEADLINES)


def test_a_byte_budget_is_fair_and_loses_nothing() -> None:
    async def main() -> None:
        budget = ByteBudget(10)
        order: list[int] = []

        async def use(number: int, size: int, holds: int) -> None:
            async with budget.hold(size) as held:
                order.append(number)
                held.shrink(holds)
                await asyncio.sleep(0)

        async def everything() -> None:
            async with budget.hold(1000):
                order.append(-1)

        uses = [asyncio.ensure_future(use(number, 1 + number % 10, 1)) for number in range(30)]
        await asyncio.sleep(0)
        for number in (5, 12, 20):
            uses[number].cancel()
        await asyncio.gather(*uses, return_exceptions=True)
        await everything()
        assert order == [*sorted(set(order) - {-1}), -1]
        assert len(order) >= 28
        async with budget.hold(10):
            late = asyncio.ensure_future(use(99, 1, 1))
            await asyncio.sleep(0)
            assert 99 not in order
        await late

    run(main())


@pytest.mark.parametrize("first", ["leaves", "is given room"])
def test_a_caller_leaves_when_its_turn_comes(first: str) -> None:
    """It ends as cancelled, and what it waited for or was lent is there for others."""

    async def hold(budget: ByteBudget, size: int) -> None:
        async with budget.hold(size):
            pass

    async def main() -> None:
        budget = ByteBudget(10)
        async with budget.hold(10) as held:
            leaver = asyncio.ensure_future(hold(budget, 9))
            await asyncio.sleep(0)
            for step in ("leaves", "is given room") if first == "leaves" else ("is given room", "leaves"):
                leaver.cancel() if step == "leaves" else held.shrink(0)
        with pytest.raises(asyncio.CancelledError):
            await leaver
        async with budget.hold(10):
            late = asyncio.ensure_future(hold(budget, 1))
            await asyncio.sleep(0)
            assert not late.done()
        await late

    run(main())


@pytest.mark.parametrize("path", [CREATE, STREAM_METHOD])
def test_grpc_clients_that_never_read(path: str) -> None:
    """Each is ended and counted."""
    chunk = CHUNK.replace(b'"a"', b'"%b"' % (b"a" * 100_000))
    outcomes = Outcomes()

    class Endless(EchoBackend):
        async def create(self, request: bytes, call: Call) -> bytes:
            return json_to_wire(chunk * 1, CreateChatCompletionRequest) * 100

        async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
            while True:
                yield chunk

    async def main() -> None:
        limits = Limits(send=0.2)
        options = [
            ("grpc.http2.lookahead_bytes", 1024),
            ("grpc.http2.bdp_probe", 0),
            ("grpc.max_receive_message_length", -1),
        ]
        async with (
            Server(Endless(), listen="127.0.0.1:0", limits=limits, observers=[outcomes]) as server,
            aio.insecure_channel(f"127.0.0.1:{server.port}", options=options) as channel,
        ):
            ask: Any = channel.unary_stream(path)
            calls = [ask(WIRE) for _ in range(24)]
            await asyncio.gather(*[call.wait_for_connection() for call in calls])
            await until(lambda: len(outcomes.ended) == 24)
            assert {outcome.status for outcome in outcomes.ended} == {499}
            for call in calls:
                call.cancel()

    run(main())


@pytest.mark.parametrize("body", [QUESTION, STREAM], ids=["create", "stream"])
def test_http_clients_that_never_read(body: dict[str, Any]) -> None:
    async def answer(exchange: HttpExchange) -> None:
        if exchange.request.get("stream"):
            await exchange.begin_stream()
            while True:
                await exchange.send_event(CHUNK.replace(b'"a"', b'"%b"' % (b"a" * 10_000)))
        await exchange.answer(json.dumps({"choices": [], "x": "x" * (8 << 20)}).encode())

    async def main() -> None:
        async with (
            FakeUpstream(answer).serve() as upstream,
            Program("gateway", "--backend", f"openai:{upstream.url}", "--send-timeout", "0.3", *QUIET) as front,
        ):
            host, port = front.address.split(":")
            writers = []
            for _ in range(24):
                _, writer = await asyncio.open_connection(host, int(port), limit=1 << 10)
                writer.write(post(json.dumps(body).encode()))
                writers.append(writer)
            process = psutil.Process(front.process.pid)
            await until(lambda: len(upstream.seen) == 24)
            await until(lambda: not connections(process, int(port)))
            for writer in writers:
                writer.transport.abort()

    run(main())


def connections(process: psutil.Process, port: int) -> list[Any]:
    """Return a process's connections that callers made to a port."""
    found = process.net_connections("tcp")
    return [each for each in found if each.laddr.port == port and each.status == "ESTABLISHED"]


@pytest.mark.parametrize("sent", [b"", b"P", HEAD, post(b"{}") + HEAD])
def test_half_sent_headers(sent: bytes) -> None:
    """The connection is closed when their time is up, also on one that served a request before."""

    async def main() -> None:
        for seconds in DEADLINES:
            limits = Limits(head=seconds)
            async with serve_http(gateway(EchoBackend(), limits=limits), limits) as url:
                reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
                writer.write(sent)
                try:
                    came = await reader.read()
                except ConnectionResetError:
                    came = b""
                writer.close()
            if came.count(b"HTTP/1.1 200") == sent.count(b"\r\n\r\n"):
                return
        pytest.fail(f"it came: {came!r}")

    run(main())


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@pytest.mark.parametrize("sent", [b"", PREFACE[:3], PREFACE])
def test_half_sent_greetings_of_grpc(sent: bytes) -> None:
    """The connection is closed when their time is up."""

    async def main() -> None:
        async with Server(EchoBackend(), listen="127.0.0.1:0", limits=Limits(head=0.2)) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(sent)
            with suppress(ConnectionResetError):
                # gRPC's own limit is 120 seconds.
                while await asyncio.wait_for(reader.read(1 << 16), 100):
                    pass
            writer.close()

    run(main())


def frame(kind: int, flags: int, stream: int, size: int) -> bytes:
    """Return the head of a frame of HTTP/2."""
    return size.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")


def call_headers(path: str) -> bytes:
    """Return the headers of a call of gRPC, as HTTP/2 packs them."""
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    return b"".join(b"\x00%c%b%c%b" % (len(a), a.encode(), len(b), b.encode()) for a, b in headers.items())


WATCH = "/grpc.health.v1.Health/Watch"


async def watch_without_reading(address: str) -> asyncio.StreamWriter:
    """Watch health in a connection that takes no byte of an answer, and return when the answer has begun."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    no_window = frame(4, 0, 0, 6) + b"\x00\x04" + bytes(4)
    headers = call_headers(WATCH)
    writer.write(PREFACE + no_window + frame(1, 4, 1, len(headers)) + headers + frame(0, 1, 1, 5) + bytes(5))
    kind = None
    while kind != 1:  # the headers of the answer
        head = await reader.readexactly(9)
        await reader.readexactly(int.from_bytes(head[:3], "big"))
        kind = head[3]
    return writer


def test_one_who_watches_health_and_never_reads() -> None:
    """Others are told whether the server serves, and it stops when it is to."""

    async def main() -> None:
        async with Program("serve", "--send-timeout", "1000", "--grace", "1", *QUIET) as server:
            writer = await watch_without_reading(server.address)
            async with aio.insecure_channel(server.address) as channel:
                watch: Any = channel.unary_stream(WATCH)
                watching = watch(b"")
                assert await watching.read() == b"\x08\x01"
                check: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
                assert await check(b"") == b"\x08\x01"
                server.send_signal(signal.SIGTERM)
                assert await watching.read() == b"\x08\x02"
                assert await watching.read() is aio.EOF
            assert await server.process.wait() == 0
            writer.transport.abort()

    run(main())


def test_one_who_watches_health_and_never_reads_makes_room() -> None:
    """Another may watch when the time to send is over, even if the limit is one."""

    async def main() -> None:
        async with Program("serve", "--send-timeout", "0.2", "--max-calls", "1", *QUIET) as server:
            writer = await watch_without_reading(server.address)
            async with aio.insecure_channel(server.address) as channel:
                watch: Any = channel.unary_stream(WATCH)
                told = None
                while told is None:
                    try:
                        told = await watch(b"").read()
                    except aio.AioRpcError as error:
                        assert error.details() == "Too many watch."
                assert told == b"\x08\x01"
            writer.transport.abort()

    run(main())


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_too_many_who_ask_for_reflection(version: str) -> None:
    """They need no token, and may keep their calls open."""

    async def main() -> None:
        async with (
            Server(EchoBackend(), listen="127.0.0.1:0", limits=Limits(concurrent=1), tokens=["right"]) as server,
            aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        ):
            ask: Any = channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")
            question = b"\x3a\x00"  # list_services
            first = ask()
            await first.write(question)
            assert b"chatcompletion.v1.ChatCompletionService" in await first.read()
            with pytest.raises(aio.AioRpcError, match="Too many ask"):
                await ask().read()
            await first.done_writing()
            assert await first.read() is aio.EOF
            again = ask()
            await again.write(question)
            assert b"chatcompletion.v1.ChatCompletionService" in await again.read()
            again.cancel()

    run(main())


def test_headers_of_grpc_that_come_byte_by_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is closed in the end; without a limit, each byte would count as a sign of life."""
    monkeypatch.setattr(_server, "_IDLE", 1.0)
    settings, acknowledgement = frame(4, 0, 0, 0), frame(4, 1, 0, 0)
    long_header = b"\x00\x01a\x7f\xa0\x1e"  # its name, and that its value has 4000 bytes

    async def main() -> None:
        async with Server(EchoBackend(), listen="127.0.0.1:0") as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(PREFACE + settings + acknowledgement + frame(1, 4, 1, 4095) + long_header)
            reading = asyncio.ensure_future(reader.read())  # to the end
            while not reading.done():
                writer.write(b"x")
                await asyncio.wait([reading], timeout=0.1)
            await asyncio.gather(reading, return_exceptions=True)
            writer.transport.abort()

    run(main())


@pytest.mark.skipif(GRPC < (1, 83), reason="before grpcio 1.83, nothing limits the calls that wait for Python")
def test_calls_of_grpc_that_are_reset_at_once() -> None:
    """They take a limited part of the memory, however many there are, and others are answered when they are gone."""
    headers = call_headers(CREATE)

    async def main() -> None:
        async with Program("serve", *QUIET) as server:
            before = peak(server.process.pid)
            host, port = server.address.split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            reading = asyncio.ensure_future(reader.read())
            writer.write(PREFACE + frame(4, 0, 0, 0))
            for number in range(1, 100_000, 2):
                writer.write(frame(1, 4, number, len(headers)) + headers + frame(3, 0, number, 4) + bytes(4))
                if number % 101 == 0:
                    await writer.drain()
            async with AsyncClient(server.address) as client:
                answer = None
                while answer is None:
                    with suppress(ServiceError):  # gRPC cancels calls that come while too many wait
                        answer = await client.create(QUESTION)
            assert peak(server.process.pid) - before < 450 << 20
            writer.transport.abort()
            await asyncio.gather(reading, return_exceptions=True)

    run(main())


def test_an_idle_client_connects_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_server, "_IDLE", 0.3)

    async def main() -> None:
        async with (
            Server(EchoBackend(), listen="127.0.0.1:0") as server,
            aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        ):
            for _ in range(3):
                assert b"hello" in await method(channel)(WIRE)
                await until(lambda: channel.get_state() is grpc.ChannelConnectivity.IDLE)

    run(main())


def test_a_long_answer_is_not_cut_by_the_time_for_headers() -> None:
    async def main(seconds: float) -> str:
        async def answer(exchange: HttpExchange) -> None:
            await exchange.begin_stream()
            await asyncio.sleep(1.5 * seconds)
            await exchange.send_rest([CHUNK])

        async with stack(answer, "one hop", front={"limits": Limits(head=seconds, send=seconds)}) as up:
            with suppress(httpx.TransportError):  # on a slow machine, the request itself takes as long
                return (await up.post(STREAM)).text
            return ""

    assert any(run(main(seconds)).endswith("data: [DONE]\n\n") for seconds in DEADLINES)


FEW_FILES = (
    sys.executable,
    "-c",
    "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200)); from chatpb.cli import main; main()",
)


def test_more_connections_than_files() -> None:
    """The service goes on, says little, a line or two each second, and answers when there is room again."""

    async def main() -> None:
        began = time.monotonic()
        async with Program("gateway", "--backend", "echo", "--listen", "127.0.0.1:0", start=FEW_FILES) as front:
            host, port = front.address.split(":")
            writers = []
            for _ in range(400):
                _, writer = await asyncio.open_connection(host, int(port))
                writers.append(writer)
            process = psutil.Process(front.process.pid)
            assert len(connections(process, int(port))) < 200
            for writer in writers:
                writer.transport.abort()
            async with http_client() as client:
                await until(lambda: not connections(process, int(port)))
                answer = await client.post(f"http://{front.address}/v1/chat/completions", json=QUESTION)
                assert answer.status_code == 200
            front.send_signal(signal.SIGTERM)
            assert len(await front.rest()) < 20 + 2 * (time.monotonic() - began)

    run(main())


@pytest.mark.parametrize("log", ["none", "text", "json"])
def test_requests_that_are_no_http(log: str) -> None:
    """They are refused, and logged as everything else is: summed, a line or two each second."""

    async def main() -> None:
        began = time.monotonic()
        listen = ("--listen", "127.0.0.1:0", "--log", log)
        async with Program("gateway", "--backend", "echo", *listen) as front:
            host, port = front.address.split(":")
            for _ in range(200):
                reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(b"no HTTP\r\n\r\n")
                assert b" 400 " in await reader.readline()
                writer.close()
            front.send_signal(signal.SIGTERM)
            lines = await front.rest()
            assert 0 < len(lines) < 20 + 2 * (time.monotonic() - began)
            assert all(line.startswith("{" if log == "json" else "2") for line in lines)

    run(main())


@pytest.mark.parametrize("line", [b"x: y\r\n", b"y"], ids=["lines", "one line"])
def test_headers_without_end(line: bytes) -> None:
    """They are refused while they come, whatever parsers are installed."""

    async def main() -> None:
        async with Program("gateway", "--backend", "echo", *QUIET) as front:
            host, port = front.address.split(":")
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(HEAD + b"x: ")
            sent = 0
            with suppress(ConnectionError):
                while sent < 64 << 20:
                    writer.write(line * (1 << 14))
                    await writer.drain()
                    sent += len(line) << 14
            assert sent < 64 << 20
            writer.transport.abort()

    run(main())


def test_max_connections() -> None:
    async def main() -> None:
        async with Program("gateway", "--backend", "echo", "--max-connections", "3", *QUIET) as front:
            host, port = front.address.split(":")
            opened = [await asyncio.open_connection(host, int(port)) for _ in range(5)]
            for reader, writer in opened[:3]:
                writer.write(post(json.dumps(QUESTION).encode()))
                assert b" 200 " in await reader.readline()
            for reader, _ in opened[3:]:
                assert await reader.read() == b""
            for _, writer in opened:
                writer.close()

    run(main())


SITES: dict[str, tuple[dict[str, str], dict[str, Any], int]] = {
    "no browser": ({}, {}, 200),
    "text/plain": ({"content-type": "text/plain"}, {}, 415),
    "text that looks like JSON": ({"content-type": "text/x+json"}, {}, 415),
    "a form": ({"content-type": "application/x-www-form-urlencoded"}, {}, 415),
    "no type": ({"content-type": ""}, {}, 415),
    "a type of JSON": ({"content-type": "application/json; charset=utf-8"}, {}, 200),
    "another type of JSON": ({"content-type": "Application/Vnd.X+json"}, {}, 200),
    "another site": ({"origin": "https://evil.example"}, {}, 403),
    "another site with a token": (
        {"origin": "https://evil.example", "authorization": "Bearer t"},
        {"tokens": ["t"]},
        403,
    ),
    "a file": ({"origin": "null"}, {}, 403),
    "another port": ({"origin": "http://127.0.0.1:1"}, {}, 403),
    "another site without an origin": ({"sec-fetch-site": "cross-site"}, {}, 403),
    "an allowed site": ({"origin": "https://good.example"}, {"origins": ["https://good.example"]}, 200),
    "a site like an allowed one": ({"origin": "https://good.example.evil"}, {"origins": ["https://good.example"]}, 403),
    "all sites": ({"origin": "https://evil.example"}, {"origins": ["*"]}, 200),
    "its own page": ({"origin": "http://localhost:7", "host": "localhost:7", "sec-fetch-site": "same-origin"}, {}, 200),
    "a name that points here": ({"host": "evil.example"}, {}, 403),
    "another name that points here": ({"host": "www.evil.example"}, {}, 403),
    "a name that ends like this machine's": ({"host": "evillocalhost"}, {}, 403),
    "a name of this machine": ({"host": "chat.localhost:80"}, {}, 200),
    "no name": ({"host": ""}, {}, 403),
    "its own page there": ({"host": "evil.example", "origin": "http://evil.example"}, {}, 403),
    "that name with a token": ({"host": "evil.example", "authorization": "Bearer t"}, {"tokens": ["t"]}, 200),
    "an allowed name": ({"host": "Good.example:80"}, {"hosts": ["good.example"]}, 200),
    "an address": ({"host": "[::1]:80"}, {}, 200),
    "localhost": ({"host": "LocalHost"}, {}, 200),
    "a host that cannot be read": ({"host": "["}, {}, 403),
    "an origin that cannot be read": ({"origin": "http://[x"}, {}, 403),
}


REFUSALS = {
    "text/plain": "The content-type is text/plain: send application/json.",
    "text that looks like JSON": "The content-type is text/x+json: send application/json.",
    "a form": "The content-type is application/x-www-form-urlencoded: send application/json.",
    "no type": "The content-type is missing: send application/json.",
    **{
        case: f"Pages of {site} may not call this service: its operator has to allow it."
        for case, site in {
            "another site": "https://evil.example",
            "another site with a token": "https://evil.example",
            "a file": "null",
            "another port": "http://127.0.0.1:1",
            "another site without an origin": "other sites",
            "a site like an allowed one": "https://good.example.evil",
            "an origin that cannot be read": "http://[x",
        }.items()
    },
    **{
        case: f"This service is not called {name!r}: its operator has to allow that name."
        for case, name in {
            "a name that points here": "evil.example",
            "another name that points here": "www.evil.example",
            "a name that ends like this machine's": "evillocalhost",
            "no name": "",
            "its own page there": "evil.example",
            "a host that cannot be read": "[",
        }.items()
    },
}
"""What is said to each that is refused."""


@pytest.mark.parametrize("case", SITES)
def test_web_pages(case: str) -> None:
    headers, options, status = SITES[case]

    async def main() -> None:
        outcomes = Outcomes()
        app = gateway(EchoBackend(), observers=[outcomes], **options)
        async with serve_http(app) as url, http_client() as client:
            given = {"content-type": "application/json", **headers}
            body = json.dumps(QUESTION)
            response = await client.post(f"{url}/v1/chat/completions", content=body, headers=given)
            assert response.status_code == status, response.text
            assert len(response.headers["x-request-id"]) == 32
            if status != 200:
                assert response.json()["error"]["message"] == REFUSALS[case]
            assert [outcome.status for outcome in outcomes.ended] == [status]

    run(main())


LOOPBACK = ("127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]")


@pytest.mark.parametrize(
    ("server", "host", "status"),
    [
        *(
            (server, host, status)
            for server in LOOPBACK
            for host, status in (("evil.example", 403), ("localhost", 200))
        ),
        ("192.0.2.1", "chat.example", 200),
        ("[2001:db8::1]", "chat.example", 200),
    ],
)
def test_a_name_that_points_at_any_address_of_this_machine(server: str, host: str, status: int) -> None:
    """A service that is reached from elsewhere has the names that its operator gave it."""

    async def main() -> None:
        transport = httpx.ASGITransport(gateway(EchoBackend()))
        async with http_client(transport=transport) as client:
            where = f"http://{server}:80/v1/chat/completions"
            assert (await client.post(where, json=QUESTION, headers={"host": host})).status_code == status

    run(main())


def test_a_browser_asks_first() -> None:
    """As it does for the headers of the `openai` package in a page."""
    asked = {
        "origin": "https://a.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-stainless-lang,x-stainless-os",
    }

    async def main() -> None:
        app = gateway(EchoBackend(), origins=["https://a.example"], tokens=["right"])
        async with serve_http(app) as url, http_client() as client:
            where = f"{url}/v1/chat/completions"
            allowed = (await client.options(where, headers=asked)).headers
            assert allowed["access-control-allow-origin"] == "https://a.example"
            assert "x-stainless-lang" in allowed["access-control-allow-headers"]
            foreign = await client.options(where, headers={**asked, "origin": "https://b.example"})
            assert "access-control-allow-origin" not in foreign.headers
            refused = await client.post(where, json=QUESTION, headers={"origin": "https://a.example"})
            assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "https://a.example")
            assert refused.headers["access-control-expose-headers"] == "*"

    run(main())


BODY = json.dumps(QUESTION).encode()


@pytest.mark.parametrize(
    ("coding", "body", "status", "words"),
    [
        ("gzip", gzip.compress(BODY), 200, ""),
        ("GZIP", gzip.compress(BODY), 200, ""),
        ("x-gzip", gzip.compress(BODY), 200, ""),
        ("deflate", zlib.compress(BODY), 200, ""),
        ("gzip", zlib.compress(BODY), 400, "The body is not gzip."),
        ("x-gzip", zlib.compress(BODY), 400, "The body is not x-gzip."),
        ("deflate", gzip.compress(BODY), 400, "The body is not deflate."),
        ("identity", BODY, 200, ""),
        ("br", BODY, 415, "The content-encoding br is not supported: send gzip, deflate or none."),
        ("zstd", BODY, 415, "The content-encoding zstd is not supported: send gzip, deflate or none."),
        ("gzip", BODY, 400, "The body is not gzip."),
        ("gzip", gzip.compress(BODY)[:-1], 400, "The body is not gzip: it ends too early."),
        ("gzip", gzip.compress(bytes(100 << 20)), 413, "The body is larger than 2000000 bytes, the limit."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_compressed_bodies(coding: str, body: bytes, status: int, words: str) -> None:
    async def main() -> None:
        app = gateway(EchoBackend(), limits=Limits(message=2_000_000))
        async with serve_http(app) as url, http_client() as client:
            headers = {"content-type": "application/json", "content-encoding": coding}
            response = await client.post(f"{url}/v1/chat/completions", content=body, headers=headers)
            assert response.status_code == status
            if words:
                assert response.json()["error"]["message"] == words

    run(main())


@pytest.mark.parametrize(
    ("verb", "path", "status", "allow"),
    [
        ("GET", "/v1/embeddings", 404, None),
        ("POST", "/v1/embeddings/", 404, None),
        ("GET", "/health//", 404, None),
        ("POST", "/v1/chat/completions//", 404, None),
        ("GET", "/v1/chat/completions", 405, ["POST"]),
        ("PUT", "/v1/chat/completions/", 405, ["POST"]),
        ("POST", "/health", 405, ["GET", "HEAD"]),
        ("POST", "/v1/xchat/completions", 404, None),
        ("GET", "/metrics", 404, None),
        ("GET", "/v1/models/", 200, None),
        ("GET", "/health/", 200, None),
    ],
)
def test_paths_that_are_none(verb: str, path: str, status: int, allow: list[str] | None) -> None:
    async def main() -> None:
        async with serve_http(gateway(EchoBackend())) as url, http_client() as client:
            response = await client.request(verb, url + path, headers={"x-request-id": "mine"})
            allowed = response.headers.get("allow")
            assert (response.status_code, allowed and sorted(allowed.split(", "))) == (status, allow)
            if status != 200:
                assert response.headers["x-request-id"] == "mine"
                assert response.json()["error"]["message"] == f"There is no {verb} {path}."

    run(main())


def test_the_paths_of_the_contract() -> None:
    """The gateway answers where the .proto says."""
    service = chat_completion_service_pb2.DESCRIPTOR.services_by_name["ChatCompletionService"]

    async def main() -> None:
        async with serve_http(gateway(EchoBackend())) as url, http_client() as client:
            for each in service.methods:
                rule = each.GetOptions().Extensions[annotations_pb2.http]
                response = await client.post(url + rule.post, json=QUESTION)
                assert response.status_code == 200
                assert response.text.endswith("data: [DONE]\n\n") is each.server_streaming

    run(main())


def test_metadata_with_capital_letters() -> None:
    async def main() -> None:
        async with (
            Server(EchoBackend(), listen="127.0.0.1:0", tokens=["right"]) as server,
            AsyncClient(f"127.0.0.1:{server.port}") as client,
        ):
            assert await client.create(QUESTION, metadata={"Authorization": "Bearer right", "X-Request-ID": "a"})

    run(main())


DIGITS = b"1" * 5000


@hops
def test_integers_of_5000_digits(hops: str, tmp_path: Path) -> None:
    """They are answered like any document, by the echo and by what was recorded with them."""
    (tmp_path / "a.jsonl").write_bytes(
        b'{"object":"chat.completion","model":"m","choices":[{"message":{"content":"a"}}],"x":%b}\n' % DIGITS
    )
    from chatpb.service import ReplayBackend

    body = b'{"messages":[{"role":"user","content":"hello"}],"stream":%b,"x":' + DIGITS + b"}"

    async def main() -> None:
        for backend in (EchoBackend(), ReplayBackend(str(tmp_path / "a.jsonl"))):
            async with front_of(backend, hops) as front:
                for stream in (b"true", b"false"):
                    response = await front.post(body.replace(b"%b", stream))
                    assert response.status_code == 200, response.text[:200]
                    assert (b"hello" in response.content) is isinstance(backend, EchoBackend)
                    assert (DIGITS in response.content) is not isinstance(backend, EchoBackend)

    run(main())


@hops
@pytest.mark.parametrize("body", [QUESTION, STREAM], ids=["create", "stream"])
@pytest.mark.parametrize("status", [200, 400, 503])
def test_an_error_nested_100000_deep(status: int, body: dict[str, Any], hops: str) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(b'{"error":' * 100_000 + b"1" + b"}" * 100_000, status)

    async def main() -> None:
        async with stack(answer, hops) as up:
            response = await up.post(body)
            assert response.status_code == (502 if status == 200 else status)
            assert response.json()["error"]["message"]

    run(main())
