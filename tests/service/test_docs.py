"""The programs of docs/grpc.md run as they are printed there, except for the ports."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.service.chatpb_program import Program
from tests.service.service_stack import run
from tests.support import ROOT, programs_of

PAGE = ROOT / "docs" / "grpc.md"
SERVER, CLIENT, _, CLIENTS, *STREAMS = programs_of(PAGE)
(GATEWAY,) = re.findall(r"^    chatpb (gateway .*)$", PAGE.read_text(), re.MULTILINE)


async def output(code: str) -> str:
    environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, env=environment
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


def test_from_nothing_to_an_answer(tmp_path: Path) -> None:
    assert len(SERVER.splitlines()) + len(CLIENT.splitlines()) < 20

    async def main() -> None:
        code = SERVER.replace(
            'listen="127.0.0.1:50051"',
            'listen="127.0.0.1:0", on_start=lambda s: print(f"listening on 127.0.0.1:{s.port}", file=__import__("sys").stderr)',
        )
        async with Program(start=(sys.executable, "-c", code)) as server:
            port = server.address.rpartition(":")[2]
            arguments = GATEWAY.replace("50051", port).replace("8000", "0").split()
            async with Program(*arguments) as front:
                assert await output(CLIENT.replace("8000", front.address.rpartition(":")[2])) == "You said: hello"
                lines = (await output(CLIENTS.replace("50051", port))).splitlines()
                assert lines[0] == lines[-1] == "You said: hello"
            server.send_signal(signal.SIGTERM)
            assert await server.process.wait() == 0

    run(main())


@pytest.mark.parametrize(
    "code", [pytest.param(code, marks=pytest.mark.newest if "from openai" in code else ()) for code in STREAMS]
)
def test_streams_as_data(code: str) -> None:
    exec(compile(code, "docs/grpc.md", "exec"), {})
