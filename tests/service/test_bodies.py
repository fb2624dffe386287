"""Bodies through gateway, gRPC and server: nothing is lost, order is kept, each chunk arrives as soon as it is sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from itertools import groupby

import httpx
import pytest

from chatpb.service import AsyncClient
from tests.service.fake_upstream import HttpExchange, chunk_twice
from tests.service.service_stack import QUESTION, hops, run, stack
from tests.support import exactly_equal, recording

WILD = (
    b'{"id":"1","object":"chat.completion","created":"soon","model":null,"seed":18446744073709551617,"x":[],"y":{},'
    b'"choices":[{"index":0,"finish_reason":"","message":{"role":"assistant","content":["a",1e400,null,"\\ud83d"],'
    b'"tool_calls":[]}}],"usage":null,"big":9007199254740993,"null_fields":3}'
).replace(b"1e400", b"1e300")


def streams() -> list[list[bytes]]:
    """Return the recorded chunks, one list for each stream."""
    chunks = recording("chunk")
    return [list(group) for _, group in groupby(chunks, lambda line: json.loads(line).get("id"))]


async def events(response: httpx.Response) -> AsyncIterator[bytes]:
    async for line in response.aiter_lines():
        if line:
            yield line.removeprefix("data: ").encode()


@hops
def test_completions_arrive_as_they_were_sent(hops: str) -> None:
    documents = [WILD, *recording("completion")]
    sent: Iterator[bytes] = iter(documents)

    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(next(sent))

    async def main() -> int:
        async with stack(answer, hops) as up:
            lost = 0
            for document in documents:
                response = await up.post(QUESTION)
                assert response.status_code == 200
                lost += not exactly_equal(json.loads(response.content), json.loads(document))
            return lost

    assert run(main()) == 0


@hops
def test_streams_arrive_as_they_were_sent(hops: str) -> None:
    """Each chunk arrives once and in its place, and the first one before the second is sent."""
    recorded = streams()
    sent = iter(recorded)
    first_arrived = asyncio.Event()

    async def answer(exchange: HttpExchange) -> None:
        assert exchange.request["stream"] is True
        first, *others = [line.strip() for line in next(sent)]
        await exchange.begin_stream()
        await exchange.send_event(first)
        await first_arrived.wait()
        await exchange.send_rest(others)

    async def main() -> int:
        async with stack(answer, hops) as up:
            lost = 0
            for chunks in recorded:
                first_arrived.clear()
                came = []
                async with up.client.stream("POST", "/chat/completions", json={**QUESTION, "stream": True}) as response:
                    assert response.headers["content-type"].startswith("text/event-stream")
                    async for event in events(response):
                        came.append(event)
                        first_arrived.set()
                assert came.pop() == b"[DONE]"
                lost += abs(len(came) - len(chunks))
                lost += sum(not exactly_equal(json.loads(a), json.loads(b)) for a, b in zip(came, chunks, strict=False))
            return lost

    assert run(main()) == 0


@hops
def test_requests_arrive_as_they_were_sent(hops: str) -> None:
    documents = recording("request")

    async def answer(exchange: HttpExchange) -> None:
        if exchange.request.get("stream"):
            await exchange.answer_stream([])
        else:
            await exchange.answer(WILD)

    async def main() -> None:
        async with stack(answer, hops) as up:
            for document in documents:
                want = json.loads(document)
                assert (await up.post(document)).status_code == 200
                got = up.upstream.seen.pop().request
                assert exactly_equal(got, want)

    run(main())


@hops
def test_the_first_chunk_arrives_before_the_second_is_sent(hops: str) -> None:
    first_arrived = asyncio.Event()
    chunk = b'{"id":"1","choices":[]}'

    async def main() -> None:
        came = []
        async with (
            stack(chunk_twice(chunk, first_arrived), hops) as up,
            up.client.stream("POST", "/chat/completions", json={**QUESTION, "stream": True}) as response,
        ):
            async for event in events(response):
                came.append(event)
                first_arrived.set()
        assert came == [chunk, chunk, b"[DONE]"]

    run(main())


@hops
def test_headers_pass_both_ways(hops: str) -> None:
    back = {
        "x-request-id": "req_1",
        "x-ratelimit-remaining-requests": "9",
        "openai-processing-ms": "5",
        "set-cookie": "no",
    }

    async def answer(exchange: HttpExchange) -> None:
        if exchange.request.get("stream"):
            await exchange.answer_stream([b'{"id":"1","choices":[]}'] * exchange.request["n"], headers=back)
        else:
            await exchange.answer(WILD, headers=back)

    async def main() -> None:
        async with stack(answer, hops) as up:
            for body in (QUESTION, {**QUESTION, "stream": True, "n": 1}, {**QUESTION, "stream": True, "n": 0}):
                response = await up.post(
                    body, authorization="Bearer sk-caller", x_request_id="mine", openai_project="p", cookie="no"
                )
                assert {name: response.headers.get(name) for name in back} == {**back, "set-cookie": None}
                asked = up.upstream.seen.pop().headers
                assert asked["authorization"] == "Bearer sk-caller"
                assert asked["x-request-id"] == "mine"
                assert asked["openai-project"] == "p"
                assert "cookie" not in asked
            await up.post(QUESTION)
            assert up.upstream.seen.pop().headers["authorization"] == "Bearer key"

    run(main())


def test_the_call_decides_whether_the_upstream_streams() -> None:
    async def answer(exchange: HttpExchange) -> None:
        if exchange.request.get("stream"):
            await exchange.answer_stream([b'{"id":"1","choices":[]}'])
        else:
            await exchange.answer(WILD)

    async def main() -> None:
        async with stack(answer) as up, AsyncClient(up.target) as client:
            await client.create({**QUESTION, "stream": True})
            assert up.upstream.seen.pop().request["stream"] is False
            await client.create({**QUESTION, "stream": None})
            assert up.upstream.seen.pop().request["stream"] is None
            assert [chunk async for chunk in client.stream(QUESTION)] == [{"id": "1", "choices": []}]
            assert up.upstream.seen.pop().request["stream"] is True
            assert len([chunk async for chunk in client.stream({**QUESTION, "stream": None})]) == 1

    run(main())


@pytest.mark.parametrize("wants_usage", [True, False])
def test_an_upstream_that_does_not_stream_is_cut_into_chunks(wants_usage: bool) -> None:
    """The chunk with the usage, which has no choices, comes only to a caller who asks for it."""
    message = {"role": "assistant", "content": "a b"}
    whole = {"id": "1", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    usage = {"total_tokens": 2}

    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(json.dumps({**whole, "usage": usage}).encode())

    async def main() -> None:
        async with stack(answer) as up, AsyncClient(up.target) as client:
            stream = client.stream({**QUESTION, "stream_options": {"include_usage": wants_usage}})
            assert len([chunk async for chunk in stream if chunk["choices"]]) == 4
            assert stream.completion() == {**whole, **({"usage": usage} if wants_usage else {})}

    run(main())


def test_importing_chatpb_does_not_import_grpc() -> None:
    import subprocess
    import sys

    code = "import sys, chatpb, chatpb.streams.sse, chatpb.streams; print([m for m in sys.modules if m.split('.')[0] == 'grpc'])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
