"""Prefetching: the next item is made while the caller uses the one before it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from chatpb._files.cancellation import Cancellation, result_of
from chatpb._options import threads_of

__all__ = ["prefetch"]

_END: Final = object()

_LARGE: Final = 16 << 20
"""Bytes of an item from which on it is alone in memory."""

Item = TypeVar("Item")


def prefetch(
    items: Iterable[Item], threads: int | None, size: Callable[[Item], int] = lambda item: 0
) -> Generator[Item, None, None]:
    """Yield items, each made by another thread while the caller uses the one before it.

    With one thread each item is made when it is asked for. At most two items are in memory, and after one whose `size`
    is large no other. An error is raised in the place of the item that it prevented. Where the caller ends early, what
    the other thread waits for is cancelled.
    """
    if threads_of(threads) == 1:
        yield from items
        return
    source = iter(items)
    with Cancellation() as cancellation, ThreadPoolExecutor(1, "prefetch") as pool:
        coming: Any = pool.submit(cancellation.run, next, source, _END)
        try:
            while (item := result_of(coming)) is not _END:
                held = [item]
                coming = pool.submit(cancellation.run, next, source, _END) if size(item) < _LARGE else None
                del item
                yield held.pop()  # so that nothing here has it any longer
                coming = coming or pool.submit(cancellation.run, next, source, _END)
        except BaseException:
            cancellation.cancel()
            raise
