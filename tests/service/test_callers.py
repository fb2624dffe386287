"""Callers that leave, run out of time or do not read: nothing of their calls remains, and nothing piles up."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import psutil
import pytest

from chatpb.service import AsyncClient, Call, EchoBackend, Limits, ServiceError, _server
from chatpb.service.gateway import gateway
from tests.service.chatpb_program import Program
from tests.service.fake_upstream import FakeUpstream, HttpExchange
from tests.service.service_stack import CHUNK, DEADLINES, QUESTION, STREAM, Outcomes, hops, run, stack


async def stall(exchange: HttpExchange) -> None:
    await exchange.until_closed()


@hops
@pytest.mark.parametrize("case", ["create", "stream before the first chunk", "stream"])
def test_a_client_that_leaves_closes_the_upstream(case: str, hops: str) -> None:
    """It closes, and no task of the call remains while the services go on."""
    body = QUESTION if case == "create" else STREAM

    async def main() -> None:
        asked, closed = asyncio.Event(), asyncio.Event()

        async def answer(exchange: HttpExchange) -> None:
            if exchange.request["model"] == "first":
                await exchange.answer(b'{"choices":[]}')
                return
            if case == "stream":
                await exchange.begin_stream()
                await exchange.send_event(CHUNK)
            asked.set()
            await exchange.until_closed()
            closed.set()

        async with stack(answer, hops) as up:
            await up.post({**QUESTION, "model": "first"})  # from then on, the gateway watches the server's health
            before = names(asyncio.all_tasks())

            async def ask() -> None:
                async with up.client.stream("POST", "/chat/completions", json=body) as response:
                    async for _ in response.aiter_raw():
                        pass

            asking = asyncio.ensure_future(ask())
            await asked.wait()
            asking.cancel()
            await closed.wait()
            while names(asyncio.all_tasks()) - before:
                await asyncio.sleep(0.01)

    run(main())


def test_what_is_around_the_gateway_sees_that_a_client_has_left() -> None:
    sent: list[Any] = []
    asked = asyncio.Event()

    class Silent(EchoBackend):
        async def models(self, call: Call) -> bytes:
            asked.set()
            return await asyncio.Future()

    async def main() -> None:
        async def receive() -> Any:
            await asked.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/v1/models",
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
        }
        await gateway(Silent())({**scope, "http_version": "1.1"}, receive, send)

    run(main())
    assert [message["status"] for message in sent if "status" in message] == [499]


@pytest.mark.parametrize("path", ["/models", "/models/m"])
def test_a_client_that_leaves_when_it_asks_for_models(path: str) -> None:
    """It is counted as one who left, and the endpoint is not waited for."""
    outcomes = Outcomes()

    async def main() -> None:
        asked, closed = asyncio.Event(), asyncio.Event()

        async def answer(exchange: HttpExchange) -> None:
            asked.set()
            await exchange.until_closed()
            closed.set()

        async with stack(answer, "one hop", front={"observers": [outcomes]}) as up:
            asking = asyncio.ensure_future(up.client.get(path))
            await asked.wait()
            asking.cancel()
            await closed.wait()
            while not outcomes.ended:
                await asyncio.sleep(0.01)
        assert [(outcome.method, outcome.status) for outcome in outcomes.ended] == [("models", 499)]

    run(main())


def names(tasks: set[asyncio.Task[Any]]) -> Counter[str]:
    """Count the coroutines that tasks run, by name."""
    coroutines = [task.get_coro() for task in tasks]
    return Counter(getattr(each, "__qualname__", type(each).__name__) for each in coroutines)


def test_a_grpc_client_that_cancels_closes_the_upstream() -> None:
    async def main() -> None:
        closed = asyncio.Event()

        async def answer(exchange: HttpExchange) -> None:
            await exchange.begin_stream()
            await exchange.send_event(CHUNK)
            await exchange.until_closed()
            closed.set()

        async with stack(answer) as up, AsyncClient(up.target) as client:
            async with client.stream(QUESTION) as stream:
                async for _ in stream:
                    break
            await closed.wait()

    run(main())


@pytest.mark.parametrize("begin", [False, True])
def test_a_deadline_that_passes_closes_the_upstream(begin: bool) -> None:
    """The deadline is longer on a machine that is so slow that the call gets nowhere before it."""

    async def main() -> None:
        asked, closed = asyncio.Event(), asyncio.Event()

        async def answer(exchange: HttpExchange) -> None:
            asked.set()
            if begin:
                await exchange.begin_stream()
                await exchange.send_event(CHUNK)
            await exchange.until_closed()
            closed.set()

        async with stack(answer) as up, AsyncClient(up.target) as client:
            chunks: list[Any] = []

            async def read(seconds: float) -> None:
                async for chunk in client.stream(QUESTION, timeout=seconds):
                    chunks.append(chunk)

            for seconds in DEADLINES:
                with pytest.raises(ServiceError) as caught:
                    await read(seconds)
                assert caught.value.status == 504
                if asked.is_set() and len(chunks) == begin:
                    break
            assert len(chunks) == begin
            await closed.wait()

    run(main())


@hops
@pytest.mark.parametrize("body", [QUESTION, STREAM], ids=["create", "stream"])
def test_the_limit_of_time(body: dict[str, Any], hops: str) -> None:
    async def main() -> None:
        part: dict[str, Any] = {"server" if hops == "two hops" else "front": {"limits": Limits(timeout=1)}}
        async with stack(stall, hops, **part) as up:
            response = await up.post(body)
            assert (response.status_code, response.json()["error"]["type"]) == (504, "timeout_error")

    run(main())


def test_silence_and_pings() -> None:
    """A client may ping every 5 seconds during a silent stream. By default, a gRPC server would close the connection.

    The test divides the server's times by 100, and its client pings before the server does. gRPC sends at most one ping
    a second and tolerates two that are too early, so the silence lasts five seconds.
    """

    async def main() -> None:
        five_seconds = asyncio.Event()

        async def answer(exchange: HttpExchange) -> None:
            await exchange.begin_stream()
            await five_seconds.wait()
            await exchange.send_rest([CHUNK])

        options = (("grpc.keepalive_time_ms", 100),)
        async with (
            stack(answer, front={"keep_alive": 1.0}, link={"options": options}) as up,
            up.client.stream("POST", "/chat/completions", json=STREAM) as response,
        ):
            lines = []
            async for line in response.aiter_lines():
                lines += [line] if line else []
                if len(lines) == 5:
                    five_seconds.set()
            assert lines[5:] == [f"data: {CHUNK.decode()}", "data: [DONE]"]

    with pytest.MonkeyPatch.context() as patch:
        times = [
            # What a client takes to answer a ping depends on the machine.
            (name, value if name == "grpc.keepalive_timeout_ms" else value // 100)
            for name, value in _server._KEEP_ALIVE
        ]
        patch.setattr(_server, "_KEEP_ALIVE", times)
        run(main())


OFFERED = 200 << 20
BOUND = 32 << 20
"""Bytes that may wait for a caller who does not read: in all buffers together, the system's included, and in a process."""


@hops
def test_a_client_that_does_not_read_stops_the_upstream(hops: str) -> None:
    """The upstream stops long before it has sent everything, and each process stays small."""
    chunk = CHUNK.replace(b'"a"', b'"%b"' % (b"a" * 16384))

    async def main() -> None:
        sent = 0
        at_rest = asyncio.Event()

        async def answer(exchange: HttpExchange) -> None:
            nonlocal sent
            if exchange.request["model"] == "first":
                await exchange.answer_stream([chunk] * 100)
                return
            await exchange.begin_stream()
            try:
                while sent < OFFERED:
                    # However slow the machine is, the first one arrives.
                    await asyncio.wait_for(exchange.send_event(chunk), 2 if sent > len(chunk) else None)
                    sent += len(chunk)
            except asyncio.TimeoutError:
                at_rest.set()
            await exchange.until_closed()

        quiet = ("--listen", "127.0.0.1:0", "--log", "none")
        async with FakeUpstream(answer).serve() as upstream:
            backend = ("--backend", f"openai:{upstream.url}")
            async with Program("serve", *backend, *quiet) as server:
                behind = backend if hops == "one hop" else ("--target", server.address)
                async with Program("gateway", *behind, *quiet) as front:
                    reader, first = await ask(front.address, "first")
                    while b"[DONE]" not in await reader.readline():
                        pass
                    first.close()
                    processes = [psutil.Process(program.process.pid) for program in (server, front)]
                    before = [process.memory_info().rss for process in processes]
                    _, writer = await ask(front.address, "m")
                    await at_rest.wait()
                    assert len(chunk) < sent < BOUND
                    for process, size in zip(processes, before, strict=True):
                        assert process.memory_info().rss - size < BOUND
                    writer.transport.abort()

    async def ask(address: str, model: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 15)
        body = json.dumps({**STREAM, "model": model}).encode()
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            % len(body)
            + body
        )
        return reader, writer

    run(main())
