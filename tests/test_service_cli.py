"""`chatpb serve`, `chatpb gateway` and `chatpb call`."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from chatcompletion.v1 import CreateChatCompletionRequest
from chatpb import json_to_wire
from chatpb.cli._app import app
from chatpb.storage import Recorder
from chatpb.storage._record import parts_of
from service.programs import CHATPB, Program
from service.stack import QUESTION, run


async def call(*arguments: str, input: bytes = b"") -> tuple[int | None, str, str]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*CHATPB, "call", *arguments, stdin=pipe, stdout=pipe, stderr=pipe)
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
            server.process.send_signal(signal.SIGTERM)
            assert await server.process.wait() == 0

    run(main())


@pytest.mark.parametrize("front", ["serve", "gateway"])
def test_record(front: str, tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    backend = ("--backend", "echo", "--listen", "127.0.0.1:0", "--log", "none")

    async def main() -> None:
        async with Program(front, *backend, "--record", str(path), "--record-max-bytes", "1000000") as server:
            if front == "serve":
                assert (await call("-m", "hello", "--target", server.address))[0] == 0
            else:
                async with httpx.AsyncClient(trust_env=False) as client:
                    await client.post(f"http://{server.address}/v1/chat/completions", json=QUESTION)
            server.process.send_signal(signal.SIGTERM)
            await server.process.wait()
        with Recorder(path, read_only=True) as recorder:
            (record,) = recorder
        assert isinstance(record, bytes)
        assert parts_of(record).keys() == {"request", "response"}

    run(main())


def test_record_to_what_is_no_recorder_file(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database" * 99)
    for arguments in (["--record", str(tmp_path / "notes.txt")], ["--record-max-age", "5"]):
        result = CliRunner().invoke(app, ["serve", *arguments])
        assert result.exit_code == 2
    assert (tmp_path / "notes.txt").read_text() == "not a database" * 99


@pytest.mark.parametrize("hops", [1, 2])
def test_gateway(hops: int) -> None:
    async def main() -> None:
        async with Program("serve", "--listen", "127.0.0.1:0", "--log", "none") as server:
            behind = ("--target", server.address) if hops == 2 else ("--backend", "echo")
            arguments = ("gateway", *behind, "--listen", "127.0.0.1:0", "--model", "m", "--log", "none")
            async with Program(*arguments) as front, httpx.AsyncClient(trust_env=False) as client:
                base = f"http://{front.address}/v1"
                answer = (await client.post(f"{base}/chat/completions", json=QUESTION)).json()
                assert answer["choices"][0]["message"]["content"] == "hello"
                assert (await client.get(f"{base}/models")).json()["data"][0]["id"] == "m"
                streamed = await client.post(f"{base}/chat/completions", json={**QUESTION, "stream": True})
                assert streamed.text.endswith("data: [DONE]\n\n")

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
"""chatpb with a tracer provider set up, as opentelemetry-instrument does; prints a span a line."""


@pytest.mark.parametrize("stream", [False, True])
def test_trace(stream: bool) -> None:
    """A request makes a span in each process, one within the other."""

    async def span(program: Program) -> Any:
        assert program.process.stdout
        return json.loads(await program.process.stdout.readline())

    async def main() -> None:
        quiet = ("--listen", "127.0.0.1:0", "--log", "none", "--trace")
        async with (
            Program("serve", *quiet, start=TRACED) as server,
            Program("gateway", "--target", server.address, *quiet, start=TRACED) as front,
            httpx.AsyncClient(trust_env=False) as client,
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


BAD = {
    "serve --backend foo": "--backend: 'foo' is none of echo, replay:FILE, openai:URL, grpc:HOST:PORT",
    "serve --backend replay:no.jsonl": "--backend: [Errno 2] No such file or directory: 'no.jsonl'",
    "serve --backend replay:no.txt": "--backend: 'no.txt' is not called .jsonl or .binpbs",
    "serve --backend openai:ftp://x": "--backend: 'ftp://x' is not an http or https address",
    "serve --listen 5": "--listen: '5' is not HOST:PORT",
    "serve --listen h:99999": "--listen: 'h:99999' is not HOST:PORT",
    "serve --listen 203.0.113.9:80": "--listen: cannot listen at 203.0.113.9:80",
    "serve --tls-key no.pem": "--tls-key: there is no file 'no.pem'",
    "serve --metrics x": "--metrics: 'x' is not HOST:PORT",
    "serve --max-message 0": "'--max-message'",
    "serve --log loud": "'--log'",
    "gateway": "--target, --backend: give one of them",
    "gateway --target a:1 --backend echo": "--target, --backend: give one of them",
    "gateway --backend echo --listen 203.0.113.9:80": "--listen: cannot listen at 203.0.113.9:80: ",
    "call": "FILE, --message: give one of them",
    "call a.txt": "a.txt: is not called .json or .binpb",
    "call a.json -m x": "FILE, --message: give one of them",
}


@pytest.mark.parametrize("arguments", BAD)
def test_bad_arguments(arguments: str) -> None:
    result = CliRunner().invoke(app, arguments.split(), prog_name="chatpb")
    assert result.exit_code == 2
    command = arguments.split()[0]
    assert f"chatpb {command}: Invalid value for {BAD[arguments]}" in result.output


def test_environment_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATPB_BACKEND", "foo")
    result = CliRunner().invoke(app, ["serve"], prog_name="chatpb")
    assert (result.exit_code, "'foo' is none of" in result.output) == (2, True)
