"""A stand-in for an OpenAI-compatible endpoint: an HTTP server whose every byte, and every fault, a test decides."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any


class Exchange:
    """One request, and what is sent back to it."""

    def __init__(self, head: bytes, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.path, _ = first.split(" ")
        pairs = (line.split(": ", 1) for line in lines if line)
        self.headers = {name.lower(): value for name, value in pairs}
        self.body = body
        self.reader = reader
        self.writer = writer

    @property
    def request(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(
        self, body: bytes, status: int = 200, kind: str = "application/json", headers: dict[str, str] | None = None
    ) -> None:
        extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{extra}\r\n"
        await self.raw(head.encode() + body)

    async def begin(self, kind: str = "text/event-stream", headers: dict[str, str] | None = None) -> None:
        extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        await self.raw(f"HTTP/1.1 200 X\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n{extra}\r\n".encode())

    async def piece(self, data: bytes) -> None:
        await self.raw(b"%x\r\n%b\r\n" % (len(data), data))

    async def event(self, chunk: bytes) -> None:
        await self.piece(b"data: %b\n\n" % chunk)

    async def end(self) -> None:
        await self.raw(b"0\r\n\r\n")

    async def stream(self, chunks: Iterable[bytes], headers: dict[str, str] | None = None) -> None:
        await self.begin(headers=headers)
        await self.rest(chunks)

    async def rest(self, chunks: Iterable[bytes]) -> None:
        """What is left of a stream that has begun."""
        for chunk in chunks:
            await self.event(chunk)
        await self.piece(b"data: [DONE]\n\n")
        await self.end()

    def reset(self) -> None:
        """Break the connection off."""
        self.writer.transport.abort()

    async def closed(self) -> None:
        """Wait until the other side has closed the connection."""
        try:
            while await self.reader.read(1 << 16):
                pass
        except ConnectionError:
            pass


Answer = Callable[[Exchange], Awaitable[None]]


class Upstream:
    """The server. `seen` has what it was asked; `open` is the number of its connections."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.seen: list[Exchange] = []
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def open(self) -> int:
        return len(self._tasks)

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), b":0"
                )
                body = await reader.readexactly(int(length.split(b":")[1]))
                exchange = Exchange(head, body, reader, writer)
                self.seen.append(exchange)
                await self.answer(exchange)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[Upstream]:
        server = await asyncio.start_server(self.connection, "127.0.0.1", 0, limit=1 << 20, backlog=2048)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await server.wait_closed()
