"""Cancellation of what a thread does ahead: it may wait for a pipe or a terminal that gives nothing any longer."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, wait
from io import BufferedReader, RawIOBase
from typing import Any, Final, TypeVar, cast

__all__ = ["CancellableInput", "Cancellation", "result_of"]

Result = TypeVar("Result")

_current: Final = threading.local()
"""The cancellation of what a thread runs."""

_LOOK: Final = 0.2
"""Seconds of a wait for another thread. The system may give a signal to any thread, and the main thread, which handles
signals, notices it only when its wait ends."""


def result_of(future: Future[Result]) -> Result:
    """Return the result of a future, or raise its error. Signals are handled while it is awaited."""
    while not future.done():
        wait([future], _LOOK)
    return future.result()


class Cancellation:
    """Runs functions whose waits for input `cancel` ends, from another thread. Use it in a `with` statement."""

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()

    def run(self, function: Callable[..., Result], *args: object) -> Result:
        """Return what a function returns. Raises CancelledError where it waits for input after `cancel`."""
        _current.read_end = self._read_end
        try:
            return function(*args)
        finally:
            del _current.read_end

    def cancel(self) -> None:
        """End every wait for input, now and later."""
        os.write(self._write_end, b"\0")  # nobody reads it, so that the other end stays ready

    def __enter__(self) -> Cancellation:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._read_end)
        os.close(self._write_end)


class CancellableInput(RawIOBase):
    """The raw bytes of a pipe or a terminal, in waits that a Cancellation ends.

    Args:
        file: what is open for reading. What its buffer holds already comes first.

    """

    def __init__(self, file: BufferedReader) -> None:
        self._raw = cast(RawIOBase, file.raw)
        self._held = file.read1()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._held:
            count = min(len(buffer), len(self._held))
            buffer[:count], self._held = self._held[:count], self._held[count:]
            return count
        read_end = getattr(_current, "read_end", None)
        if read_end is not None and hasattr(select, "poll"):  # which Windows lacks
            poll = select.poll()
            for descriptor in (read_end, self._raw.fileno()):
                poll.register(descriptor, select.POLLIN)
            if any(descriptor == read_end for descriptor, _ in poll.poll()):
                raise CancelledError
        return self._raw.readinto(buffer)
