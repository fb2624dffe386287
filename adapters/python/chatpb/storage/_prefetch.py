"""Prefetching: the next item is made while the caller uses the one before it."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from chatpb._options import threads_of

__all__ = ["prefetch"]

_END: Final = object()

Item = TypeVar("Item")


def prefetch(items: Iterable[Item], threads: int | None) -> Generator[Item, None, None]:
    """Yield items, each made by another thread while the caller uses the one before it.

    With one thread each item is made when it is asked for. At most two items are in memory. An error is raised in the
    place of the item that it prevented.
    """
    if threads_of(threads) == 1:
        yield from items
        return
    source = iter(items)
    with ThreadPoolExecutor(1, "prefetch") as pool:
        coming: Any = pool.submit(next, source, _END)
        while (item := coming.result()) is not _END:
            coming = pool.submit(next, source, _END)
            yield item
