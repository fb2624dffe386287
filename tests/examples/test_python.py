"""The programs in Python of examples/: a gRPC service with tools, a front in FastAPI, a recording, a vendor's typed view."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Final

import openai
import pytest

import chatpb
from chatpb import storage
from chatpb.service import FunctionBackend, Server, ServiceError
from tests.examples.example import MOST_LINES, Example
from tests.service.fake_upstream import FakeUpstream, HttpExchange
from tests.service.service_stack import CHUNK, STREAM, http_client, run, serve_http
from tests.support import exactly_equal


def example(source: str) -> Example:
    return Example(name="python", source=source, needs=(), build=(), command=(sys.executable, source))


SERVICE: Final = example("service.py")
FRONT: Final = example("front.py")
RECORD: Final = example("record.py")
VENDOR_VIEW: Final = example("vendor_view.py")
SPARK_JOB: Final = example("spark_job.py")
HOST: Final = "127.0.0.1:0"


def test_every_program_is_here_and_short() -> None:
    examples = [SERVICE, FRONT, RECORD, VENDOR_VIEW, SPARK_JOB]
    assert {path.name for path in FRONT.folder.glob("*.py")} == {each.source for each in examples}
    for each in examples:
        assert 20 < each.lines() < MOST_LINES


async def output(
    program: Example, *arguments: str, given: bytes = b"", environment: dict[str, str] | None = None
) -> tuple[str, str]:
    """Return what a program prints, and what it says to standard error."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *program.command, *arguments, cwd=program.folder, stdin=pipe, stdout=pipe, stderr=pipe,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **(environment or {})},
    )  # fmt: skip
    out, err = await process.communicate(given)
    assert process.returncode == 0, err.decode()
    return out.decode(), err.decode()


@pytest.fixture
def front(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what runs the front before the gRPC server at an address, and gives its own address to a block."""
    if find_spec("fastapi") is None:
        absent = pytest.fail if os.environ.get("CHATPB_EXAMPLES") == "all" else pytest.skip
        absent("fastapi is not installed: pip install fastapi")
    spec = spec_from_file_location("front", FRONT.folder / FRONT.source)
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)

    @asynccontextmanager
    async def before(target: str) -> AsyncIterator[str]:
        monkeypatch.setenv("CHATPB_TARGET", target)
        async with serve_http(module.app) as url:
            yield f"{url}/v1"

    return before


def client_of(url: str, key: str = "sk-red") -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0)


TOOLS: Final[list[Any]] = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("weather", "time")
]
CALLS: Final[list[Any]] = [
    {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": '{"city": "Oslo"}'}}
    for index, name in enumerate(("weather", "time"))
]


def head_of(answer: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return what an answer has beside its choices. Its name and time are its own."""
    assert answer["id"].startswith("chatcmpl-")
    own = {name: answer[name] for name in ("id", "created")}
    return {**own, "object": kind, "model": "m", "x_team": "red"}


def choice(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}


def call_piece(index: int, **members: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, **members}]}


def test_tools_are_called_and_their_results_are_said(front: Any) -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "How is Oslo?"}]
    asked: dict[str, Any] = {"model": "m", "messages": messages, "tools": TOOLS}

    async def main() -> None:
        async with SERVICE.run(HOST) as service, front(service.address) as url, client_of(url) as client:
            create: Any = client.chat.completions.create
            called = (await create(**asked)).to_dict()
            message = {"role": "assistant", "content": None, "tool_calls": CALLS}
            choices = [{"index": 0, "message": message, "finish_reason": "tool_calls"}]
            assert exactly_equal(called, {**head_of(called, "chat.completion"), "choices": choices})

            chunks = [chunk.to_dict() async for chunk in await create(**asked, stream=True)]
            head = head_of(chunks[0], "chat.completion.chunk")
            deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None}]
            for index, call in enumerate(CALLS):
                function = {"name": call["function"]["name"], "arguments": ""}
                deltas.append(call_piece(index, id=call["id"], type="function", function=function))
                deltas += [call_piece(index, function={"arguments": text}) for text in ('{"city": ', '"Oslo"}')]
            pieces = [*map(choice, deltas), choice({}, "tool_calls")]
            assert exactly_equal(chunks, [{**head, "choices": [piece]} for piece in pieces])

            messages.append(called["choices"][0]["message"])
            messages.extend(
                {"role": "tool", "tool_call_id": call["id"], "content": text}
                for call, text in zip(CALLS, ("21 \u00b0C", "noon"), strict=True)
            )
            said = (await create(**asked)).to_dict()
            message = {"role": "assistant", "content": "In Oslo: 21 \u00b0C noon"}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            assert exactly_equal(said, {**head_of(said, "chat.completion"), "choices": choices})

    run(main())


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_errors_of_the_service_and_of_the_front(front: Any, stream: bool) -> None:
    async def main() -> None:
        async with SERVICE.run(HOST) as service, front(service.address) as url:
            refused = [
                ("sk-red", openai.BadRequestError, "This model needs tools.", "tools"),
                ("sk-green", openai.AuthenticationError, "This key is unknown.", None),
            ]
            for key, kind, text, param in refused:
                async with client_of(url, key) as client:
                    create: Any = client.chat.completions.create
                    with pytest.raises(kind) as caught:
                        await create(model="m", messages=[], stream=stream)
                    body: Any = caught.value.body
                    assert (body["message"], body["param"]) == (text, param)

    run(main())


def test_a_body_that_is_no_request_is_refused_with_its_place(front: Any) -> None:
    async def main() -> None:
        async with front("127.0.0.1:1") as url, http_client() as client:
            key = {"authorization": "Bearer sk-blue"}
            answer = await client.post(f"{url}/chat/completions", content=b'{"model": tru}', headers=key)
            assert answer.status_code == 400
            assert "in /model" in answer.json()["error"]["message"]

    run(main())


def test_an_error_within_a_stream_is_its_last_event(front: Any) -> None:
    async def answer(request: Any) -> AsyncIterator[Any]:
        yield json.loads(CHUNK)
        raise ServiceError.of(429, "Slow down.")

    async def main() -> None:
        async with (
            Server(FunctionBackend(answer), listen=HOST) as server,
            front(f"127.0.0.1:{server.port}") as url,
            http_client() as client,
        ):
            key = {"authorization": "Bearer sk-blue"}
            streamed = await client.post(f"{url}/chat/completions", json=STREAM, headers=key)
            first, last, end = streamed.text.split("\n\n")
            assert json.loads(first.removeprefix("data: ")) == json.loads(CHUNK)
            assert json.loads(last.removeprefix("data: "))["error"]["message"] == "Slow down."
            assert end == ""

    run(main())


def test_a_caller_who_leaves_ends_the_call(front: Any) -> None:
    left = asyncio.Event()

    async def answer(request: Any) -> AsyncIterator[Any]:
        try:
            yield json.loads(CHUNK)
            await asyncio.Event().wait()
        finally:
            left.set()

    async def main() -> None:
        async with (
            Server(FunctionBackend(answer), listen=HOST) as server,
            front(f"127.0.0.1:{server.port}") as url,
            http_client(headers={"authorization": "Bearer sk-blue"}) as client,
        ):
            async with client.stream("POST", f"{url}/chat/completions", json=STREAM) as streamed:
                async for line in streamed.aiter_lines():
                    assert json.loads(line.removeprefix("data: ")) == json.loads(CHUNK)
                    break
            await left.wait()

    run(main())


def test_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    chunks: list[Any] = [
        {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": text}}], "x_vendor": vendor}
        for text, vendor in (("Hel", None), ("lo \u00e9", 2**53 + 1))
    ]
    chunks.append({"id": "c", "choices": [], "usage": {"total_tokens": 7}})
    refusal = {"error": {"message": "Slow down.", "type": "requests", "param": None, "code": "rate", "x": 2**70}}

    async def answer(exchange: HttpExchange) -> None:
        if exchange.request["messages"][0]["content"] == "Three?":
            await exchange.answer(json.dumps(refusal).encode(), 429)
        else:
            await exchange.answer_stream(json.dumps(chunk).encode() for chunk in chunks)

    async def main() -> tuple[list[str], list[Any]]:
        async with FakeUpstream(answer).serve() as upstream:
            where = {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": "any", "NO_PROXY": "127.0.0.1"}
            out, _ = await output(RECORD, str(path), "m", "One?", "Two?", "Three?", environment=where)
            return out.splitlines(), [exchange.request for exchange in upstream.seen]

    lines, requests = run(main())
    with storage.open(path) as records:
        kept = list(records)
    assert lines == [
        "Hello \u00e9",
        "Hello \u00e9",
        "refused: Slow down.",
        "search: 3 calls, 1 refused, 14 tokens",
        *(record.to_json().decode() for record in kept),
    ]
    assert exactly_equal([chatpb.to_dict(record.request) for record in kept], requests)
    for record in kept[:2]:
        assert exactly_equal([chatpb.to_dict(chunk) for chunk in record.chunks], chunks)
    assert exactly_equal(json.loads(kept[2].to_json())["error"], refusal)


def test_a_view_of_a_vendor_s_members() -> None:
    lines: list[Any] = [
        {
            "id": "c1",
            "x_groq": {"id": "r", "seed": 2**53 + 1, "y": None},
            "usage": {"queue_time": 0.5, "total_time": 2},
        },
        {"id": "c2", "x_groq": {"id": "r"}, "usage": {"queue_time": 0.25, "total_time": 1, "total_tokens": 2**53 + 1}},
        {"id": "c3", "usage": None, "x": 2**70},
        {"id": "c4", "x_groq": {"id": 5, "seed": "7"}, "usage": {"queue_time": "1", "total_time": 1}},
    ]
    given = "".join(json.dumps(line) + "\n" for line in lines).encode()
    out, err = run(output(VENDOR_VIEW, given=given))
    for line in lines[:2]:
        line["x_groq"]["id"] = "hidden"
    assert exactly_equal([json.loads(line) for line in out.splitlines()], lines)
    assert err.splitlines() == [
        "line 3: not as promised: x_groq, usage",
        "line 4: not as promised: x_groq.id, x_groq.seed, usage.queue_time",
        "waited 0.75 s",
    ]
