"""`chatpb serve`, `gateway` and `call`, as programs that call each other."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import psutil
import pytest

from chatcompletion.v1 import CreateChatCompletionRequest
from chatpb import json_to_wire
from chatpb._records.parts import parts_of
from chatpb.storage import Recorder
from tests.cli.command_line import run as run_here
from tests.service.certificates import Authority
from tests.service.chatpb_program import CHATPB, Program, environment
from tests.service.fake_upstream import FakeUpstream, chunk_twice
from tests.service.service_stack import (
    PATIENCE,
    QUESTION,
    http_client,
    run,
)


async def call(
    *arguments: str, input: bytes = b"", variables: Mapping[str, str] = MappingProxyType({})
) -> tuple[int | None, str, str]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(*CHATPB, "call", *arguments), stdin=pipe, stdout=pipe, stderr=pipe, env=environment(**variables)
    )
    out, err = await process.communicate(input)
    return process.returncode, out.decode(), err.decode()


def test_serve_and_call(tmp_path: Path) -> None:
    request = json.dumps(QUESTION)
    (tmp_path / "a.json").write_text(request)
    (tmp_path / "a.binpb").write_bytes(json_to_wire(request, CreateChatCompletionRequest))

    async def main() -> None:
        async with Program("serve", "--listen", "127.0.0.1:0", "--log", "json", "--token", "sk-1") as server:
            where = ("--target", server.address, "--target-token", "sk-1")
            assert await call("-m", "hello you", *where) == (0, "hello you\n", "")
            logged = json.loads(await server.line())
            assert (logged["method"], logged["code"]) == ("create", "OK")
            assert await call("-m", "hello you", "--stream", *where) == (0, "hello you\n", "")
            for name in ("a.json", "a.binpb"):
                assert await call(str(tmp_path / name), *where) == (0, "hello\n", "")
            _, out, _ = await call("-", "--json", "--stream", *where, input=request.encode())
            chunks = [json.loads(line) for line in out.splitlines()]
            assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
            _, out, _ = await call("-", "--json", *where, input=request.encode())
            assert json.loads(out)["choices"][0]["message"]["content"] == "hello"
            status, _, err = await call("-m", "x", "--target", server.address)
            assert status == 1
            assert err == (
                f"chatpb call: {server.address}: 401 UNAUTHENTICATED: No API key provided: send it as a bearer token.\n"
            )
            server.send_signal(signal.SIGTERM)
            assert await server.process.wait() == 0

    run(main())


@pytest.mark.parametrize(
    "kind", [("serve",), ("gateway", "--backend", "echo"), ("serve", "--workers", "2")], ids=" ".join
)
def test_all_lines_of_a_log_in_json_are_json(kind: tuple[str, ...]) -> None:
    """From the first one, which has a warning, and with those of workers."""

    async def main() -> None:
        listen = ("--listen", "127.0.0.1:0", "--log", "json")
        async with Program(*kind, *listen, CHATPB_TIMEOUTS="5") as service:
            if "--workers" in kind:
                psutil.Process(service.process.pid).children()[0].kill()
                service.first.append(await service.line())
            service.send_signal(signal.SIGTERM)
            lines = [json.loads(line) for line in (*service.first, *await service.rest())]
        messages = [line["message"] for line in lines]
        assert messages[0].endswith("no option is called so; did you mean CHATPB_TIMEOUT?")
        assert len([message for message in messages if "CHATPB_TIMEOUTS" in message]) == 1
        assert len([message for message in messages if f"listening on {service.address}" in message]) == 1
        assert any("is started again" in message for message in messages) == ("--workers" in kind)

    run(main())


STOPPED_AT_ONCE = {
    "serve": "serve(EchoBackend(), listen='127.0.0.1:0', on_start=stop)",
    "gateway": "run(gateway(EchoBackend()), socket.create_server(('127.0.0.1', 0)), Limits(), stop)",
}


@pytest.mark.parametrize("kind", STOPPED_AT_ONCE)
def test_a_signal_at_the_moment_of_being_ready(kind: str) -> None:
    """The service stops in order: it handles signals before it says that it is ready."""
    code = f"""
import os, signal, socket
from chatpb.service import EchoBackend, serve
from chatpb.service._guard import Limits
from chatpb.service._uvicorn import run
from chatpb.service.gateway import gateway
def stop(*_):
    os.kill(os.getpid(), signal.SIGTERM)
signal.signal(signal.SIGTERM, lambda *_: None)  # a service that does not handle it runs on
{STOPPED_AT_ONCE[kind]}
print("stopped")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert (done.stdout, done.stderr) == ("stopped\n", "")


@pytest.mark.parametrize("front", ["serve", "gateway"])
def test_record(front: str, tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    backend = ("--backend", "echo", "--listen", "127.0.0.1:0", "--log", "none")

    async def main() -> None:
        async with Program(front, *backend, "--record", str(path), "--record-max-bytes", "1000000") as server:
            if front == "serve":
                assert (await call("-m", "hello", "--target", server.address))[0] == 0
            else:
                async with http_client() as client:
                    await client.post(f"http://{server.address}/v1/chat/completions", json=QUESTION)
            server.send_signal(signal.SIGTERM)
            await server.process.wait()
        with Recorder(path, read_only=True) as recorder:
            (record,) = recorder
        assert isinstance(record, bytes)
        assert parts_of(record).keys() == {"request", "response"}

    run(main())


def test_record_to_what_is_no_recorder_file(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database" * 99)
    for arguments in (["--record", str(tmp_path / "notes.txt")], ["--record-max-age", "5"]):
        result = run_here("serve", *arguments)
        assert result.exit_code == 2
    assert (tmp_path / "notes.txt").read_text() == "not a database" * 99


def test_certificates_and_tokens(tmp_path: Path) -> None:
    """Use mutual TLS between gateway and server, each with its own token, given as options and as variables."""
    authority = Authority(tmp_path)
    server_pair, client_pair = authority.sign("server"), authority.sign("client")
    trust = ("--tls-ca", authority.path("pem"))
    of_server = ("--tls-certificate", server_pair[0], "--tls-key", server_pair[1], *trust)
    of_client = ("--tls-certificate", client_pair[0], "--tls-key", client_pair[1], *trust)
    listen = ("--listen", "127.0.0.1:0", "--log", "none")

    async def main() -> None:
        async with Program("serve", *listen, *of_server, "--token", "inner") as server:
            target = f"localhost:{server.address.rpartition(':')[2]}"
            link = ("--target", target, "--target-token", "inner", *of_client)
            assert await call("-m", "hello", *link) == (0, "hello\n", "")
            assert await call("-m", "hello", variables=variables(link)) == (0, "hello\n", "")
            status, _, err = await call("-m", "hello", "--target", target, "--target-token", "inner", *trust)
            assert (status, "503 UNAVAILABLE" in err) == (1, True)
            async with (
                Program("gateway", *listen, *link, "--token", "outer") as front,
                http_client() as client,
            ):
                url = f"http://{front.address}/v1/chat/completions"
                for token, status in (("outer", 200), ("inner", 401)):
                    response = await client.post(url, json=QUESTION, headers={"authorization": f"Bearer {token}"})
                    assert response.status_code == status

    run(main())


def variables(options: tuple[str, ...]) -> dict[str, str]:
    """Return the environment variables that stand for options."""
    names = [name.removeprefix("--").replace("-", "_").upper() for name in options[::2]]
    return {f"CHATPB_{name}": value for name, value in zip(names, options[1::2], strict=True)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("program", ["serve", "gateway"])
def test_signals(program: str, twice: bool, number: signal.Signals) -> None:
    """The first signal refuses new calls and lets open streams end, a second ends them; the exit status is 0."""
    chunk = b'{"id":"1","choices":[]}'

    async def main() -> None:
        may_end = asyncio.Event()
        listen = ("--listen", "127.0.0.1:0", "--log", "none")
        async with AsyncExitStack() as up:
            upstream = await up.enter_async_context(FakeUpstream(chunk_twice(chunk, may_end)).serve())
            backend = ("--backend", f"openai:{upstream.url}")
            if program == "serve":
                stopped = await up.enter_async_context(Program("serve", *backend, *listen))
                front = await up.enter_async_context(Program("gateway", "--target", stopped.address, *listen))
            else:
                stopped = front = await up.enter_async_context(Program("gateway", *backend, *listen))
            client = await up.enter_async_context(http_client())
            url = f"http://{front.address}/v1/chat/completions"
            async with client.stream("POST", url, json={**QUESTION, "stream": True}) as response:
                lines = response.aiter_lines()
                assert await anext(lines) == f"data: {chunk.decode()}"
                stopped.send_signal(number)
                await refuses(stopped.address)
                if twice:
                    stopped.send_signal(number)
                else:
                    may_end.set()
                rest = []
                with suppress(httpx.RemoteProtocolError):
                    rest = [line async for line in lines if line]
            assert (rest == [f"data: {chunk.decode()}", "data: [DONE]"]) is not twice
            assert await stopped.process.wait() == 0
            assert await stopped.line() == ""

    async def refuses(address: str) -> None:
        host, port = address.split(":")
        with suppress(ConnectionError):
            while True:
                _, writer = await asyncio.open_connection(host, int(port))
                writer.close()
                await writer.wait_closed()

    run(main())


@pytest.mark.parametrize("hops", [1, 2])
def test_gateway(hops: int) -> None:
    async def main() -> None:
        async with Program("serve", "--listen", "127.0.0.1:0", "--log", "none") as server:
            behind = ("--target", server.address) if hops == 2 else ("--backend", "echo")
            arguments = ("gateway", *behind, "--listen", "127.0.0.1:0", "--model", "m", "--log", "none")
            async with Program(*arguments) as front, http_client() as client:
                base = f"http://{front.address}/v1"
                answer = (await client.post(f"{base}/chat/completions", json=QUESTION)).json()
                assert answer["choices"][0]["message"]["content"] == "hello"
                assert (await client.get(f"{base}/models")).json()["data"][0]["id"] == "m"
                streamed = await client.post(f"{base}/chat/completions", json={**QUESTION, "stream": True})
                assert streamed.text.endswith("data: [DONE]\n\n")

    run(main())


def test_unix_sockets(tmp_path: Path) -> None:
    """Both services listen at a path, also where a killed process left its socket, but not at another one's."""
    server_path, front_path = f"unix:{tmp_path}/server", f"unix:{tmp_path}/front"

    async def main() -> None:
        transport = httpx.AsyncHTTPTransport(uds=str(tmp_path / "front"))
        async with http_client(transport=transport) as client:
            for _ in range(2):
                async with (
                    Program("serve", "--listen", server_path, "--log", "none") as server,
                    Program("gateway", "--target", server_path, "--listen", front_path, "--log", "none") as front,
                ):
                    assert (server.address, front.address) == (server_path, front_path)
                    answer = await client.post("http://any/v1/chat/completions", json=QUESTION)
                    assert answer.json()["choices"][0]["message"]["content"] == "hello"
                    assert await call("-m", "hello you", "--target", server_path) == (0, "hello you\n", "")
                    for command in (("serve",), ("gateway", "--backend", "echo")):
                        taken = await asyncio.to_thread(run_here, *command, "--listen", front_path)
                        assert f"cannot listen at {front_path}: Address already in use" in taken.output
                    for each in (front, server):
                        each.send_signal(signal.SIGKILL)
                        await each.process.wait()

    run(main())


TRACED = (
    sys.executable,
    "-c",
    """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from chatpb.cli import main

trace.set_tracer_provider(TracerProvider())
exporter = ConsoleSpanExporter(formatter=lambda span: span.to_json(indent=None) + "\\n")
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
main()
""",
)
"""The command line with a tracer provider as opentelemetry-instrument sets it up. Prints each span on a line."""


@pytest.mark.parametrize("stream", [False, True])
def test_trace(stream: bool) -> None:
    """A request makes a span in each process; the server's is inside the gateway's."""

    async def span(program: Program) -> Any:
        assert program.process.stdout
        return json.loads(await program.process.stdout.readline())

    async def main() -> None:
        quiet = ("--listen", "127.0.0.1:0", "--log", "none", "--trace")
        async with (
            Program("serve", *quiet, start=TRACED) as server,
            Program("gateway", "--target", server.address, *quiet, start=TRACED) as front,
            http_client() as client,
        ):
            body = {**QUESTION, "stream": stream}
            assert (await client.post(f"http://{front.address}/v1/chat/completions", json=body)).status_code == 200
            outer, inner = await span(front), await span(server)
        assert outer["name"] == inner["name"] == ("chat stream" if stream else "chat create")
        assert inner["context"]["trace_id"] == outer["context"]["trace_id"]
        assert (outer["parent_id"], inner["parent_id"]) == (None, outer["context"]["span_id"])
        assert inner["attributes"]["http.response.status_code"] == 200
        assert "hello" not in json.dumps([outer, inner])

    run(main())
