"""Reading ahead: what comes next is made while what came before is in use."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from chatpb._api import threads_of

__all__ = ["ahead"]

_END: Final = object()

Item = TypeVar("Item")


def ahead(items: Iterable[Item], threads: int | None) -> Generator[Item, None, None]:
    """The same items, the next of which a thread of its own makes meanwhile; with one thread each when it is wanted.

    At most two items are held. An error is raised in the place of the item that it befell.
    """
    if threads_of(threads) == 1:
        yield from items
        return
    source = iter(items)
    with ThreadPoolExecutor(1, "ahead") as pool:
        coming: Any = pool.submit(next, source, _END)
        while (item := coming.result()) is not _END:
            coming = pool.submit(next, source, _END)
            yield item
