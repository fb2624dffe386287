"""Run `chatpb`, or another service that says where it listens, as a program in its own process."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

__all__ = ["CHATPB", "Program", "environment"]

CHATPB = (sys.executable, "-m", "chatpb")


def environment(**variables: str) -> dict[str, str]:
    """Return the environment of a program: with these variables, and without those of tests, which it would warn of."""
    kept = ("CHATPB_ENGINE", "CHATPB_SCAN")
    mine = {name: value for name, value in os.environ.items() if name in kept or not name.startswith("CHATPB_")}
    return {**mine, **variables}


class Program:
    """A running program, from when it prints where it listens to the end of an `async with` block.

    What it writes to standard error is read all the time, so that it never waits for the test to read it.

    Attributes:
        process: the process, whose standard output can be read.
        address: host and port, or `unix:` and the path, where it listens.
        first: the lines of standard error up to the one that says so.

    """

    process: asyncio.subprocess.Process
    address: str
    first: list[str]

    def __init__(
        self,
        *arguments: str,
        start: tuple[str, ...] = CHATPB,
        folder: Path | None = None,
        inherits: Sequence[int] = (),
        **variables: str,
    ) -> None:
        self._command = (*start, *arguments)
        self._inherits = inherits
        self._variables = variables
        self._folder = folder
        self._lines: asyncio.Queue[str] = asyncio.Queue()

    async def __aenter__(self) -> Program:
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=self._folder,
            stdout=pipe,
            stderr=pipe,
            env=environment(**self._variables),
            pass_fds=self._inherits,
        )
        self._reading = asyncio.ensure_future(self._read_errors())
        said = ""
        self.first = []
        while not (found := re.search(r"listening on (127\.0\.0\.1:\d+|\[::1\]:\d+|unix:[^\"]+)\"?}?$", said)):
            said = await self.line()
            self.first.append(said)
            if not said:
                await self.__aexit__()
                raise AssertionError(f"ended with status {self.process.returncode} before it listened")
        self.address = found[1]
        return self

    async def _read_errors(self) -> None:
        assert self.process.stderr
        async for line in self.process.stderr:
            self._lines.put_nowait(line.decode().strip())
        self._lines.put_nowait("")

    async def line(self) -> str:
        """Return the next line of standard error; at its end, an empty one."""
        return await self._lines.get()

    async def rest(self) -> list[str]:
        """Wait for the end of standard error, and return its lines that were not read."""
        await self._reading
        return [self._lines.get_nowait() for _ in range(self._lines.qsize() - 1)]

    def send_signal(self, number: int) -> None:
        """Send a signal. asyncio's way reaps a process that has just ended, so that its status is lost."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, number)

    async def __aexit__(self, *_: object) -> None:
        self.send_signal(signal.SIGTERM)
        # To the end of both pipes, also if the process has ended: else they are still open when the loop closes.
        assert self.process.stdout
        await self.process.stdout.read()
        await self._reading
        await self.process.wait()
