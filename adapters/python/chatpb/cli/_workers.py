"""Several processes of a service that share its port.

The first process checks the options, and starts the command again for each worker. A worker that ends by itself is
started again; a signal goes to all of them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from chatpb.cli._exit_status import USAGE

__all__ = ["Worker", "run_workers"]

_VARIABLE: Final = "CHATPB_WORKER"
"""In the environment of a worker: its number and the descriptors that it inherits."""

_log: Final = logging.getLogger("chatpb.service")

_PAUSE: Final = 1.0
"""Seconds before a worker that ended is started again."""


@dataclass(frozen=True)
class Worker:
    """What a worker has of the first process.

    Attributes:
        index: 0, 1 and so on.
        listener: the socket of the service's port.

    """

    index: int
    listener: socket.socket
    _first: socket.socket

    @classmethod
    def here(cls) -> Worker | None:
        """Return the worker that this process is; None if it is the first process."""
        given = os.environ.pop(_VARIABLE, None)
        if given is None:
            return None
        index, listener, first = map(int, given.split())
        worker = cls(index, socket.socket(fileno=listener), socket.socket(fileno=first))
        threading.Thread(target=worker._end_with_the_first, daemon=True).start()
        return worker

    def is_ready(self) -> None:
        """Report to the first process that this worker answers calls."""
        self._first.send(b".")

    def _end_with_the_first(self) -> None:
        """Stop when the first process has ended, in whatever way."""
        self._first.recv(1)
        os.kill(os.getpid(), signal.SIGTERM)


def run_workers(number: int, listener: socket.socket, on_ready: Callable[[], None]) -> int:
    """Run workers until SIGTERM or SIGINT, and return the exit status.

    Args:
        number: how many there are.
        listener: the socket of the service's port.
        on_ready: called once, when all workers answer calls.

    """
    return asyncio.run(_Workers(listener).run(number, on_ready))


class _Workers:
    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._mine, self._theirs = socket.socketpair()
        self._mine.setblocking(False)
        self._running: set[asyncio.subprocess.Process] = set()
        self._stopping = asyncio.Event()
        self._status = 0

    async def run(self, number: int, on_ready: Callable[[], None]) -> int:
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, self._stop, each)
        keeping = [asyncio.ensure_future(self._keep(index)) for index in range(number)]
        announcing = asyncio.ensure_future(self._announce(number, on_ready))
        await asyncio.gather(*keeping)
        announcing.cancel()
        return self._status

    def _stop(self, number: int) -> None:
        self._stopping.set()
        for each in self._running:
            _send(number, each)

    async def _announce(self, number: int, on_ready: Callable[[], None]) -> None:
        left = number
        while left > 0:
            left -= len(await asyncio.get_running_loop().sock_recv(self._mine, left))
        on_ready()

    async def _keep(self, index: int) -> None:
        """Run the worker of a number, and run it again if it ends by itself."""
        inherited = (self._listener.fileno(), self._theirs.fileno())
        variables = {**os.environ, _VARIABLE: " ".join(map(str, (index, *inherited)))}
        command = (sys.executable, *sys.orig_argv[1:])
        while not self._stopping.is_set():
            worker = await asyncio.create_subprocess_exec(
                *command,
                env=variables,
                pass_fds=inherited,
                # A terminal sends Ctrl-C to each process of a session, and a second signal ends open calls.
                start_new_session=True,
            )
            self._running.add(worker)
            if self._stopping.is_set():
                _send(signal.SIGTERM, worker)
            status = await worker.wait()
            self._running.discard(worker)
            if self._stopping.is_set():
                return
            if status == USAGE:
                self._status = status
                self._stop(signal.SIGTERM)
                return
            _log.warning("worker %d ended with status %d and is started again", index, status)
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _PAUSE)


def _send(number: int, worker: asyncio.subprocess.Process) -> None:
    """Send a signal. asyncio's own way reaps a process that has just ended, and then warns that it does not know it."""
    with suppress(ProcessLookupError):
        os.kill(worker.pid, number)
