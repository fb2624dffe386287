"""What callers do on the way: they leave, run out of time, or do not read. Nothing is left behind, nothing piles up."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from typing import Any

import psutil
import pytest

from chatpb.service import AsyncClient, Limits, ServiceError, _server
from service.programs import Program
from service.stack import HOPS, QUESTION, run, stack
from service.upstream import Exchange, Upstream

hops = pytest.mark.parametrize("hops", HOPS)
CHUNK = b'{"id":"1","choices":[{"index":0,"delta":{"content":"a"}}]}'
STREAM = {**QUESTION, "stream": True}


async def stall(exchange: Exchange) -> None:
    await exchange.closed()


@hops
@pytest.mark.parametrize("case", ["create", "stream before the first chunk", "stream"])
def test_a_client_that_leaves_closes_the_upstream(case: str, hops: str) -> None:
    """Within a second, and no task of the call is left while the services go on."""
    body = QUESTION if case == "create" else STREAM

    async def main() -> None:
        asked, closed = asyncio.Event(), asyncio.Event()

        async def answer(exchange: Exchange) -> None:
            if case == "stream":
                await exchange.begin()
                await exchange.event(CHUNK)
            asked.set()
            await exchange.closed()
            closed.set()

        async with stack(answer, hops) as up:
            before = names(asyncio.all_tasks())

            async def ask() -> None:
                async with up.client.stream("POST", "/chat/completions", json=body) as response:
                    async for _ in response.aiter_raw():
                        pass

            asking = asyncio.ensure_future(ask())
            await asked.wait()
            left = time.monotonic()
            asking.cancel()
            await asyncio.wait_for(closed.wait(), 1)
            while up.upstream.open or names(asyncio.all_tasks()) - before:
                assert time.monotonic() - left < 1, names(asyncio.all_tasks()) - before
                await asyncio.sleep(0.01)

    run(main(), 15)


def names(tasks: set[asyncio.Task[Any]]) -> Counter[str]:
    """The coroutines that tasks run."""
    coroutines = [task.get_coro() for task in tasks]
    return Counter(getattr(each, "__qualname__", type(each).__name__) for each in coroutines)


def test_a_grpc_client_that_cancels_closes_the_upstream() -> None:
    async def main() -> None:
        closed = asyncio.Event()

        async def answer(exchange: Exchange) -> None:
            await exchange.begin()
            await exchange.event(CHUNK)
            await exchange.closed()
            closed.set()

        async with stack(answer) as up, AsyncClient(up.target) as client:
            async with client.stream(QUESTION) as stream:
                async for _ in stream:
                    break
            await asyncio.wait_for(closed.wait(), 1)

    run(main(), 15)


@pytest.mark.parametrize("begin", [False, True])
def test_a_deadline_that_passes_closes_the_upstream(begin: bool) -> None:
    async def main() -> None:
        closed = asyncio.Event()

        async def answer(exchange: Exchange) -> None:
            if begin:
                await exchange.begin()
                await exchange.event(CHUNK)
            await exchange.closed()
            closed.set()

        async with stack(answer) as up, AsyncClient(up.target) as client:
            chunks = []

            async def read() -> None:
                async for chunk in client.stream(QUESTION, timeout=0.3):
                    chunks.append(chunk)

            with pytest.raises(ServiceError) as caught:
                await read()
            assert caught.value.status == 504
            assert len(chunks) == begin
            await asyncio.wait_for(closed.wait(), 1)

    run(main(), 15)


@hops
@pytest.mark.parametrize("body", [QUESTION, STREAM], ids=["create", "stream"])
def test_the_limit_of_time(body: dict[str, Any], hops: str) -> None:
    async def main() -> None:
        part: dict[str, Any] = {"server" if hops == "two hops" else "front": {"limits": Limits(timeout=0.3)}}
        async with stack(stall, hops, **part) as up:
            response = await up.post(body)
            assert (response.status_code, response.json()["error"]["type"]) == (504, "timeout_error")

    run(main(), 15)


def test_silence_and_pings() -> None:
    """A client may ping every 5 seconds through a silent stream, at which a server of gRPC's own settings hangs up.

    The server's times are a hundredth of what they are, and the client pings before it is pinged. gRPC sends a ping a
    second at most, and bears with two that come too early; so the silence is one of five seconds.
    """

    async def main() -> None:
        five_seconds = asyncio.Event()

        async def answer(exchange: Exchange) -> None:
            await exchange.begin()
            await five_seconds.wait()
            await exchange.rest([CHUNK])

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
        patch.setattr(_server, "_KEEP_ALIVE", [(name, value // 100) for name, value in _server._KEEP_ALIVE])
        run(main())


OFFERED = 200 << 20
BOUND = 32 << 20
"""Bytes on their way to a caller who does not read, in all buffers, the system's among them, and in a process."""


@hops
def test_a_client_that_does_not_read_stops_the_upstream(hops: str) -> None:
    """The upstream comes to rest far below what it has to send, and each process stays small."""
    chunk = CHUNK.replace(b'"a"', b'"%b"' % (b"a" * 16384))

    async def main() -> None:
        sent = 0
        at_rest = asyncio.Event()

        async def answer(exchange: Exchange) -> None:
            nonlocal sent
            if exchange.request["model"] == "first":
                await exchange.stream([chunk] * 100)
                return
            await exchange.begin()
            try:
                while sent < OFFERED:
                    await asyncio.wait_for(exchange.event(chunk), 2)
                    sent += len(chunk)
            except asyncio.TimeoutError:
                at_rest.set()
            await exchange.closed()

        quiet = ("--listen", "127.0.0.1:0", "--log", "none")
        async with Upstream(answer).serve() as upstream:
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
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        return reader, writer

    run(main(), 40)
