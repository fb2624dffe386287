"""Backends: a function, recorded answers, an endpoint, another gRPC server."""

from __future__ import annotations

import asyncio
import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk, CreateChatCompletionRequest
from chatpb import WireError, from_json, json_lines_to_wire, json_to_wire, wire_to_json
from chatpb._wire.write import varint
from chatpb.service import (
    AsyncClient,
    Backend,
    Call,
    EchoBackend,
    FunctionBackend,
    GrpcBackend,
    OpenAIBackend,
    ReplayBackend,
    Server,
    ServiceError,
)
from chatpb.service._recording_backend import RecordingBackend
from chatpb.service._server import SERVICE
from chatpb.storage import BackgroundRecorder, Recorder, parts_of
from tests.service.fake_upstream import FakeUpstream, HttpExchange
from tests.service.service_stack import CHUNK, QUESTION, STREAM, front_of, run, stack
from tests.support import nested_properties

WHOLE = b'{"id":"1","object":"chat.completion","choices":[{"index":0,"message":{"content":"a"}}]}'


@pytest.mark.parametrize(
    ("number", "choices"), [(None, 1), (-1, 1), (0, 1), (1, 1), (3, 3), (128, 128), (129, 1), ("2", 1)]
)
def test_the_echo(number: Any, choices: int) -> None:
    """It has as many choices as are asked for, within reason."""
    asked = {
        "model": "m",
        "messages": [{"role": "user", "content": "hello to you"}],
        **({} if number is None else {"n": number}),
    }
    wire = run(EchoBackend().create(json_to_wire(json.dumps(asked), CreateChatCompletionRequest), Call()))
    answer = json.loads(wire_to_json(wire, ChatCompletion))
    message = {"role": "assistant", "content": "hello to you", "refusal": None}
    assert answer == {
        "id": "chatcmpl-echo",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [
            {"index": index, "message": message, "logprobs": None, "finish_reason": "stop"} for index in range(choices)
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6},
    }


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({}, ""),
        ({"messages": None}, ""),
        ({"messages": []}, ""),
        ({"messages": "abc"}, ""),
        ({"messages": {"a": 1}}, ""),
        ({"messages": [{"content": "a"}, 5]}, ""),
        ({"messages": [{"content": "a"}, {"content": None}]}, ""),
        ({"messages": [{"content": 5}]}, ""),
        ({"messages": [{"content": [{"type": "text", "text": "a"}, 7, {"text": [{"text": "b"}]}, {"x": "c"}]}]}, "ab"),
    ],
)
def test_the_echo_of_what_is_no_text(members: dict[str, Any], text: str) -> None:
    wire = run(EchoBackend().create(json_to_wire(json.dumps(members), CreateChatCompletionRequest), Call()))
    answer = json.loads(wire_to_json(wire, ChatCompletion))
    assert (answer["model"], answer["choices"][0]["message"]["content"]) == ("echo", text)


@pytest.mark.parametrize(
    ("deadline", "seconds"), [(None, None), (107.5, 7.5), (100.0, 0.0), (93.0, 0.0), (250.0, 150.0)]
)
def test_the_time_that_a_call_has_left(
    monkeypatch: pytest.MonkeyPatch, deadline: float | None, seconds: float | None
) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    assert Call(deadline=deadline).remaining() == seconds


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


def test_a_function_that_takes_the_call() -> None:
    async def text(request: CreateChatCompletionRequest, call: Call) -> str:
        call.reply["x-caller"] = call.metadata["authorization"]
        return request.model

    async def pieces(request: CreateChatCompletionRequest, call: Call) -> Any:
        yield call.metadata["authorization"]

    async def default(request: CreateChatCompletionRequest, prefix: str = "I am ") -> str:
        return prefix + request.model

    async def main(function: Any) -> tuple[str, dict[str, str]]:
        call = Call(metadata={"authorization": "Bearer a"})
        request = json_to_wire(json.dumps(QUESTION), CreateChatCompletionRequest)
        answer = ChatCompletion.FromString(await FunctionBackend(function).create(request, call))
        return answer.choices[0].message.content, call.reply

    assert run(main(text)) == ("m", {"x-caller": "Bearer a"})
    assert run(main(pieces)) == ("Bearer a", {})
    assert run(main(default)) == ("I am m", {})


async def _of_nothing() -> str:
    return ""


async def _of_three(request: Any, call: Any, more: Any) -> str:
    return ""


@pytest.mark.parametrize("function", [_of_nothing, _of_three])
def test_a_function_of_other_arguments_is_refused_at_the_start(function: Any) -> None:
    with pytest.raises(TypeError, match="takes the request, or the request and the call"):
        Server(function)


def test_the_chunks_of_a_function_that_yields_text() -> None:
    """The role comes once, with the first piece, and the reason to end in a chunk of its own."""

    async def pieces(request: CreateChatCompletionRequest) -> Any:
        yield "a"
        yield "b"
        yield {"choices": [], "usage": {"total_tokens": 2}}

    async def main() -> list[Any]:
        chunks = FunctionBackend(pieces).stream(json_to_wire(json.dumps(QUESTION), CreateChatCompletionRequest), Call())
        return [json.loads(wire_to_json(chunk, ChatCompletionChunk)) async for chunk in chunks]

    first, second, own, last = run(main())
    assert own == {"choices": [], "usage": {"total_tokens": 2}}
    assert {chunk.pop("id")[:9] for chunk in (first, second, last)} == {"chatcmpl-"}
    for chunk, choice in (
        (first, {"index": 0, "delta": {"role": "assistant", "content": "a"}, "finish_reason": None}),
        (second, {"index": 0, "delta": {"content": "b"}, "finish_reason": None}),
        (last, {"index": 0, "delta": {}, "finish_reason": "stop"}),
    ):
        assert chunk.pop("created") > 1_700_000_000
        assert chunk == {"object": "chat.completion.chunk", "model": "m", "choices": [choice]}


def test_the_completion_of_a_function_that_returns_text() -> None:
    async def text(request: CreateChatCompletionRequest) -> str:
        return "a"

    wire = json_to_wire(json.dumps(QUESTION), CreateChatCompletionRequest)
    answer = json.loads(wire_to_json(run(FunctionBackend(text).create(wire, Call())), ChatCompletion))
    assert len(answer.pop("id")) == len("chatcmpl-") + 32
    assert answer.pop("created") > 1_700_000_000
    message = {"role": "assistant", "content": "a", "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    assert answer == {"object": "chat.completion", "model": "m", "choices": [choice]}


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
            await closed.wait()

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
        ("a.jsonl", b"[" * 100_000, ":1: maximum recursion depth exceeded"),
        ("a.jsonl", b'{"object":"chat.completion","choices":[],"a":1,"a":2}', ":1:48: a second member of this name"),
        ("a.binpbs", b"\x05\x0a", "a.binpbs"),
    ],
)
def test_replay_refuses(name: str, content: bytes, words: str, tmp_path: Any) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=words.replace(".", r"\.")):
        ReplayBackend(str(path))


def test_a_recording_with_an_integer_that_python_does_not_convert(tmp_path: Path) -> None:
    path = tmp_path / "a.binpbs"
    path.write_bytes(json_lines_to_wire(b'{"id":"1","choices":[],"x":' + b"1" * 5000 + b"}"))
    assert b"1" * 5000 in run(ReplayBackend(str(path)).create(b"", Call()))


def test_an_answer_that_a_function_may_not_give() -> None:
    """It is the service's fault, not the caller's."""

    async def whole(request: CreateChatCompletionRequest) -> Any:
        return {"x": math.nan}

    async def pieces(request: CreateChatCompletionRequest) -> Any:
        yield {"x": math.nan}

    with pytest.raises(TypeError, match="^the function gave what is no ChatCompletion: JsonError$"):
        run(FunctionBackend(whole).create(b"", Call()))
    with pytest.raises(TypeError, match="^the function gave what is no ChatCompletionChunk: JsonError$"):
        run(FunctionBackend(pieces).create(b"", Call()))


def test_a_request_that_a_function_cannot_be_given() -> None:
    """A message of protobuf nests at most 100 levels deep when it is parsed."""

    async def text(request: CreateChatCompletionRequest) -> str:
        raise AssertionError

    with pytest.raises(WireError, match="^a message that its runtime does not parse "):
        run(FunctionBackend(text).create(nested_properties(40), Call()))


def test_a_connection_is_used_again_after_a_stream() -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer_stream([CHUNK])

    async def main() -> None:
        async with stack(answer) as up:
            for _ in range(3):
                assert (await up.post(STREAM)).status_code == 200
            assert len({exchange.writer for exchange in up.upstream.seen}) == 1

    run(main())


def test_a_stream_ends_at_done() -> None:
    """It ends there too if the upstream then leaves the connection open or aborts it."""

    async def open_end(exchange: HttpExchange) -> None:
        await exchange.begin_stream()
        await exchange.send_event(CHUNK)
        await exchange.send_piece(b"data: [DONE]\n\n")
        await exchange.until_closed()

    async def broken_end(exchange: HttpExchange) -> None:
        await exchange.begin_stream()
        await exchange.send_event(CHUNK)
        await exchange.send_piece(b"data: [DONE]\n\n")
        exchange.reset()

    async def main() -> None:
        for answer in (open_end, broken_end):
            async with stack(answer) as up:
                came = (await up.post(STREAM)).text
                assert came == f"data: {CHUNK.decode()}\n\ndata: [DONE]\n\n"
                await until_closed(up.upstream)

    async def until_closed(upstream: Any) -> None:
        while upstream.open:
            await asyncio.sleep(0.01)

    run(main())


@pytest.mark.parametrize("buffer", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("kind", ["echo", "function", "replay", "openai", "grpc", "recording"])
def test_requests_in_any_buffer(kind: str, buffer: Any, tmp_path: Path) -> None:
    request = json_to_wire(json.dumps({**QUESTION, "stream": True}), CreateChatCompletionRequest)

    async def text(request: CreateChatCompletionRequest) -> str:
        return request.messages[0].content_text

    async def answer(exchange: HttpExchange) -> None:
        if exchange.request["stream"]:
            await exchange.answer_stream([CHUNK])
        else:
            await exchange.answer(WHOLE)

    async def main() -> None:
        (tmp_path / "answers.jsonl").write_bytes(WHOLE)
        async with FakeUpstream(answer).serve() as upstream, Server(EchoBackend(), listen="127.0.0.1:0") as server:
            backends: dict[str, Callable[[], Backend]] = {
                "echo": EchoBackend,
                "function": lambda: FunctionBackend(text),
                "replay": lambda: ReplayBackend(str(tmp_path / "answers.jsonl")),
                "openai": lambda: OpenAIBackend(upstream.url),
                "grpc": lambda: GrpcBackend(f"127.0.0.1:{server.port}"),
                "recording": lambda: RecordingBackend(EchoBackend(), BackgroundRecorder(Recorder(tmp_path / "r.db"))),
            }
            backend = backends[kind]()
            assert await backend.create(buffer(request), Call())
            assert [chunk async for chunk in backend.stream(buffer(request), Call())]
            await backend.close()

    run(main())
    if kind == "recording":
        with Recorder(tmp_path / "r.db", read_only=True) as recorder:
            assert [parts_of(record)["request"] for record in recorder if isinstance(record, bytes)] == [request] * 2


def test_a_server_repeats_the_token() -> None:
    """That of a gateway reaches no caller. A client gets what it was sent, since the token is its own."""
    token = "inner-token-1"

    class Repeating(EchoBackend):
        async def create(self, request: bytes, call: Call) -> bytes:
            call.reply["x-ms-token"] = token
            if call.metadata.get("x-title"):
                raise ServiceError.of(401, f"Not {token}.", headers={"x-ms-token": token})
            return json_to_wire(WHOLE.replace(b'"a"', f'"{token}"'.encode()), ChatCompletion)

        async def stream(self, request: bytes, call: Call) -> Any:
            call.reply["x-ms-token"] = token
            yield json_to_wire(CHUNK.replace(b'"a"', f'"{token}"'.encode()), ChatCompletionChunk)

    async def main() -> None:
        async with front_of(Repeating(), "two hops", server={"tokens": [token]}, link={"token": token}) as front:
            for body, headers in ((QUESTION, {}), (STREAM, {}), (QUESTION, {"x_title": "fail"})):
                answer = await front.post(body, **headers)
                assert token not in repr((answer.text, answer.headers))
                assert ("*" * len(token)) in answer.text
                assert answer.headers["x-ms-token"] == "*" * len(token)
            async with AsyncClient(front.target, token=token) as client:
                assert token in str(await client.create(QUESTION, metadata={"Authorization": "another"}))

    run(main())


def raw_server(**methods: Any) -> Any:
    """Return a gRPC server of these methods, as another program may be one: of its health service, or of the contract's."""
    server = aio.server()
    for service, names in {"grpc.health.v1.Health": ["Check"], SERVICE: ["CreateChatCompletion"]}.items():
        handlers: Any = {name: grpc.unary_unary_rpc_method_handler(methods[name]) for name in names if name in methods}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    return server


@pytest.mark.parametrize(
    ("answer", "is_well"),
    [(b"", False), (b"\x08\x00", False), (b"\x08\x01", True), (b"\x08\x02", False), (b"\x08\x03", False)],
)
def test_what_a_grpc_server_says_of_its_health(answer: bytes, is_well: bool) -> None:
    async def check(request: bytes, context: Any) -> bytes:
        return answer

    async def main() -> None:
        server = raw_server(Check=check)
        backend = GrpcBackend(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
        await server.start()
        if is_well:
            await backend.check()
        else:
            with pytest.raises(ServiceError) as caught:
                await backend.check()
            assert (caught.value.status, caught.value.message) == (503, "The service does not serve.")
        await backend.close()
        await server.stop(0)

    run(main())


@pytest.mark.parametrize(
    ("metadata", "want"),
    [
        ((), (503, "The service ended the call.", {"retry-after": "1"})),
        ((("retry-after", "5"),), (499, "Enough.", {"retry-after": "5"})),
    ],
)
def test_a_grpc_server_that_cancels(metadata: Any, want: tuple[int, str, dict[str, str]]) -> None:
    """Without a reason, it is one that stops, and the call may be made again."""

    async def cancel(request: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.CANCELLED, "Enough.", metadata)
        return b""

    async def main() -> None:
        server = raw_server(CreateChatCompletion=cancel)
        backend = GrpcBackend(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
        await server.start()
        with pytest.raises(ServiceError) as caught:
            await backend.create(b"", Call())
        assert (caught.value.status, caught.value.message, caught.value.headers) == want
        await backend.close()
        await server.stop(0)

    run(main())


def test_a_grpc_server_that_takes_no_call() -> None:
    """It is asked twice more, and its own words arrive. Who asks for its health hears at once."""
    asked = 0

    async def refuse(request: bytes, context: Any) -> bytes:
        nonlocal asked
        asked += 1
        await context.abort(grpc.StatusCode.UNAVAILABLE, "Busy.")
        return b""

    async def main() -> None:
        server = raw_server(CreateChatCompletion=refuse, Check=refuse)
        backend = GrpcBackend(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
        await server.start()
        with pytest.raises(ServiceError) as caught:
            await backend.create(b"", Call())
        assert (caught.value.status, caught.value.message, asked) == (503, "Busy.", 3)
        with pytest.raises(ServiceError, match="Busy"):
            await backend.check()
        assert asked == 4
        await backend.close()
        await server.stop(0)

    run(main())


def test_a_grpc_server_that_is_not_there() -> None:
    async def main() -> None:
        backend = GrpcBackend("127.0.0.1:9")
        with pytest.raises(ServiceError) as caught:
            await backend.create(b"", Call())
        assert (caught.value.status, caught.value.detail["code"]) == (503, "server_unreachable")
        with pytest.raises(ServiceError) as caught:
            [chunk async for chunk in backend.stream(b"", Call())]
        assert (caught.value.status, caught.value.detail["code"]) == (503, "server_unreachable")
        await backend.close()

    run(main())
