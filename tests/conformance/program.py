"""The connection to a language's program: frames of conformance.proto on its standard input and output."""

from __future__ import annotations

import os
import struct
import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

SECONDS = 120
"""The most time for one answer."""


class ProgramError(Exception):
    """The error of a program that reports a failure, ends, or takes too long."""


class Program:
    """A running program. `protocol` holds the classes of conformance.proto by name."""

    def __init__(self, command: list[str], folder: Path, protocol: dict[str, Any]) -> None:
        self.protocol = protocol
        environment = {**os.environ, "NO_COLOR": "1"}
        self._process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def encoded(self, message_type: str, wire: bytes, name: str = "") -> Any:
        return self.protocol["Encoded"](type=message_type, wire=wire, name=name)

    def rewrite(self, messages: Iterable[Any], *, report: bool = False) -> Any:
        return self.ask(rewrite=self.protocol["Rewrite"](messages=messages, report=report))

    def build(self) -> Any:
        return self.ask(build=self.protocol["Build"]())

    def generate(self, seed: int, first: int, count: int, types: list[str]) -> Any:
        return self.ask(generate=self.protocol["Generate"](seed=seed, first=first, count=count, types=types))

    def call(self, address: str, scenario: str, request: bytes) -> Any:
        name = f"SCENARIO_{scenario.upper()}"
        return self.ask(call=self.protocol["Call"](address=address, scenario=name, request=request))

    def serve(self) -> Any:
        return self.ask(serve=self.protocol["Serve"]())

    def convert(self, conversion: str, message_type: str, inputs: list[bytes], *, skip_unknown: bool = False) -> Any:
        action = self.protocol["Convert"](
            conversion=f"CONVERSION_{conversion.upper()}", type=message_type, inputs=inputs, skip_unknown=skip_unknown
        )
        return self.ask(convert=action)

    def ask(self, **action: Any) -> Any:
        """Return the response to a request. Raise ProgramError if the program reports a failure, ends, or is late."""
        assert self._process.stdin
        assert self._process.stdout
        frame = self.protocol["Request"](**action).SerializeToString()
        overdue = threading.Timer(SECONDS, self._process.kill)
        overdue.start()
        try:
            self._process.stdin.write(struct.pack("<I", len(frame)) + frame)
            self._process.stdin.flush()
            head = self._process.stdout.read(4)
            body = self._process.stdout.read(struct.unpack("<I", head)[0]) if len(head) == 4 else b""
        except BrokenPipeError:
            head = body = b""
        finally:
            overdue.cancel()
        if len(head) < 4 or len(body) < struct.unpack("<I", head)[0]:
            raise ProgramError("the program ended, or took too long")
        response = self.protocol["Response"].FromString(body)
        if response.error:
            raise ProgramError(response.error)
        return response
