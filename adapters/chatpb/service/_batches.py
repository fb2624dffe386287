"""Chunks that are there together, taken together: one write for all, and no chunk waits for another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

__all__ = ["batches"]

_AHEAD: Final = 1 << 16
"""Bytes of chunks that are read before those before them are taken, but for one chunk."""


async def batches(chunks: AsyncIterator[bytes], silence: float | None = None) -> AsyncIterator[list[bytes]]:
    """What has come since the last time, as soon as there is anything.

    A source that has several chunks at hand, such as the events of one read from a socket, gives them before this task
    runs again; one that has to wait for its next chunk gives them one by one.

    Args:
        chunks: the source; it is closed at the end.
        silence: seconds without a chunk after which an empty list is given; None for never.

    """
    loop = asyncio.get_running_loop()
    pending: list[bytes] = []
    size = 0
    arrived, taken = asyncio.Event(), asyncio.Event()

    async def read() -> None:
        nonlocal size
        async with aclosing(chunks):  # type: ignore[type-var]
            async for chunk in chunks:
                pending.append(chunk)
                size += len(chunk)
                arrived.set()
                if size >= _AHEAD:
                    taken.clear()
                    await taken.wait()

    reading = asyncio.ensure_future(read())
    reading.add_done_callback(lambda _: arrived.set())
    try:
        while not reading.done() or pending:
            timer = None if silence is None else loop.call_later(silence, arrived.set)
            await arrived.wait()
            if timer:
                timer.cancel()
            arrived.clear()
            batch, pending, size = pending, [], 0
            taken.set()
            if batch or not reading.done():
                yield batch
        reading.result()
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
