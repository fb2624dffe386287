"""A limit on the bytes that all open calls hold together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["ByteBudget", "HeldBytes"]


class ByteBudget:
    """Lends bytes, first come, first served. Who asks for more than all gets all."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._free = size
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncIterator[HeldBytes]:
        """Wait until there are as many bytes, and hold them for the block."""
        size = min(size, self._size)
        if self._waiting or size > self._free:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((size, turn))
            try:
                await turn
            except BaseException:
                # Its turn may have come at the very moment when it was cancelled.
                self.give(0 if turn.cancelled() else size)
                raise
        else:
            self._free -= size
        held = HeldBytes(self, size)
        try:
            yield held
        finally:
            held.shrink(0)

    def give(self, size: int) -> None:
        """Take bytes back, and lend them to those who still wait."""
        self._free += size
        while self._waiting:
            size, turn = self._waiting[0]
            if not turn.cancelled():
                if size > self._free:
                    break
                self._free -= size
                turn.set_result(None)
            self._waiting.popleft()


class HeldBytes:
    """Bytes of a budget that a call holds."""

    def __init__(self, budget: ByteBudget, size: int) -> None:
        self._budget = budget
        self._size = size

    def shrink(self, size: int) -> None:
        """Give back all but so many bytes."""
        kept = min(size, self._size)
        self._budget.give(self._size - kept)
        self._size = kept
