"""The programs of docs/grpc.md run as they are printed there, except for the ports. Those of the tutorial are in tests/pages."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from typing import Any

import pytest
from grpc import aio

from chatpb.service import EchoBackend, Server
from chatpb.service._grpc_backend import channel_options
from tests.service.chatpb_program import Program
from tests.service.service_stack import run
from tests.support import ROOT, programs_of

PAGE = ROOT / "docs" / "grpc.md"
_, CLIENTS, *STREAMS = programs_of(PAGE)
(SERVE,) = re.findall(r"^    chatpb (serve --backend \w+)  ", PAGE.read_text("utf-8"), re.MULTILINE)


async def output(code: str) -> str:
    environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, env=environment
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


def test_clients() -> None:
    async def main() -> None:
        async with Program(*SERVE.split(), "--listen", "127.0.0.1:0") as server:
            lines = (await output(CLIENTS.replace("50051", server.address.rpartition(":")[2]))).splitlines()
            assert lines[0] == lines[-1] == "hello"
            server.send_signal(signal.SIGTERM)
            assert await server.process.wait() == 0

    run(main())


@pytest.mark.parametrize(
    "code", [pytest.param(code, marks=pytest.mark.newest if "from openai" in code else ()) for code in STREAMS]
)
def test_streams_as_data(code: str) -> None:
    exec(compile(code, "docs/grpc.md", "exec"), {})


def test_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says how long a connection may be silent, in seconds, which a test could not wait for."""
    given: list[dict[str, Any]] = []
    make = aio.server

    def server(*, options: list[tuple[str, Any]]) -> aio.Server:
        given.append(dict(options))
        return make(options=options)

    async def main() -> None:
        async with Server(EchoBackend(), listen="127.0.0.1:0"):
            pass

    monkeypatch.setattr(aio, "server", server)
    run(main())
    given.append(dict(channel_options(1, 1.0)))
    names = "keepalive_time", "keepalive_timeout", "http2.min_ping_interval_without_data", "max_connection_idle"
    found = [*(given[0][f"grpc.{name}_ms"] for name in names), given[1]["grpc.keepalive_time_ms"]]
    (paragraph,) = re.findall(r"- \*\*Silence\.\*\*(.*?)because", PAGE.read_text("utf-8"), re.DOTALL)
    assert [int(seconds) * 1000 for seconds in re.findall(r"(\d+)\s+seconds", paragraph)] == found
