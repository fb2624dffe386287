"""Batches of chunks: chunks that are ready together are sent in one write, and no chunk waits for a later one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

__all__ = ["batch_chunks"]

_READ_AHEAD: Final = 1 << 16
"""Bytes of chunks that may wait in a batch; reading stops at the chunk that reaches them."""


async def batch_chunks(chunks: AsyncIterator[bytes], silence: float | None = None) -> AsyncIterator[list[bytes]]:
    """Yield the chunks that came since the last batch, as soon as there is one.

    A source that has several chunks at hand, such as the events of one read from a socket, yields them all before this
    task runs again; a source that waits for each chunk makes batches of one.

    Args:
        chunks: the source; it is closed at the end.
        silence: seconds without a chunk after which an empty list is yielded; None for never.

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
                if size >= _READ_AHEAD:
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
