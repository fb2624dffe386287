"""What was done to OpenAIBackend by callers and endpoints, and what it must do then."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import random
import socket
import struct
import tracemalloc
import zlib
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from chatcompletion.v1 import CreateChatCompletionRequest
from chatpb import json_to_wire
from chatpb.service import Call, OpenAIBackend, ServiceError, _openai_backend
from chatpb.service._call import CHECK_SECONDS
from chatpb.service._gzip import Decompressor
from chatpb.service._recording_backend import RecordingBackend
from chatpb.service._secrets import Secrets
from chatpb.storage import BackgroundRecorder, Recorder
from tests.service.fake_upstream import Answer, FakeUpstream, HttpExchange
from tests.service.service_stack import CHUNK, PATIENCE, QUESTION, STREAM, hops, run, stack
from tests.support import zstd

KEY = "sk-operator/1234567890"
WHOLE = b'{"id":"1","object":"chat.completion","choices":[{"index":0,"message":{"content":"a"}}]}'
WIRE = json_to_wire(json.dumps(QUESTION), CreateChatCompletionRequest)
END = b'{"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'


async def model(exchange: HttpExchange) -> None:
    """Answer as an endpoint does."""
    if exchange.request.get("stream"):
        await exchange.answer_stream([CHUNK, END])
    else:
        await exchange.answer(WHOLE)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds. The test's own time limit ends a wait that is in vain."""
    while not holds():
        await asyncio.sleep(0.01)


async def read(backend: OpenAIBackend, kind: str) -> Any:
    if kind == "create":
        return await backend.create(WIRE, Call())
    return [chunk async for chunk in backend.stream(WIRE, Call())]


@pytest.mark.parametrize("kind", ["create", "stream"])
def test_callers_vanish_at_every_moment(kind: str) -> None:
    """Calls are cancelled after 0, 1, 2 ... turns of the loop; later calls work, and no connection is left over."""

    async def main() -> None:
        async with FakeUpstream(model).serve() as upstream:
            backend = OpenAIBackend(upstream.url)
            for turns in range(80):
                calls = [asyncio.ensure_future(read(backend, kind)) for _ in range(3)]
                for _ in range(turns):
                    await asyncio.sleep(0)
                for call in calls:
                    call.cancel()
                await asyncio.gather(*calls, return_exceptions=True)
                assert await read(backend, kind)
            await backend.close()
            await until(lambda: not upstream.open)

    run(main())


# Seen on Python 3.10: the socket of a connection whose caller left while it began is closed by the collector alone.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@hops
def test_callers_send_a_request_and_leave(hops: str) -> None:
    """Beside them, ordinary callers get their answers from an upstream that is slower than those who leave."""

    async def answer(exchange: HttpExchange) -> None:
        await asyncio.sleep(0.02)
        await model(exchange)

    async def main() -> None:
        async with stack(answer, hops) as up:
            port = int(up.url.split(":")[2].partition("/")[0])
            body = json.dumps(STREAM).encode()
            head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"

            async def leave(number: int) -> None:
                for _ in range(15):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
                    await asyncio.sleep(number % 20 / 1000)
                    writer.transport.abort()

            async def stay() -> list[int]:
                return [(await up.post(body)).status_code for body in (QUESTION, STREAM) for _ in range(10)]

            leaving = [leave(number) for number in range(20)]
            *found, _ = await asyncio.gather(*[stay() for _ in range(5)], asyncio.gather(*leaving))
            assert found == [[200] * 20] * 5

    run(main())


REPEATS: dict[str, tuple[dict[str, Any], Callable[[HttpExchange, bytes], Any]]] = {
    "an error's body": (QUESTION, lambda to, key: to.answer(b'{"error":{"message":"Wrong key: %b."}}' % key, 401)),
    "an error's body, escaped": (
        QUESTION,
        lambda to, key: to.answer(
            b'{"error":{"message":"%b"}}' % key.replace(b"/", b"\\/").replace(b"k", b"\\u006b"), 401
        ),
    ),
    "an array": (QUESTION, lambda to, key: to.answer(b'[{"error":{"message":"%b"}}]' % key, 401)),
    "an error's body with a long integer, escaped": (
        QUESTION,
        lambda to, key: to.answer(
            b'{"error":{"message":"%b","n":%b}}' % (key.replace(b"k", b"\\u006b"), b"1" * 5000), 401
        ),
    ),
    "JSON text in an error's body": (
        QUESTION,
        lambda to, key: to.answer(
            json.dumps({"error": {"raw": json.dumps([key.decode()]).replace("/", "\\/")}}).encode(), 401
        ),
    ),
    "a header": (QUESTION, lambda to, key: to.answer(b'{"error":{}}', 429, headers={"x-ratelimit-key": key.decode()})),
    "a completion": (QUESTION, lambda to, key: to.answer(WHOLE.replace(b'"a"', b'"%b"' % key))),
    "a vendor member": (QUESTION, lambda to, key: to.answer(WHOLE.replace(b"{", b'{"x":["%b",1],' % key, 1))),
    "no JSON": (QUESTION, lambda to, key: to.answer(b"{" + key)),
    "an error with status 200": (QUESTION, lambda to, key: to.answer(b'{"error":{"message":"%b"}}' % key)),
    "a chunk": (STREAM, lambda to, key: to.answer_stream([CHUNK.replace(b'"a"', b'"%b"' % key), END])),
    "an error event": (STREAM, lambda to, key: to.answer_stream([CHUNK, b'{"error":{"message":"%b"}}' % key])),
    "an event of text": (
        STREAM,
        lambda to, key: to.answer(b"event: error\ndata: no %b\n\n" % key, kind="text/event-stream"),
    ),
    "an event that is no chunk": (STREAM, lambda to, key: to.answer(b"data: %b\n\n" % key, kind="text/event-stream")),
}


@pytest.mark.parametrize("given", ["api_key", "headers", "caller"])
@pytest.mark.parametrize("case", REPEATS)
def test_an_upstream_repeats_the_key(case: str, given: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It reaches neither the caller nor the records nor the log, wherever it stands."""
    body, repeat = REPEATS[case]
    caplog.set_level(logging.DEBUG)

    async def answer(exchange: HttpExchange) -> None:
        assert KEY in (exchange.headers.get("authorization", "") + exchange.headers.get("api-key", ""))
        await repeat(exchange, KEY.encode())

    async def main() -> str:
        choices: dict[str, dict[str, Any]] = {
            "api_key": {"api_key": KEY},
            "headers": {"headers": {"Api-Key": KEY}},
            "caller": {"api_key": "sk-another"},
        }
        options = choices[given]
        async with FakeUpstream(answer).serve() as upstream:
            recorder = BackgroundRecorder(Recorder(tmp_path / "r.db"))
            backend = RecordingBackend(OpenAIBackend(upstream.url, **options), recorder)
            call = Call({"authorization": f"Bearer {KEY}"} if given == "caller" else {})
            wire = json_to_wire(json.dumps(body), CreateChatCompletionRequest)
            seen: list[object] = []
            try:
                if body is STREAM:
                    async for chunk in backend.stream(wire, call):
                        seen.append(chunk)
                else:
                    seen.append(await backend.create(wire, call))
            except ServiceError as error:
                seen += [error.body, error.headers, str(error)]
            await backend.close()
            return repr([seen, call.reply])

    shown = run(main())
    assert KEY not in shown
    assert "***" in shown or case in ("no JSON", "an event that is no chunk")
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert KEY.encode() not in files
    assert KEY not in caplog.text


def test_short_credentials() -> None:
    """One of less than six characters may be a part of any text; one that begins like another is hidden whole."""
    secrets = Secrets(["12345", "123456", "123456-and-more", " ", None])
    assert secrets.hide(b"12345 123456 123456-and-more") == b"12345 ****** ***************"


def test_a_credential_of_any_characters() -> None:
    """Also of those that stand before the asterisk."""
    assert Secrets(["!#$%&!"]).hide_in_json(b'["\\u0021#$%&!"]') == b'["******"]'


HIDDEN: dict[str, tuple[bytes, bytes]] = {
    "nothing to hide": (b'{"a":"\\u0041","b":1e400,"a":2}', b'{"a":"\\u0041","b":1e400,"a":2}'),
    "nothing to hide in a string in a string": (b'"{\\"a\\":\\"\\\\u0041\\/\\"}"', b'"{\\"a\\":\\"\\\\u0041\\/\\"}"'),
    "one of two strings": (b'{"a":"\\u0041","b":"\\u0073ecret!"}', b'{"a":"\\u0041","b":"*******"}'),
    "a name": (b'{"\\u0073ecret!":"\\ud83d"}', b'{"*******":"\\ud83d"}'),
    "beside a quotation mark": (b'["\\"","\\u0073ecret!"]', b'["\\"","*******"]'),
    "in a string in a string": (b'"{\\"a\\":\\"\\\\u0073ecret!\\"}"', b'"{\\"a\\": \\"*******\\"}"'),
    "quotation marks without end": (b'"' + b'\\"' * 500_000, b'"' + b'\\"' * 500_000),
    "a backslash at the end": (b'"\\u0041"' * 100_000 + b'"\\', b'"\\u0041"' * 100_000 + b'"\\'),
    "beside a tab, which JSON has only as an escape sequence": (b'"\\u0073ecret!\t"', b'"*******\\t"'),
    "no UTF-8": (b'"\\u0073ecret!\xff"', b'"\\u0073ecret!\xff"'),
}


@pytest.mark.parametrize("case", HIDDEN)
def test_a_credential_in_json_text(case: str) -> None:
    """What hides it changes nothing else, and takes no longer than the text is long."""
    text, want = HIDDEN[case]
    assert Secrets(["secret!"]).hide_in_json(text).replace(b": ", b":") == want.replace(b": ", b":")


@pytest.mark.parametrize(
    ("options", "caller"), [({}, {}), ({"api_key": "sk-1234567"}, {}), ({}, {"authorization": "Bearer his"})]
)
def test_a_user_and_a_password_in_the_base_url(options: dict[str, Any], caller: dict[str, str]) -> None:
    """They are the only key that is sent, and are hidden in each of their forms."""

    async def answer(exchange: HttpExchange) -> None:
        (sent,) = [line.partition(": ")[2] for line in exchange.lines if line.lower().startswith("authorization:")]
        assert b64decode(sent.removeprefix("Basic ")).decode() == "me:p\u00e4ss word"
        assert "@" not in exchange.headers["host"]
        await exchange.answer(json.dumps({"error": {"message": f"{sent} p\u00e4ss word"}}).encode(), 401)

    async def main() -> None:
        async with FakeUpstream(answer).serve() as upstream:
            backend = OpenAIBackend(upstream.url.replace("//", "//me:p%C3%A4ss%20word@"), **options)
            for ask in (backend.create(WIRE, Call(dict(caller))), backend.models(Call(dict(caller)))):
                with pytest.raises(ServiceError) as caught:
                    await ask
                assert set(caught.value.message.removeprefix("Basic ")) == {"*", " "}
            await backend.close()

    run(main())


@pytest.mark.parametrize("body", [QUESTION, STREAM], ids=["create", "stream"])
@pytest.mark.parametrize(("encoding", "compress"), [("zstd", zstd.compress), ("gzip", gzip.compress)])
@pytest.mark.parametrize("inside", [b"data: " + bytes(200 << 20), b" " * (200 << 20)], ids=["an event", "white space"])
def test_an_upstream_sends_a_compression_bomb(
    inside: bytes, encoding: str, compress: Any, body: dict[str, Any]
) -> None:
    bomb = compress(inside)

    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(bomb, kind="text/event-stream", headers={"content-encoding": encoding})

    async def main() -> None:
        limits = {"max_body": 1 << 20, "max_event": 1 << 20}
        async with stack(answer, "one hop", backend=limits) as up:
            tracemalloc.start()
            try:
                response = await up.post(body)
                assert tracemalloc.get_traced_memory()[1] < 20 << 20
            finally:
                tracemalloc.stop()
            words = "1048576 bytes, the limit" if encoding == "gzip" else "compressed as zstd, which was not asked for"
            if encoding == "gzip" and body is STREAM and not inside.strip():
                words = "it has no event"
            assert response.status_code == 502
            assert words in response.text

    run(main())


@hops
@pytest.mark.parametrize("body", [QUESTION, STREAM], ids=["create", "stream"])
@pytest.mark.parametrize(
    ("coding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)]
)
def test_compressed_answers(coding: str, compress: Any, body: dict[str, Any], hops: str) -> None:
    async def answer(exchange: HttpExchange) -> None:
        assert exchange.headers["accept-encoding"] == "gzip"
        events = b"data: %b\n\ndata: %b\n\ndata: [DONE]\n\n" % (CHUNK, END)
        await exchange.answer(compress(events if body is STREAM else WHOLE), headers={"content-encoding": coding})

    async def main() -> None:
        async with stack(answer, hops) as up:
            for _ in range(2):
                response = await up.post(body)
                assert response.status_code == 200
                assert '"content":"a"' in response.text
            assert len({exchange.writer for exchange in up.upstream.seen}) == 1

    run(main())


async def labelled_json(exchange: HttpExchange) -> None:
    await exchange.begin_stream("application/json")
    await exchange.send_rest([CHUNK, END])


async def with_space_before(exchange: HttpExchange) -> None:
    await exchange.begin_stream()
    await exchange.send_piece(b"\n")
    await exchange.send_piece(b"\n")
    await exchange.send_rest([CHUNK, END])


async def whole_as_events(exchange: HttpExchange) -> None:
    await exchange.answer(WHOLE, kind="text/event-stream")


async def pings(exchange: HttpExchange) -> None:
    await exchange.begin_stream()
    await exchange.send_piece(b"data: null\n\n")
    await exchange.send_piece(b'event: ping\ndata: {"type":"ping"}\n\n')
    await exchange.send_rest([CHUNK, END])


async def named_chunks(exchange: HttpExchange) -> None:
    await exchange.begin_stream()
    await exchange.send_piece(b"event: completion.chunk\ndata: %b\n\n" % CHUNK)
    await exchange.send_rest([END])


async def without_an_empty_line(exchange: HttpExchange) -> None:
    await exchange.begin_stream()
    await exchange.send_event(CHUNK)
    await exchange.send_piece(b"data: %b" % END)
    await exchange.end_stream()


async def without_done(exchange: HttpExchange) -> None:
    await exchange.begin_stream()
    await exchange.send_event(CHUNK)
    await exchange.send_event(END)
    await exchange.send_event(b'{"id":"1","choices":[],"usage":{"total_tokens":1}}')
    await exchange.end_stream()


@hops
@pytest.mark.parametrize(
    "answer",
    [labelled_json, with_space_before, whole_as_events, pings, named_chunks, without_an_empty_line, without_done],
)
def test_streams_as_clients_accept_them(answer: Answer, hops: str) -> None:
    async def main() -> None:
        async with stack(answer, hops) as up:
            response = await up.post(STREAM)
            assert response.status_code == 200
            events = [event.removeprefix("data: ") for event in response.text.split("\n\n") if event]
            assert events.pop() == "[DONE]"
            chunks = [json.loads(event) for event in events]
            assert (
                "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"]) == "a"
            )
            assert all("choices" in chunk for chunk in chunks)

    run(main())


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize("kind", ["create", "stream"])
def test_sizes_at_the_limit(kind: str, more: int) -> None:
    """What is exactly as large as the limit passes."""
    event = CHUNK + b" " * 100

    async def answer(exchange: HttpExchange) -> None:
        if kind == "create":
            await exchange.answer(WHOLE)
        else:
            await exchange.answer_stream([event, END])

    async def main() -> None:
        body, line = len(WHOLE), len(b"data: " + event)
        limit = body if kind == "create" else line
        async with FakeUpstream(answer).serve() as upstream:
            backend = OpenAIBackend(upstream.url, max_body=body - more, max_event=line - more)
            if more:
                with pytest.raises(ServiceError, match=f" {limit - 1} bytes, the limit") as caught:
                    await read(backend, kind)
                assert caught.value.status == 502
            else:
                assert await read(backend, kind)
            await backend.close()

    run(main())


@pytest.mark.parametrize("more", [0, 1])
def test_an_error_at_the_limit(more: int) -> None:
    """More of it is not read."""
    body = b'{"error":{"message":"No.","x":"%b"}}'
    body %= b"x" * ((1 << 20) + more - len(body) + 2)

    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(body, 429)

    async def main() -> None:
        async with FakeUpstream(answer).serve() as upstream:
            backend = OpenAIBackend(upstream.url)
            with pytest.raises(ServiceError) as caught:
                await backend.create(WIRE, Call())
            found = (429, "No."), (502, "The upstream's answer is larger than 1048576 bytes, the limit.")
            assert (caught.value.status, caught.value.message) == found[more]
            await backend.close()

    run(main())


@pytest.mark.parametrize("more", [0, 1])
def test_a_header_at_the_limit(more: int) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(WHOLE, headers={"x-long": "x" * ((1 << 16) + more)})

    async def main() -> None:
        async with FakeUpstream(answer).serve() as upstream:
            backend = OpenAIBackend(upstream.url)
            if more:
                with pytest.raises(ServiceError) as caught:
                    await backend.create(WIRE, Call())
                assert (caught.value.status, caught.value.message) == (502, "The upstream broke off its answer.")
            else:
                assert await backend.create(WIRE, Call())
            await backend.close()

    run(main())


def test_calls_do_not_wait_for_each_other() -> None:
    """Each has a connection, however many there are at once."""

    async def main() -> None:
        all_asked = asyncio.Event()

        async def answer(exchange: HttpExchange) -> None:
            if len(upstream.seen) == 120:
                all_asked.set()
            await all_asked.wait()
            await model(exchange)

        upstream = FakeUpstream(answer)
        async with upstream.serve():
            backend = OpenAIBackend(upstream.url)
            assert all(await asyncio.gather(*[backend.create(WIRE, Call()) for _ in range(120)]))
            await backend.close()

    run(main())


@pytest.mark.parametrize(("behind", "ends"), [(15, True), (16, False)])
def test_a_stream_without_done_ends_well_behind_its_reason(behind: int, ends: bool) -> None:
    """A few chunks may follow the finish_reason, as one with the usage does."""

    async def answer(exchange: HttpExchange) -> None:
        await exchange.begin_stream()
        for chunk in (END, *[b'{"id":"1","choices":[]}'] * behind):
            await exchange.send_event(chunk)
        await exchange.end_stream()

    async def main() -> None:
        async with FakeUpstream(answer).serve() as upstream:
            backend = OpenAIBackend(upstream.url)
            if ends:
                assert len(await read(backend, "stream")) == 1 + behind
            else:
                with pytest.raises(ServiceError, match="without a finish_reason"):
                    await read(backend, "stream")
            await backend.close()

    run(main())


@pytest.mark.parametrize("status", [300, 399, 600])
def test_statuses_that_are_neither_success_nor_errors(status: int) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(WHOLE, status)

    async def main() -> None:
        async with stack(answer, "one hop") as up:
            response = await up.post(QUESTION)
            words = f"The upstream answered with status {status}."
            assert (response.status_code, response.json()["error"]["message"]) == (502, words)

    run(main())


@hops
@pytest.mark.parametrize("status", [200, 201, 203, 299])
def test_statuses_of_success(status: int, hops: str) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(WHOLE, status)

    async def main() -> None:
        async with stack(answer, hops) as up:
            response = await up.post(QUESTION)
            assert (response.status_code, response.json()) == (200, json.loads(WHOLE))

    run(main())


ERRORS: dict[str, tuple[dict[str, Any], bytes, int, str]] = {
    "an object called error": (QUESTION, b'{"object":"error","message":"boom","code":400}', 400, "boom"),
    "an array": (QUESTION, b'[{"error":{"message":"boom","code":429}}]', 429, "boom"),
    "choices that are null": (QUESTION, b'{"error":{"message":"boom"},"choices":null}', 500, "boom"),
    "an event called error": (STREAM, b'data: {"object":"error","message":"boom","code":400}\n\n', 400, "boom"),
    "a bare line": (STREAM, b'{"error":{"message":"boom","code":429}}\n', 429, "boom"),
    "text": (STREAM, b"event: error\ndata: boom at 5 o'clock\n\n", 500, "boom at 5 o'clock"),
    "no words": (STREAM, b"event: error\ndata:  \n\n", 502, "The upstream's answer is not a stream: it has no event."),
    "a huge integer": (QUESTION, b'{"error":{"message":"boom","code":429},"n":' + b"1" * 5000 + b"}", 429, "boom"),
}


@hops
@pytest.mark.parametrize("case", ERRORS)
def test_errors_with_status_200(case: str, hops: str) -> None:
    asked, sent, status, words = ERRORS[case]

    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(sent, kind="text/event-stream" if asked is STREAM else "application/json")

    async def main() -> None:
        async with stack(answer, hops) as up:
            response = await up.post(asked)
            error = json.loads(response.content, parse_int=float)
            error = error[0] if isinstance(error, list) else error
            assert (response.status_code, error.get("error", error)["message"]) == (status, words)

    run(main())


@hops
@pytest.mark.parametrize(
    ("rest", "words"),
    [
        (b'{"error":{"message":"boom"}}\n', "boom"),
        (b'{\n  "error": {"message": "boom"}\n}\n\n', "boom"),
        (b'data: {"object":"error","message":"boom"}\n\n', "boom"),
        (b"event: error\ndata: boom\n\n", "boom"),
        (b"", "The upstream's stream ended without [DONE] and without a finish_reason."),
    ],
)
def test_errors_after_a_chunk_have_no_done(rest: bytes, words: str, hops: str) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.begin_stream()
        await exchange.send_event(CHUNK)
        if rest:
            await exchange.send_piece(rest)
        await exchange.end_stream()

    async def main() -> None:
        async with stack(answer, hops) as up:
            response = await up.post(STREAM)
            chunk, error = [json.loads(event.removeprefix("data: ")) for event in response.text.split("\n\n") if event]
            assert chunk == json.loads(CHUNK)
            assert error.get("error", error)["message"] == words

    run(main())


@pytest.mark.parametrize(
    ("options", "caller", "want"),
    [
        ({"headers": {"Authorization": "Bearer mine"}}, {}, {"authorization": "Bearer mine"}),
        (
            {"headers": {"AUTHORIZATION": "Bearer mine"}},
            {"authorization": "Bearer his"},
            {"authorization": "Bearer mine"},
        ),
        ({"headers": {"Api-Key": "mine"}}, {"authorization": "Bearer his"}, {"api-key": "mine", "authorization": None}),
        ({"api_key": "mine"}, {"authorization": "Bearer his"}, {"authorization": "Bearer his"}),
        ({"api_key": "mine"}, {}, {"authorization": "Bearer mine"}),
        ({}, {}, {"authorization": "Bearer from-the-environment"}),
        ({"headers": {"X-Title": "mine"}}, {}, {"x-title": "mine", "accept": "application/json"}),
        ({"headers": {"Content-Type": "application/json; x"}}, {}, {"content-type": "application/json; x"}),
    ],
)
def test_headers_are_sent_once(
    options: dict[str, Any], caller: dict[str, str], want: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "from-the-environment")

    async def main() -> None:
        async with FakeUpstream(model).serve() as upstream:
            backend = OpenAIBackend(upstream.url, **options)
            await backend.create(WIRE, Call(caller))
            await backend.close()
            (asked,) = upstream.seen
            assert {name: asked.headers.get(name) for name in want} == want
            names = [line.partition(":")[0].lower() for line in asked.lines]
            assert len(names) == len(set(names))

    run(main())


@pytest.mark.parametrize(
    ("suffix", "path"),
    [
        ("", "/v1/chat/completions"),
        ("/", "/v1/chat/completions"),
        ("?api-version=2024-10-21", "/v1/chat/completions?api-version=2024-10-21"),
        ("/?a=b%20c&d=%2F", "/v1/chat/completions?a=b%20c&d=%2F"),
        ("/x%2Fy", "/v1/x%2Fy/chat/completions"),
        ("#fragment", "/v1/chat/completions"),
    ],
)
def test_base_urls(suffix: str, path: str) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(WHOLE)

    async def main() -> None:
        async with FakeUpstream(answer).serve() as upstream:
            backend = OpenAIBackend(upstream.url + suffix)
            await backend.create(WIRE, Call())
            await backend.models(Call())
            await backend.close()
            assert [asked.path for asked in upstream.seen] == [path, path.replace("/chat/completions", "/models")]

    run(main())


@pytest.mark.parametrize("url", ["ftp://x/v1", "x", "http://", "//x/v1", "http://:80/v1"])
def test_base_urls_that_are_none(url: str) -> None:
    with pytest.raises(ValueError, match="is not an http or https address"):
        OpenAIBackend(url)


def test_an_answer_that_is_whole_is_asked_for_without_stream_options() -> None:
    request = {**QUESTION, "stream": True, "stream_options": {"include_usage": True}, "n": 1}

    async def main() -> None:
        async with FakeUpstream(model).serve() as upstream:
            backend = OpenAIBackend(upstream.url)
            wire = json_to_wire(json.dumps(request), CreateChatCompletionRequest)
            await backend.create(wire, Call())
            [chunk async for chunk in backend.stream(wire, Call())]
            await backend.close()
            assert {exchange.headers["content-type"] for exchange in upstream.seen} == {"application/json"}
            assert [exchange.headers["accept"] for exchange in upstream.seen] == [
                "application/json",
                "text/event-stream",
            ]
            whole, streamed = [exchange.request for exchange in upstream.seen]
            assert whole == {**QUESTION, "n": 1, "stream": False}
            assert streamed == request

    run(main())


@pytest.mark.parametrize("size", [1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_requests_of_any_size(size: int) -> None:
    """Aiohttp warns of more than 1 MiB in bytes, and warnings are errors here."""

    async def main() -> None:
        async with FakeUpstream(model).serve() as upstream:
            backend = OpenAIBackend(upstream.url)
            empty = len(json.dumps({"user": ""}, separators=(",", ":")))
            request = json.dumps({"user": "x" * max(0, size - empty)})
            assert await backend.create(json_to_wire(request, CreateChatCompletionRequest), Call())
            assert len(upstream.seen[0].body) == max(size, empty)
            await backend.close()

    run(main())


@hops
@pytest.mark.parametrize("value", ["true", 1, {}, [True]])
def test_a_request_whose_stream_is_no_boolean(value: Any, hops: str) -> None:
    async def main() -> None:
        async with stack(model, hops) as up:
            response = await up.post({**QUESTION, "stream": value})
            assert (response.status_code, response.json()["error"]["param"]) == (400, "stream")
            assert not up.upstream.seen

    run(main())


def test_cookies_are_not_kept() -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(WHOLE, headers={"set-cookie": "session=of-another; Path=/"})

    async def main() -> None:
        async with FakeUpstream(answer).serve() as upstream:
            backend = OpenAIBackend(upstream.url)
            for _ in range(2):
                await backend.create(WIRE, Call())
            await backend.close()
            assert not any("cookie" in exchange.headers for exchange in upstream.seen)

    run(main())


def sockets_to(port: int) -> list[str]:
    """Return the states of this process's sockets whose other end has the port."""
    return [each.status for each in psutil.Process().net_connections("tcp") if each.raddr and each.raddr.port == port]


def test_an_upstream_closes_idle_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our side of them is closed as well: none stays in CLOSE_WAIT."""
    monkeypatch.setattr(_openai_backend, "_IDLE", 2 * PATIENCE)

    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(WHOLE)
        exchange.writer.close()

    async def main() -> None:
        async with FakeUpstream(answer).serve() as upstream:
            backend = OpenAIBackend(upstream.url)
            await asyncio.gather(*[backend.create(WIRE, Call()) for _ in range(20)])
            await until(lambda: not sockets_to(upstream.port))
            await backend.close()

    run(main())


def test_idle_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_openai_backend, "_IDLE", 0.1)

    async def main() -> None:
        async with FakeUpstream(model).serve() as upstream:
            backend = OpenAIBackend(upstream.url)
            await asyncio.gather(*[backend.create(WIRE, Call()) for _ in range(20)])
            await until(lambda: not upstream.open)
            await backend.close()

    run(main())


@pytest.mark.parametrize("kind", ["create", "stream"])
@pytest.mark.parametrize("is_reset", [False, True])
def test_a_connection_breaks_when_it_is_used_again(kind: str, is_reset: bool) -> None:
    """The request is sent once more. One on a new connection is not, nor one whose answer has begun."""

    async def answer(exchange: HttpExchange) -> None:
        mine = [each for each in upstream.seen if each.writer is exchange.writer]
        if is_reset:  # with TCP's RST, not its FIN
            linger = struct.pack("ii", 1, 0)
            exchange.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        if len(mine) == 2 or exchange.request["model"] == "breaks":
            exchange.reset()
        elif exchange.request["model"] == "half":
            await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{")
            exchange.reset()
        else:
            await model(exchange)

    upstream = FakeUpstream(answer)

    async def main() -> None:
        async with upstream.serve():
            backend = OpenAIBackend(upstream.url)
            for _ in range(3):
                assert await read(backend, kind)
            assert len(upstream.seen) == 5
            for name in ("breaks", "half"):
                await backend.close()
                backend = OpenAIBackend(upstream.url)
                upstream.seen.clear()
                with pytest.raises(ServiceError) as caught:
                    await backend.create(
                        json_to_wire(json.dumps({**QUESTION, "model": name}), CreateChatCompletionRequest), Call()
                    )
                assert (caught.value.status, len(upstream.seen)) == (502, 1)
            await backend.close()

    run(main())


def test_the_time_to_connect() -> None:
    """A full queue of connections lets no other one in, so connecting to it takes as long as it may."""

    async def main() -> None:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            with socket.create_connection(full.getsockname()):
                backend = OpenAIBackend(
                    f"http://127.0.0.1:{full.getsockname()[1]}/v1", connect_timeout=0.1, timeout=2 * PATIENCE
                )
                with pytest.raises(ServiceError) as caught:
                    await asyncio.gather(*[backend.create(WIRE, Call()) for _ in range(3)])
                assert (caught.value.status, caught.value.message) == (504, "The upstream did not answer in time.")
                await backend.close()

    run(main())


@pytest.mark.parametrize("is_through", [True, False])
def test_the_proxy_of_the_environment(is_through: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with FakeUpstream(model).serve() as proxy:
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv("no_proxy", "" if is_through else "model.invalid")
            backend = OpenAIBackend("http://model.invalid/v1", connect_timeout=5)
            if is_through:
                await backend.create(WIRE, Call())
                assert proxy.seen[0].path == "http://model.invalid/v1/chat/completions"
            else:
                with pytest.raises(ServiceError, match="cannot be reached"):
                    await backend.create(WIRE, Call())
            await backend.close()

    run(main())


def test_a_proxy_that_repeats_its_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(exchange: HttpExchange) -> None:
        sent = exchange.headers["proxy-authorization"]
        assert sent == f"Basic {b64encode(b'operator:proxy-secret').decode()}"
        await exchange.answer(f'{{"error":{{"message":"no entry for {sent}, proxy-secret"}}}}'.encode(), 407)

    async def main() -> None:
        async with FakeUpstream(refuse).serve() as proxy:
            monkeypatch.setenv("http_proxy", f"http://operator:proxy-secret@127.0.0.1:{proxy.port}")
            monkeypatch.setenv("no_proxy", "")
            backend = OpenAIBackend("http://model.invalid/v1", connect_timeout=5)
            with pytest.raises(ServiceError, match=r"no entry for Basic \*+, \*+$") as caught:
                await backend.create(WIRE, Call())
            assert "proxy-secret" not in repr(caught.value)
            await backend.close()

    run(main())


@pytest.mark.parametrize(
    ("status", "is_healthy"), [(200, True), (401, True), (404, True), (499, True), (500, False), (503, False)]
)
def test_health_looks_through_to_the_endpoint(status: int, is_healthy: bool) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(b"{}", status)

    async def main() -> None:
        async with stack(answer, "one hop") as up:
            response = await up.client.get(up.url.replace("/v1", "/health"))
            assert response.status_code == (200 if is_healthy else 503)

    run(main())


def test_the_time_that_an_endpoint_has_to_be_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is that of each backend."""
    given: list[float | None] = []

    @asynccontextmanager
    async def send(self: OpenAIBackend, method: str, url: Any, call: Call, accept: str) -> AsyncIterator[None]:
        given.append(call.remaining())
        yield

    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    monkeypatch.setattr(OpenAIBackend, "_send", send)
    run(OpenAIBackend("http://127.0.0.1:9").check())
    assert given == [CHECK_SECONDS]


@pytest.mark.parametrize(
    ("coding", "compress"), [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_pieces_of_what_is_compressed(coding: str, compress: Callable[[bytes], bytes]) -> None:
    """None is larger than 256 KiB, and each may refer to what came 32 KiB before it."""
    far_back = random.Random(0).randbytes(32_000) * 20
    for data in (b"", b"a", far_back, bytes(1 << 20)):
        compressed = compress(data)
        for step in (len(compressed), 1000):
            decompressor = Decompressor(coding)
            pieces = [
                piece
                for start in range(0, len(compressed), step)
                for piece in decompressor.feed(compressed[start : start + step])
            ]
            assert (b"".join(pieces), decompressor.is_complete) == (data, True)
            assert all(0 < len(piece) <= 1 << 18 for piece in pieces)
    assert max(map(len, pieces)) == 1 << 18
