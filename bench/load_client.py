"""The client of a load measurement: the least HTTP that works, at the same cost for every route."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field

from bench.load_servers import HELD_CHUNKS, OPEN

__all__ = ["LoadResult", "first_chunks", "load", "open_at_once"]

PATIENCE = 120
"""Seconds after which a stream that is not complete counts as lost."""


@dataclass
class LoadResult:
    """The answers that came in some seconds.

    Attributes:
        chunks: number of chunks in all streams.
        seconds: how long the measurement took.
        times: seconds of each request.

    """

    chunks: int = 0
    seconds: float = 0
    times: list[float] = field(default_factory=list)


class Connection:
    """A connection that stays open, for requests one after the other.

    Attributes:
        first: when the first chunk of the last stream came, in seconds of `time.perf_counter()`.

    """

    def __init__(self, port: int) -> None:
        self._port = port

    async def open(self) -> Connection:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)
        return self

    def close(self) -> None:
        self._writer.close()

    async def ask(self, body: bytes) -> int:
        """Send a request, read the answer, and return its number of chunks: 0 for a whole answer."""
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sk-bench\r\n"
        self._writer.write(head + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer.decode())
        length = re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)
        if length:
            await self._reader.readexactly(int(length[1]))
            return 0
        self.first = 0.0
        rest = b""
        chunks = 0
        while size := int(await self._reader.readline(), 16):
            self.first = self.first or time.perf_counter()
            rest = rest[-16:] + await self._reader.readexactly(size)
            chunks += rest.count(b'"chatcmpl-') - rest[:16].count(b'"chatcmpl-')
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)
        return chunks


async def load(port: int, body: bytes, connections: int, seconds: float) -> LoadResult:
    """Send requests on several connections for some seconds."""
    opened = [await Connection(port).open() for _ in range(connections)]
    found = LoadResult()
    begun = time.perf_counter()
    end = begun + seconds

    async def work(connection: Connection) -> None:
        while (start := time.perf_counter()) < end:
            chunks = await connection.ask(body)
            found.chunks += chunks
            found.times.append(time.perf_counter() - start)

    await asyncio.gather(*map(work, opened))
    found.seconds = time.perf_counter() - begun
    for connection in opened:
        connection.close()
    return found


async def first_chunks(port: int, body: bytes, count: int) -> list[float]:
    """Return the seconds to the first chunk of each of some streams, which run one after the other."""
    connection = await Connection(port).open()
    found = []
    for _ in range(count):
        start = time.perf_counter()
        await connection.ask(body)
        found.append(connection.first - start)
    connection.close()
    return found


async def open_at_once(port: int, body: bytes) -> tuple[float, int]:
    """Open all streams at once. Return the seconds until all are complete, and how many are not in time."""
    start = time.perf_counter()

    async def one() -> bool:
        connection = await Connection(port).open()
        try:
            return await connection.ask(body) >= HELD_CHUNKS  # LiteLLM adds one
        finally:
            connection.close()

    tasks = [asyncio.ensure_future(one()) for _ in range(OPEN)]
    done, late = await asyncio.wait(tasks, timeout=PATIENCE)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    whole = sum(not task.exception() and task.result() for task in done)
    return time.perf_counter() - start, OPEN - whole
