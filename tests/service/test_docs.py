"""The programs of docs/grpc.md run as they are printed there, except for the ports. Those of the tutorial are in tests/pages."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import signal
import sys
from typing import Any

import pytest
from grpc import aio

from chatpb.service import (
    EchoBackend,
    GrpcBackend,
    Limits,
    OpenAIBackend,
    Server,
    _grpc_status,
    _health,
    _model_router,
    _openai_backend,
    _server,
    _uvicorn,
)
from chatpb.service._call import CHECK_SECONDS
from chatpb.service._grpc_backend import channel_options
from chatpb.service._recording_backend import RecordingBackend
from chatpb.service.gateway import gateway
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


def options_of_servers(monkeypatch: pytest.MonkeyPatch, **options: Any) -> list[dict[str, Any]]:
    """Return the options that gRPC gets for a server."""
    given: list[dict[str, Any]] = []
    make = aio.server

    def server(*, options: list[tuple[str, Any]]) -> aio.Server:
        given.append(dict(options))
        return make(options=options)

    async def main() -> None:
        async with Server(EchoBackend(), listen="127.0.0.1:0", **options):
            pass

    monkeypatch.setattr(aio, "server", server)
    run(main())
    return given


def test_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says how long a connection may be silent, in seconds, which a test could not wait for."""
    given = [*options_of_servers(monkeypatch), dict(channel_options(1, 1.0))]
    names = "keepalive_time", "keepalive_timeout", "http2.min_ping_interval_without_data", "max_connection_idle"
    found = [given[side][f"grpc.{name}_ms"] for side in (0, 1) for name in names[: 4 - 2 * side]]
    (paragraph,) = re.findall(r"- \*\*Silence\.\*\*(.*?)because", PAGE.read_text("utf-8"), re.DOTALL)
    assert [int(seconds) * 1000 for seconds in re.findall(r"(\d+)\s+seconds", paragraph)] == found
    assert given[0]["grpc.keepalive_permit_without_calls"] == 1
    assert given[1]["grpc.http2.max_pings_without_data"] == 0  # which is no limit


def default_of(function: Any, name: str) -> Any:
    return inspect.signature(function).parameters[name].default


FIGURES: dict[tuple[str, str], float] = {
    ("grpc.md", r"a comment every (\d+) seconds"): default_of(gateway, "keep_alive"),
    ("grpc.md", r"refuse metadata above (\d+) KiB"): _grpc_status.DEFAULT_MAX_METADATA / (1 << 10),
    ("grpc.md", r"clients accept (\d+) MiB"): _grpc_status.MAX_METADATA / (1 << 20),
    ("grpc.md", r"headers take more than (\d+) seconds"): Limits().head,
    ("grpc.md", r"backend has (\d+)\s+seconds to answer"): CHECK_SECONDS,
    ("grpc.md", r"(half a) second more once another"): _model_router._PATIENCE,
    ("grpc.md", r"have (\d+) second to read"): _health._LAST_WORD,
    ("grpc.md", r"at least every (\d+) seconds"): default_of(GrpcBackend, "reconnect"),
    ("grpc.md", r"no call for (\d+) seconds\.\n"): _openai_backend._IDLE,
    ("grpc.md", r"is made within (\d+) seconds"): default_of(OpenAIBackend, "connect_timeout"),
    ("grpc.md", r"after the first (16,384), or four"): _server._PENDING,
    ("grpc.md", r"to the file, for at most (\d+) seconds"): default_of(RecordingBackend, "drain"),
    ("grpc.md", r"At most (\d+) MiB of one stream"): default_of(RecordingBackend, "max_stream") / (1 << 20),
    ("deployment.md", r"connections open for (\d+) second more"): _uvicorn._LAST_REQUEST,
}  # fmt: skip


@pytest.mark.parametrize(("page", "words"), FIGURES)
def test_figures(page: str, words: str) -> None:
    """What the pages promise in figures that a test could not wait for, or that a program relies on."""
    (found,) = re.findall(words, (ROOT / "docs" / page).read_text("utf-8"))
    value = 0.5 if found == "half a" else float(found.replace(",", ""))
    assert value == FIGURES[page, words]


@pytest.mark.parametrize(("calls", "waiting"), [(1, 16_384), (4096, 16_384), (5000, 20_000)])
def test_calls_that_wait(calls: int, waiting: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says how many calls wait, and how long, before gRPC cancels them."""
    (options,) = options_of_servers(monkeypatch, limits=Limits(concurrent=calls, head=7))
    for name in ("max_pending_requests", "max_pending_requests_hard_limit"):
        assert options[f"grpc.server.{name}"] == waiting
    (seconds,) = re.findall(r"those that wait for (\d+) seconds", PAGE.read_text("utf-8"))
    assert options["grpc.server_max_unrequested_time_in_server"] == int(seconds)
    assert options["grpc.server_handshake_timeout_ms"] == 7000
