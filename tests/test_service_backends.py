"""Backends: a function, a recording, an endpoint; and the models that each tells."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk, CreateChatCompletionRequest
from chatpb import from_json, json_to_wire
from chatpb._python.wire import varint
from chatpb.service import AsyncClient, FunctionBackend, ReplayBackend, Server
from service.stack import QUESTION, run, stack
from service.upstream import Exchange

CHUNK = b'{"id":"1","choices":[{"index":0,"delta":{"content":"a"}}]}'
STREAM = {**QUESTION, "stream": True}


def test_a_function_is_a_backend() -> None:
    async def text(request: CreateChatCompletionRequest) -> str:
        return f"{request.model} says hi"

    async def message(request: CreateChatCompletionRequest) -> ChatCompletion:
        return from_json('{"id":"1","choices":[{"index":0,"message":{"content":"m says hi"}}]}')

    async def pieces(request: CreateChatCompletionRequest) -> Any:
        for piece in ("m ", "says ", "hi"):
            yield piece

    async def main() -> None:
        for function in (text, message, pieces):
            async with (
                Server(function, listen="127.0.0.1:0") as server,
                AsyncClient(f"127.0.0.1:{server.port}") as client,
            ):
                answer = await client.create(QUESTION)
                assert answer["choices"][0]["message"]["content"] == "m says hi"
                stream = client.stream(QUESTION)
                assert [chunk async for chunk in stream]
                assert stream.completion()["choices"] == answer["choices"]

    run(main())
    with pytest.raises(TypeError, match="a backend is an async function"):
        FunctionBackend(lambda request: "no")


def test_a_function_is_closed_when_its_caller_leaves() -> None:
    async def main() -> None:
        closed = asyncio.Event()

        async def pieces(request: CreateChatCompletionRequest) -> Any:
            try:
                while True:
                    yield "more"
            finally:
                closed.set()

        async with (
            Server(pieces, listen="127.0.0.1:0") as server,
            AsyncClient(f"127.0.0.1:{server.port}") as client,
        ):
            async with client.stream(QUESTION) as stream:
                async for _ in stream:
                    break
            await asyncio.wait_for(closed.wait(), 5)

    run(main())


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "binpbs"])
def test_replay(ending: str, tmp_path: Any) -> None:
    chunks = [
        {"id": name, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": word}}]}
        for name, word in (("1", "a"), ("1", "b"), ("2", "c"))
    ]
    lines = b"".join(json.dumps(chunk).encode() + b"\n" for chunk in chunks)
    wires = [json_to_wire(json.dumps(chunk), ChatCompletionChunk) for chunk in chunks]
    data = b"".join(varint(len(wire)) + wire for wire in wires) if ending == "binpbs" else lines
    path = tmp_path / f"answers.{ending}"
    path.write_bytes(gzip.compress(data) if ending.endswith("gz") else data)

    async def main() -> None:
        async with (
            Server(ReplayBackend(str(path)), listen="127.0.0.1:0") as server,
            AsyncClient(f"127.0.0.1:{server.port}") as client,
        ):
            assert [chunk async for chunk in client.stream(QUESTION)] == chunks[:2]
            assert (await client.create(QUESTION))["choices"][0]["message"] == {"content": "c"}
            assert (await client.create(QUESTION))["choices"][0]["message"] == {"content": "ab"}

    run(main())


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", b"", "is not called .jsonl or .binpbs"),
        ("a.jsonl", b"", "holds neither completions nor chunks"),
        ("a.jsonl", b'{"choices":[{"delta":{}}]}\n{"choices', ":2"),
    ],
)
def test_replay_refuses(name: str, content: bytes, words: str, tmp_path: Any) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=words.replace(".", r"\.")):
        ReplayBackend(str(path))


def test_a_connection_is_used_again_after_a_stream() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.stream([CHUNK])

    async def main() -> None:
        async with stack(answer) as up:
            for _ in range(3):
                assert (await up.post(STREAM)).status_code == 200
            assert len({exchange.writer for exchange in up.upstream.seen}) == 1

    run(main())


def test_a_stream_ends_at_done() -> None:
    """Also where the upstream then leaves the connection open, or breaks it off."""

    async def open_end(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.event(CHUNK)
        await exchange.piece(b"data: [DONE]\n\n")
        await exchange.closed()

    async def broken_end(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.event(CHUNK)
        await exchange.piece(b"data: [DONE]\n\n")
        exchange.reset()

    async def main() -> None:
        for answer in (open_end, broken_end):
            async with stack(answer) as up:
                came = (await up.post(STREAM)).text
                assert came == f"data: {CHUNK.decode()}\n\ndata: [DONE]\n\n"
                await asyncio.wait_for(until_closed(up.upstream), 5)

    async def until_closed(upstream: Any) -> None:
        while upstream.open:
            await asyncio.sleep(0.01)

    run(main())
