"""Client and AsyncClient: the forms of requests and answers, and when a stream's chunks are put together."""

from __future__ import annotations

import array
import asyncio
import json
import math
from collections.abc import AsyncIterator
from struct import pack
from typing import Any

import pytest

import chatcompletion_betterproto as betterproto_classes
from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk, CreateChatCompletionRequest
from chatpb import JsonError, WireError, from_dict, json_to_wire, to_dict
from chatpb._wire import FIXED64
from chatpb._wire.write import delimited, tag
from chatpb.service import (
    AsyncClient,
    Call,
    Client,
    EchoBackend,
    GrpcBackend,
    OpenAIBackend,
    Server,
    ServiceError,
    _client,
)
from chatpb.service.gateway import gateway
from chatpb.streams import Accumulator
from tests.service.service_stack import HOPS, QUESTION, STREAM, front_of, hops, run
from tests.support import nested_properties

FORMS = {
    "google": CreateChatCompletionRequest,
    "betterproto": betterproto_classes.CreateChatCompletionRequest,
}


@pytest.mark.parametrize("form", ["google", "betterproto", "dict", "text"])
def test_clients_answer_in_the_form_they_are_asked(form: str) -> None:
    asked = {**QUESTION, "stream_options": {"include_usage": True}}
    request: Any = asked if form == "dict" else json.dumps(asked)
    if form in FORMS:
        request = from_dict(asked, FORMS[form])

    def plain(answer: Any) -> Any:
        return answer if form == "dict" else json.loads(answer) if form == "text" else to_dict(answer)

    def blocking(target: str) -> tuple[Any, list[Any], Any]:
        with Client(target) as client, client.stream(request) as stream:
            return client.create(request), list(stream), stream.completion()

    async def main() -> None:
        async with (
            Server(EchoBackend(), listen="127.0.0.1:0") as server,
            AsyncClient(f"127.0.0.1:{server.port}") as client,
        ):
            answer, chunks, whole = await asyncio.to_thread(blocking, f"127.0.0.1:{server.port}")
            assert plain(answer)["choices"][0]["message"]["content"] == "hello"
            assert plain(whole) == plain(answer)
            if form in FORMS:
                assert type(answer).__module__ == type(request).__module__ or form == "google"
                assert type(chunks[0]).__name__ == "ChatCompletionChunk"
            assert plain(await client.create(request)) == plain(answer)
            stream = client.stream(request)
            assert [plain(chunk) async for chunk in stream] == [plain(chunk) for chunk in chunks]
            assert plain(stream.completion()) == plain(answer)

    run(main())


@pytest.mark.parametrize("buffer", [bytes, bytearray, memoryview, lambda text: array.array("b", text)])
def test_json_text_in_any_buffer_is_a_request(buffer: Any) -> None:
    async def main() -> None:
        async with (
            Server(EchoBackend(), listen="127.0.0.1:0") as server,
            AsyncClient(f"127.0.0.1:{server.port}") as client,
        ):
            answer = await client.create(buffer(json.dumps(QUESTION).encode()))
            assert json.loads(answer)["choices"][0]["message"]["content"] == "hello"

    run(main())


def test_a_request_of_another_type() -> None:
    with Client("127.0.0.1:9") as client, pytest.raises(TypeError, match="^<class 'int'> is not a message class of "):
        client.create(7)


class FixedBackend(EchoBackend):
    """Answers with the bytes that it was made with."""

    def __init__(self, completion: bytes = b"", chunks: tuple[bytes, ...] = ()) -> None:
        self._completion = completion
        self._chunks = chunks

    async def create(self, request: bytes, call: Call) -> bytes:
        return self._completion

    async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


@pytest.mark.parametrize("form", ["google", "betterproto", "dict", "text"])
def test_answers_that_cannot_be_read(form: str) -> None:
    """Every form gets the same error, which says where the bytes are wrong."""
    request: Any = from_dict(QUESTION, FORMS[form]) if form in FORMS else QUESTION if form == "dict" else "{}"
    wrong = json_to_wire(b'{"id":"1"}', ChatCompletion) + delimited(tag(1, 2), b"\xff")

    async def main() -> None:
        async with (
            Server(FixedBackend(wrong, (wrong,)), listen="127.0.0.1:0") as server,
            AsyncClient(f"127.0.0.1:{server.port}") as client,
        ):
            with pytest.raises(WireError, match="^a string that is not valid UTF-8 at byte 3$"):
                await client.create(request)
            with pytest.raises(WireError, match="^a string that is not valid UTF-8 at byte 3$"):
                [chunk async for chunk in client.stream(request)]

    run(main())


@pytest.mark.parametrize("form", FORMS)
def test_answers_that_a_runtime_does_not_parse(form: str) -> None:
    answer = json_to_wire(b'{"id":"1"}', ChatCompletion)
    wrong = {"google": answer + nested_properties(40), "betterproto": answer + b"\x29" + bytes(8)}[form]

    async def main() -> None:
        async with (
            Server(FixedBackend(wrong), listen="127.0.0.1:0") as server,
            AsyncClient(f"127.0.0.1:{server.port}") as client,
        ):
            with pytest.raises(WireError, match="^a message that its runtime does not parse ") as caught:
                await client.create(from_dict(QUESTION, FORMS[form]))
            assert (caught.value.path, caught.value.offset) == ("", 0)
            assert json.loads(await client.create(json.dumps(QUESTION)))["id"] == "1"

    run(main())


def test_an_answer_with_an_integer_that_python_does_not_convert() -> None:
    answer = json_to_wire(b'{"id":"1","x":' + b"1" * 5000 + b"}", ChatCompletion)

    async def main() -> None:
        async with (
            Server(FixedBackend(answer), listen="127.0.0.1:0") as server,
            AsyncClient(f"127.0.0.1:{server.port}") as client,
        ):
            with pytest.raises(JsonError, match="^an integer of more than 4300 digits, .* in /x$"):
                await client.create(QUESTION)

    run(main())


def test_the_completion_of_a_stream_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks are put together when the completion is asked for, each once."""
    added: list[bytes] = []

    class CountingAccumulator(Accumulator):
        def add_wire(self, wire: Any) -> None:
            added.append(wire)
            super().add_wire(wire)

    monkeypatch.setattr(_client, "Accumulator", CountingAccumulator)
    texts = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in "abc"]
    chunks = tuple(json_to_wire(json.dumps(text), ChatCompletionChunk) for text in texts)

    async def main() -> None:
        async with (
            Server(FixedBackend(chunks=chunks), listen="127.0.0.1:0") as server,
            AsyncClient(f"127.0.0.1:{server.port}") as client,
        ):
            stream = client.stream(QUESTION)
            contents: list[str] = []
            async for _ in stream:
                assert len(added) == len(contents)
                contents.append(stream.completion()["choices"][0]["message"]["content"])
            assert contents == ["a", "ab", "abc"]
            assert stream.completion()["choices"][0]["message"]["content"] == "abc"
            assert added == list(chunks)
            added.clear()
            assert len([chunk async for chunk in client.stream(QUESTION)]) == 3
            assert added == []

    run(main())


def test_a_completion_that_json_cannot_hold() -> None:
    """The chunks come as messages; each request for the completion says which value is wrong."""
    number = ChatCompletionChunk.DESCRIPTOR.fields_by_name["additional_properties"].number
    infinite = tag(2, FIXED64) + pack("<d", math.inf)
    member = delimited(tag(1, 2), delimited(tag(1, 2), b"x") + delimited(tag(2, 2), infinite))
    wrong = delimited(tag(number, 2), member)

    async def main() -> None:
        async with (
            Server(FixedBackend(chunks=(wrong,)), listen="127.0.0.1:0") as server,
            AsyncClient(f"127.0.0.1:{server.port}") as client,
        ):
            stream = client.stream(from_dict(QUESTION, CreateChatCompletionRequest))
            (chunk,) = [chunk async for chunk in stream]
            assert chunk.additional_properties["x"] == math.inf
            for _ in range(2):
                with pytest.raises(WireError, match="JSON"):
                    stream.completion()

    run(main())


class HeaderBackend(EchoBackend):
    """Answers with headers of its own."""

    async def create(self, request: bytes, call: Call) -> bytes:
        call.reply.update({"x-ratelimit-remaining-requests": "7", "x-mine": "a", "x-other": "b"})
        return await super().create(request, call)

    async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        call.reply.update({"x-ratelimit-remaining-requests": "7", "x-mine": "a", "x-other": "b"})
        async for chunk in super().stream(request, call):
            yield chunk


NOT_SENT: dict[str, dict[str, Any]] = {
    "a space in the name": {"x title": "a"},
    "no name": {"": "a"},
    "a pseudo-header": {":path": "a"},
    "a name for bytes": {"x-bin": "a"},
    "not ASCII": {"x-title": "\u00e9"},
    "a line feed": {"x-title": "a\nb"},
    "a number": {"x-title": 1},
}


@pytest.mark.parametrize("case", NOT_SENT)
def test_headers_that_grpc_does_not_carry(case: str) -> None:
    """They are refused: gRPC itself would let an asyncio client wait for ever. So it would a server that answers so."""
    wrong = NOT_SENT[case]

    class Wrong(EchoBackend):
        async def create(self, request: bytes, call: Call) -> bytes:
            call.reply.update(wrong)
            return await super().create(request, call)

        async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
            call.reply.update(wrong)
            async for chunk in super().stream(request, call):
                yield chunk

    async def main() -> None:
        async with Server(EchoBackend(), listen="127.0.0.1:0") as server:
            target = f"127.0.0.1:{server.port}"
            async with AsyncClient(target) as client:
                with pytest.raises(ValueError, match="cannot be sent"):
                    await client.create(QUESTION, metadata=wrong)
                with pytest.raises(ValueError, match="cannot be sent"):
                    [chunk async for chunk in client.stream(QUESTION, metadata=wrong)]
            with Client(target) as blocking, pytest.raises(ValueError, match="cannot be sent"):
                blocking.create(QUESTION, metadata=wrong)
        for number in HOPS:
            async with front_of(Wrong(), number) as front:
                for body in (QUESTION, STREAM):
                    assert (await front.post(body)).status_code == 500

    run(main())


@hops
def test_errors_with_headers_that_cannot_be_sent(hops: str) -> None:
    """The error arrives, without them."""

    class Refusing(EchoBackend):
        async def create(self, request: bytes, call: Call) -> bytes:
            headers = {"retry-after": "3", "x title": "a", "x-a": "\u00e9", "x-b": "a\nb"}
            raise ServiceError.of(429, "Slow down.", headers=headers)

    async def main() -> None:
        async with front_of(Refusing(), hops) as front:
            for body in (QUESTION, STREAM):
                answer = await front.post(body)
                assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
                assert not {"x title", "x-a", "x-b"} & answer.headers.keys()

    run(main())


@pytest.mark.parametrize(
    "name", ["", "x title", "x!", "x-bin", "\u00e9", "Content-Length", "transfer-encoding", "host", "accept-encoding"]
)
def test_names_of_headers_that_are_not_passed_on(name: str) -> None:
    for make in (
        lambda: Server(EchoBackend(), forward=[name]),
        lambda: gateway(EchoBackend(), forward=[name]),
        lambda: GrpcBackend("127.0.0.1:9", return_headers=[name]),
        lambda: Client("127.0.0.1:9", return_headers=[name]),
        lambda: OpenAIBackend("http://127.0.0.1:9", return_headers=[name]),
    ):
        with pytest.raises(ValueError, match="is no name of a header|is not passed on"):
            make()


@pytest.mark.parametrize(
    ("client", "call"),
    [({"timeout": 0.2}, {}), ({"timeout": 1000}, {"timeout": 0.2}), ({"timeout": None}, {"timeout": 0.2})],
)
def test_the_time_that_a_client_gives(client: dict[str, Any], call: dict[str, Any]) -> None:
    """It is the call's own, else that of the client."""

    async def never(request: CreateChatCompletionRequest) -> str:
        await asyncio.sleep(1000)
        return ""

    def blocking(target: str) -> None:
        with Client(target, **client) as asked:
            for ask in (asked.create, lambda request, **given: list(asked.stream(request, **given))):
                with pytest.raises(ServiceError) as caught:
                    ask(QUESTION, **call)
                assert caught.value.status == 504

    async def main() -> None:
        async with Server(never, listen="127.0.0.1:0") as server:
            target = f"127.0.0.1:{server.port}"
            blocked = asyncio.ensure_future(asyncio.to_thread(blocking, target))
            async with AsyncClient(target, **client) as asked:
                with pytest.raises(ServiceError) as caught:
                    await asked.create(QUESTION, **call)
                assert caught.value.status == 504
                with pytest.raises(ServiceError) as caught:
                    [chunk async for chunk in asked.stream(QUESTION, **call)]
                assert caught.value.status == 504
            await blocked

    run(main())


def test_the_headers_of_an_answer() -> None:
    """They are those about limits and the call's id, and those that the client names."""
    sent = {"x-request-id": "mine"}

    def blocking(target: str) -> list[dict[str, str]]:
        whole: dict[str, str] = {}
        streamed: dict[str, str] = {}
        with Client(target, return_headers=["X-Mine"]) as client:
            client.create(QUESTION, metadata=sent, reply=whole)
            for _ in client.stream(QUESTION, metadata=sent, reply=streamed):
                assert streamed
        return [whole, streamed]

    async def main() -> None:
        whole: dict[str, str] = {}
        streamed: dict[str, str] = {}
        async with Server(HeaderBackend(), listen="127.0.0.1:0") as server:
            target = f"127.0.0.1:{server.port}"
            async with AsyncClient(target, return_headers=["X-Mine"]) as client:
                await client.create(QUESTION, metadata=sent, reply=whole)
                async for _ in client.stream(QUESTION, metadata=sent, reply=streamed):
                    assert streamed
            found = [whole, streamed, *await asyncio.to_thread(blocking, target)]
        want = {"x-request-id": "mine", "x-ratelimit-remaining-requests": "7", "x-mine": "a"}
        assert found == [want] * 4

    run(main())
