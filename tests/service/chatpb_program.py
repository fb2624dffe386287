"""Run `chatpb` as a program, in its own process."""

from __future__ import annotations

import asyncio
import re
import sys

__all__ = ["CHATPB", "Program"]

CHATPB = (sys.executable, "-m", "chatpb")


class Program:
    """A running program, from when it prints where it listens to the end of an `async with` block.

    Attributes:
        process: the process, whose output can be read.
        address: host and port, or `unix:` and the path, where it listens.

    """

    process: asyncio.subprocess.Process
    address: str

    def __init__(self, *arguments: str, start: tuple[str, ...] = CHATPB) -> None:
        self._command = (*start, *arguments)

    async def __aenter__(self) -> Program:
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(*self._command, stdout=pipe, stderr=pipe)
        said = ""
        while not (found := re.search(r"listening on (127\.0\.0\.1:\d+|unix:.+)$", said)):
            said = await self.line()
            if not said:
                await self.__aexit__()
                raise AssertionError(f"ended with status {self.process.returncode} before it listened")
        self.address = found[1]
        return self

    async def line(self) -> str:
        """Read the next line of standard error."""
        assert self.process.stderr
        return (await self.process.stderr.readline()).decode().strip()

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.terminate()
        # To the end of both pipes, also if the process has ended: else they are still open when the loop closes.
        await self.process.communicate()
