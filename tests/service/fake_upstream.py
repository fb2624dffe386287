"""A fake OpenAI-compatible endpoint: an HTTP server where the test decides about every byte and every fault."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any


class HttpExchange:
    """One HTTP request, and the functions that answer it, well or badly."""

    def __init__(self, head: bytes, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.path, _ = first.split(" ")
        self.lines = [line for line in lines if line]
        pairs = (line.split(": ", 1) for line in self.lines)
        self.headers = {name.lower(): value for name, value in pairs}
        self.body = body
        self.reader = reader
        self.writer = writer

    @property
    def request(self) -> dict[str, Any]:
        """The body, as JSON values."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(
        self, body: bytes, status: int = 200, kind: str = "application/json", headers: dict[str, str] | None = None
    ) -> None:
        """Send a whole answer."""
        extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{extra}\r\n"
        await self.send(head.encode() + body)

    async def begin_stream(self, kind: str = "text/event-stream", headers: dict[str, str] | None = None) -> None:
        """Send the head of a streamed answer."""
        extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        await self.send(f"HTTP/1.1 200 X\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n{extra}\r\n".encode())

    async def send_piece(self, data: bytes) -> None:
        """Send bytes as one piece of a streamed answer."""
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def send_event(self, chunk: bytes) -> None:
        """Send a chunk, as one event and one piece."""
        await self.send_piece(b"data: %b\n\n" % chunk)

    async def end_stream(self) -> None:
        """Send the end of a streamed answer."""
        await self.send(b"0\r\n\r\n")

    async def answer_stream(self, chunks: Iterable[bytes], headers: dict[str, str] | None = None) -> None:
        """Send a whole stream of chunks."""
        await self.begin_stream(headers=headers)
        await self.send_rest(chunks)

    async def send_rest(self, chunks: Iterable[bytes]) -> None:
        """Send the remaining chunks of a stream, [DONE] and the end."""
        for chunk in chunks:
            await self.send_event(chunk)
        await self.send_piece(b"data: [DONE]\n\n")
        await self.end_stream()

    def reset(self) -> None:
        """Abort the connection."""
        self.writer.transport.abort()

    async def until_closed(self) -> None:
        """Wait until the other side has closed the connection."""
        try:
            while await self.reader.read(1 << 16):
                pass
        except ConnectionError:
            pass


Answer = Callable[[HttpExchange], Awaitable[None]]


def chunk_twice(chunk: bytes, between: asyncio.Event) -> Answer:
    """Return an answer that streams a chunk, waits for an event, and streams the chunk again."""

    async def answer(exchange: HttpExchange) -> None:
        await exchange.begin_stream()
        await exchange.send_event(chunk)
        await between.wait()
        await exchange.send_rest([chunk])

    return answer


class FakeUpstream:
    """The server.

    Attributes:
        seen: the requests that came, in their order.
        port: the port where it listens.

    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.seen: list[HttpExchange] = []
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def open(self) -> int:
        """The number of open connections."""
        return len(self._tasks)

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
                exchange = HttpExchange(head, body, reader, writer)
                self.seen.append(exchange)
                await self.answer(exchange)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[FakeUpstream]:
        server = await asyncio.start_server(self._serve_connection, "127.0.0.1", 0, limit=1 << 20, backlog=2048)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await server.wait_closed()
