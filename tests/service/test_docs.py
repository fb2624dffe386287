"""The programs of docs/grpc.md run as they are printed there, except for the ports. Those of the tutorial are in tests/pages."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys

import pytest

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
