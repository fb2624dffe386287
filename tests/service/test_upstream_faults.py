"""Faults of the upstream: each gives the right status, nothing hangs, and nothing stays open."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.service.fake_upstream import HttpExchange
from tests.service.service_stack import CHUNK, DEADLINES, PATIENCE, QUESTION, STREAM, hops, run, stack


async def reset(exchange: HttpExchange) -> None:
    exchange.reset()


async def reset_in_the_body(exchange: HttpExchange) -> None:
    await exchange.send(b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{")
    exchange.reset()


async def stall(exchange: HttpExchange) -> None:
    await exchange.until_closed()


async def not_http(exchange: HttpExchange) -> None:
    await exchange.send(b"\x00\x01garbage\r\n\r\n")
    exchange.reset()


async def not_json(exchange: HttpExchange) -> None:
    await exchange.answer(b"garbage")


async def not_json_stream(exchange: HttpExchange) -> None:
    await exchange.begin_stream()
    await exchange.send_piece(b"data: garbage\n\n")
    await exchange.end_stream()


async def html(exchange: HttpExchange) -> None:
    await exchange.answer(b"<html>Oops</html>", 500, "text/html")


async def marked(exchange: HttpExchange) -> None:
    await exchange.answer(b'\xef\xbb\xbf {"error":{"message":"No."}}', 404)


async def marked_array(exchange: HttpExchange) -> None:
    await exchange.answer(b'\xef\xbb\xbf[{"error":{"message":"No."}}]\n', 404)


async def marked_with_200(exchange: HttpExchange) -> None:
    await exchange.answer(b'\xef\xbb\xbf{"error":{"message":"No.","code":404}}')


async def utf_16(exchange: HttpExchange) -> None:
    await exchange.answer('{"error":{"message":"No."}}'.encode("utf-16"), 404)


async def plain_text(exchange: HttpExchange) -> None:
    await exchange.answer(b" Slow down.\r\n", 429, "text/plain")


async def long_text(exchange: HttpExchange) -> None:
    await exchange.answer(b"x" * 5000, 503, "text/plain")


async def nothing(exchange: HttpExchange) -> None:
    await exchange.answer(b" ", 503)


async def ok_with_error(exchange: HttpExchange) -> None:
    await exchange.answer(b'{"error":{"message":"Busy.","type":"overloaded_error","code":null}}')


async def bad_gzip(exchange: HttpExchange) -> None:
    await exchange.answer(b"not gzip", headers={"content-encoding": "gzip"})


async def half_of_gzip(exchange: HttpExchange) -> None:
    await exchange.answer(gzip.compress(b'{"choices":[]}')[:-1], headers={"content-encoding": "gzip"})


async def redirect(exchange: HttpExchange) -> None:
    await exchange.answer(b"", 307, headers={"location": "http://127.0.0.1:9/"})


FAULTS: dict[str, tuple[Callable[[HttpExchange], Awaitable[None]], int, str]] = {
    "resets": (reset, 502, "The upstream broke off its answer."),
    "resets in the body": (reset_in_the_body, 502, "The upstream broke off its answer."),
    "stalls": (stall, 504, "The upstream did not answer in time."),
    "is not HTTP": (not_http, 502, "The upstream broke off its answer."),
    "500 in HTML": (html, 500, "The upstream answered with status 500 and a body that is not a JSON object."),
    "404 after a byte order mark": (marked, 404, "No."),
    "404 in an array after a byte order mark": (marked_array, 404, "No."),
    "200 with an error after a byte order mark": (marked_with_200, 404, "No."),
    "404 in UTF-16": (utf_16, 404, "The upstream answered with status 404 and a body that is not a JSON object."),
    "429 in plain text": (plain_text, 429, "Slow down."),
    "503 in a long text": (long_text, 503, "x" * 4096),
    "503 without words": (nothing, 503, "The upstream answered with status 503 and a body that is not a JSON object."),
    "200 with an error": (ok_with_error, 529, "Busy."),
    "damaged compression": (bad_gzip, 502, "The upstream's answer is not gzip."),
    "half of what is compressed": (half_of_gzip, 502, "The upstream broke off its answer."),
    "redirects": (redirect, 502, "The upstream answered with status 307."),
}


@hops
@pytest.mark.parametrize("body", [QUESTION, STREAM], ids=["create", "stream"])
@pytest.mark.parametrize("fault", FAULTS)
def test_upstream(fault: str, body: dict[str, Any], hops: str) -> None:
    answer, status, words = FAULTS[fault]

    async def main() -> None:
        async with stack(answer, hops, backend={"timeout": 0.3 if answer is stall else PATIENCE}) as up:
            response = await up.post(body)
            assert (response.status_code, response.json()["error"]["message"]) == (status, words)

    run(main())


@hops
def test_upstream_refuses(hops: str) -> None:
    async def main(port: int) -> None:
        async with stack(stall, hops, base_url=f"http://127.0.0.1:{port}/v1") as up:
            for body in (QUESTION, STREAM):
                response = await up.post(body)
                assert (response.status_code, response.json()["error"]["code"]) == (502, "upstream_unreachable")

    with socket.socket() as silent:
        # Nobody else gets the port, and nobody listens there.
        silent.bind(("127.0.0.1", 0))
        run(main(silent.getsockname()[1]))


@hops
@pytest.mark.parametrize("answer", [not_json, not_json_stream])
def test_upstream_sends_garbage(answer: Callable[[HttpExchange], Awaitable[None]], hops: str) -> None:
    async def main() -> None:
        async with stack(answer, hops) as up:
            response = await up.post(STREAM if answer is not_json_stream else QUESTION)
            assert response.status_code == 502
            assert " is not a completion: " in response.text or " not a chunk: " in response.text

    run(main())


async def half_an_event(exchange: HttpExchange) -> None:
    await exchange.send_piece(b'data: {"id":"1","cho')
    await exchange.end_stream()


async def error_event(exchange: HttpExchange) -> None:
    await exchange.send_event(b'{"error":{"message":"Boom.","code":429,"big":18446744073709551617}}')
    await exchange.end_stream()


async def broken(exchange: HttpExchange) -> None:
    exchange.reset()


async def silent(exchange: HttpExchange) -> None:
    await exchange.until_closed()


async def too_large(exchange: HttpExchange) -> None:
    await exchange.send_piece(b"data: " + b"x" * 5000)
    await exchange.until_closed()


MID_STREAM: dict[str, tuple[Callable[[HttpExchange], Awaitable[None]], int, str]] = {
    "half an event": (half_an_event, 502, "The upstream's stream cannot be read: the stream ends inside an event."),
    "an error event": (error_event, 429, "Boom."),
    "reset": (broken, 502, "The upstream broke off its answer."),
    "stall": (silent, 504, "The upstream did not answer in time."),
    "too large": (too_large, 502, "The upstream's stream cannot be read: an event of more than 4096 bytes, the limit."),
}


@hops
@pytest.mark.parametrize("fault", MID_STREAM)
def test_upstream_fails_within_a_stream(fault: str, hops: str) -> None:
    """The chunks before the fault arrive, then the error as an event, and no [DONE]."""
    rest, _, words = MID_STREAM[fault]

    async def answer(exchange: HttpExchange) -> None:
        await exchange.begin_stream()
        await exchange.send_event(CHUNK)
        await rest(exchange)

    async def main() -> None:
        # The chunk must have come before the silence has lasted too long.
        for seconds in DEADLINES if rest is silent else (PATIENCE,):
            async with stack(answer, hops, backend={"timeout": seconds, "max_event": 4096}) as up:
                response = await up.post(STREAM)
            if response.status_code == 200:
                break
        else:
            pytest.fail(response.text)
        chunk, error = [json.loads(line[6:]) for line in response.text.split("\n") if line]
        assert chunk == json.loads(CHUNK)
        assert error["error"]["message"] == words
        if fault == "an error event":
            assert error["error"]["big"] == 18446744073709551617

    run(main())


@hops
@pytest.mark.parametrize("fault", MID_STREAM)
def test_upstream_fails_before_the_first_chunk(fault: str, hops: str) -> None:
    """The error then has an HTTP status."""
    rest, status, words = MID_STREAM[fault]

    async def answer(exchange: HttpExchange) -> None:
        await exchange.begin_stream()
        await rest(exchange)

    async def main() -> None:
        async with stack(
            answer, hops, backend={"timeout": 0.3 if rest is silent else PATIENCE, "max_event": 4096}
        ) as up:
            response = await up.post(STREAM)
            assert (response.status_code, response.json()["error"]["message"]) == (status, words)

    run(main())


@hops
@pytest.mark.parametrize("body", [b"", b"<html>Welcome</html>", b": only comments\n\n"])
def test_upstream_answers_with_what_is_no_stream(body: bytes, hops: str) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(body, 200, "text/html")

    async def main() -> None:
        async with stack(answer, hops) as up:
            response = await up.post(STREAM)
            words = "The upstream's answer is not a stream: it has no event."
            assert (response.status_code, response.json()["error"]["message"]) == (502, words)

    run(main())
