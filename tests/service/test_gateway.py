"""The gateway's other routes, models and health, its comments during silence, and its batches of chunks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from chatpb.service import Backend, Call, EchoBackend, FunctionBackend, GrpcBackend, ReplayBackend, Server
from chatpb.service._chunk_batches import batch_chunks
from chatpb.service.gateway import gateway
from tests.service.fake_upstream import HttpExchange
from tests.service.service_stack import (
    CHUNK,
    QUESTION,
    STREAM,
    Outcomes,
    front_of,
    hops,
    http_client,
    run,
    serve_http,
    stack,
)


def test_gateway_routes() -> None:
    async def main() -> None:
        async with (
            serve_http(gateway(EchoBackend(), models=["a/b", "c"])) as url,
            http_client() as client,
        ):
            listed = (await client.get(f"{url}/v1/models")).json()
            common = {"object": "model", "created": 0, "owned_by": "chatpb"}
            assert listed["data"] == [{"id": "a/b", **common}, {"id": "c", **common}]
            assert (await client.get(f"{url}/v1/models/a/b")).json()["id"] == "a/b"
            assert (await client.get(f"{url}/v1/models/z")).status_code == 404
            assert (await client.get(f"{url}/health")).json() == {"status": "ok"}
            missing = await client.get(f"{url}/v1/embeddings")
            assert missing.status_code == 404
            assert missing.json()["error"]["message"] == "There is no GET /v1/embeddings."
            wrong = await client.get(f"{url}/v1/chat/completions")
            assert (wrong.status_code, wrong.json()["error"]["type"]) == (405, "invalid_request_error")
            for body, words in ((b"{", "unexpected end"), (b"[]", "a JSON object"), (b'{"a":1,"a":2}', "")):
                bad = await client.post(
                    f"{url}/v1/chat/completions", content=body, headers={"content-type": "application/json"}
                )
                assert (bad.status_code, bad.json()["error"]["code"]) == (400, "invalid_json")
                assert words in bad.json()["error"]["message"], bad.text

    run(main())


@pytest.mark.parametrize(
    ("base", "given", "model"),
    [
        ("openai/deployments/d/", None, "d"),
        ("openai/deployments/d/", "m", "m"),
        ("deployments/d/", None, "d"),
        ("openai/others/d/", None, "echo"),
        ("v1/", None, "echo"),
        ("", None, "echo"),
    ],
)
def test_a_path_may_name_the_model(base: str, given: str | None, model: str) -> None:
    """As Azure's do."""
    body = {"messages": QUESTION["messages"], **({"model": given} if given else {})}

    async def main() -> None:
        async with serve_http(gateway(EchoBackend())) as url, http_client() as client:
            answer = await client.post(f"{url}/{base}chat/completions?api-version=2024-10-21", json=body)
            assert (answer.status_code, answer.json()["model"]) == (200, model)

    run(main())


@hops
def test_answers_that_are_no_messages_are_not_the_callers_fault(hops: str) -> None:
    class Wrong(EchoBackend):
        async def create(self, request: bytes, call: Call) -> bytes:
            return b"\xff"

        async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
            yield b"\xff"

    async def main() -> None:
        async with front_of(Wrong(), hops) as front:
            for body in (QUESTION, STREAM):
                response = await front.post(body)
                assert response.status_code == 502
                assert response.json()["error"]["message"].startswith("The service's answer cannot be read: ")

    run(main())


def test_gateway_health_follows_the_server() -> None:
    async def main() -> None:
        async with Server(EchoBackend(), listen="127.0.0.1:0") as server:
            app = gateway(GrpcBackend(f"127.0.0.1:{server.port}"))
            async with serve_http(app) as url, http_client() as client:
                assert (await client.get(f"{url}/health")).status_code == 200
                await server.stop(0)
                while (await client.get(f"{url}/health")).status_code == 200:
                    pass  # an answer counts for a second
                assert (await client.get(f"{url}/health")).status_code == 503

    run(main())


async def get_models(app: Any, path: str = "", **headers: str) -> tuple[int, Any]:
    async with serve_http(app) as url, http_client() as client:
        response = await client.get(f"{url}/v1/models{path}", headers=headers)
        return response.status_code, response.json()


async def nothing(request: Any) -> str:
    return ""


def test_backends_tell_their_models(tmp_path: Path) -> None:
    recording = tmp_path / "a.jsonl"
    chunk = {"id": "1", "object": "chat.completion.chunk", "choices": []}
    recording.write_text("\n".join(json.dumps({**chunk, "model": name}) for name in ("b", "a", "b", None, "", 7)))
    backends: list[tuple[Backend, list[str]]] = [
        (EchoBackend(), ["echo"]),
        (ReplayBackend(str(recording)), ["b", "a"]),
        (FunctionBackend(nothing), []),
        (GrpcBackend("127.0.0.1:9"), []),
    ]
    for backend, names in backends:
        status, listed = run(get_models(gateway(backend)))
        assert (status, listed["object"], [model["id"] for model in listed["data"]]) == (200, "list", names)
    _, named = run(get_models(gateway(EchoBackend(), models=["mine"])))
    assert [model["id"] for model in named["data"]] == ["mine"]


LISTED = b'{"object":"list","data":[{"id":"a/b","created":9007199254740993,"x":null},7],"has_more":false}'


@pytest.mark.parametrize(
    ("path", "status", "want"),
    [
        ("", 200, json.loads(LISTED)),
        ("/a/b", 200, json.loads(LISTED)["data"][0]),
        ("/c", 404, None),
        ("/a/a", 404, None),
    ],
)
def test_models_of_an_endpoint(path: str, status: int, want: Any) -> None:
    async def answer(exchange: HttpExchange) -> None:
        assert (exchange.method, exchange.path) == ("GET", "/v1/models")
        assert exchange.headers["authorization"] == "Bearer sk-caller"
        assert "content-type" not in exchange.headers  # as it has no body
        await exchange.answer(LISTED, headers={"x-request-id": "req_1"})

    async def main() -> None:
        async with stack(answer, "one hop") as up:
            response = await up.client.get(f"/models{path}", headers={"authorization": "Bearer sk-caller"})
            assert response.status_code == status
            if want:
                assert (response.json(), response.headers["x-request-id"]) == (want, "req_1")
            else:
                assert response.json()["error"]["code"] == "model_not_found"

    run(main())


@pytest.mark.parametrize(
    ("body", "status"), [(json.dumps(QUESTION), 200), (json.dumps(STREAM), 200), ("{", 400), ('{"stream":1}', 400)]
)
def test_a_connection_serves_one_request_after_another(body: str, status: int) -> None:
    """Each answer ends, so that the next one may begin."""

    async def main() -> None:
        async with serve_http(gateway(EchoBackend())) as url:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
            for _ in range(3):
                head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                writer.write(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
                answer = await reader.readuntil(b"\r\n\r\n")
                assert answer.startswith(b"HTTP/1.1 %d " % status)
                if b"chunked" in answer:
                    await reader.readuntil(b"\r\n0\r\n\r\n")
                else:
                    await reader.readexactly(int(answer.partition(b"content-length: ")[2].split()[0]))
            writer.close()

    run(main())


def test_what_came_of_a_request_that_is_refused() -> None:
    """Of its body nothing, where a token is missing; so it is for a list of models, which has none."""
    outcomes = Outcomes()

    async def main() -> None:
        app = gateway(EchoBackend(), tokens=["right"], observers=[outcomes])
        async with serve_http(app) as url, http_client() as client:
            await client.post(f"{url}/v1/chat/completions", json=QUESTION)
            await client.get(f"{url}/v1/models", headers={"authorization": "Bearer right"})
            await client.get(f"{url}/v1/none")

    run(main())
    assert [(outcome.method, outcome.status, outcome.received) for outcome in outcomes.ended] == [
        ("create", 401, 0),
        ("models", 200, 0),
        ("other", 401, 0),
    ]


def test_models_are_told_to_those_with_a_token() -> None:
    app = gateway(EchoBackend(), tokens=["right"])
    assert run(get_models(app))[0] == 401
    assert run(get_models(app, authorization="Bearer right"))[0] == 200
    assert run(get_models(app, **{"api-key": "right"}))[0] == 200  # as Azure's clients send it
    assert run(get_models(app, **{"api-key": "wrong"}))[0] == 401
    assert run(get_models(app, authorization="Bearer right", **{"api-key": "wrong"}))[0] == 200


def test_models_that_an_endpoint_refuses() -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(b'{"error":{"message":"No."}}', 403)

    async def main() -> None:
        async with stack(answer, "one hop") as up:
            response = await up.client.get("/models")
            assert (response.status_code, response.json()) == (403, {"error": {"message": "No."}})

    run(main())


@hops
def test_comments_in_silence(hops: str) -> None:
    """They come before the first chunk and between chunks. The error after the last silence is then an event."""

    async def main() -> None:
        go_on = asyncio.Semaphore(0)

        async def answer(exchange: HttpExchange) -> None:
            await exchange.begin_stream()
            for _ in range(2):
                await go_on.acquire()
                await exchange.send_event(CHUNK)
            await go_on.acquire()
            await exchange.send_event(b'{"error":{"message":"Boom."}}')
            await exchange.end_stream()

        blocks: list[str] = []
        async with (
            stack(answer, hops, front={"keep_alive": 0.05}) as up,
            up.client.stream("POST", "/chat/completions", json=STREAM) as response,
        ):
            assert response.status_code == 200
            async for line in response.aiter_lines():
                if line and line != (blocks or [""])[-1]:
                    blocks.append(line)
                    if line == ": keep-alive":
                        go_on.release()
        chunk = f"data: {CHUNK.decode()}"
        error = 'data: {"error":{"message":"Boom."}}'
        assert blocks == [": keep-alive", chunk, ": keep-alive", chunk, ": keep-alive", error]

    run(main())


class ChunkSource:
    """Yields chunks; waits for an asyncio.Event in its place among them, and raises an exception in its place."""

    def __init__(self, *given: bytes | asyncio.Event | Exception) -> None:
        self._given = given
        self.read = 0
        self.is_closed = False

    async def __call__(self) -> AsyncIterator[bytes]:
        try:
            for each in self._given:
                if isinstance(each, asyncio.Event):
                    await each.wait()
                elif isinstance(each, Exception):
                    raise each
                else:
                    self.read += 1
                    yield each
        finally:
            self.is_closed = True


def test_batches() -> None:
    async def main() -> None:
        go_on = asyncio.Event()
        source = ChunkSource(b"a", b"b", go_on, b"c", ValueError("broken"))
        async with aclosing(batch_chunks(source())) as ready:  # type: ignore[type-var]
            assert await anext(ready) == [b"a", b"b"]
            go_on.set()
            assert await anext(ready) == [b"c"]
            with pytest.raises(ValueError, match="broken"):
                await anext(ready)
        assert source.is_closed

    run(main())


def test_batches_in_silence_and_closed_early() -> None:
    async def main() -> None:
        source = ChunkSource(b"a", asyncio.Event())
        async with aclosing(batch_chunks(source(), silence=0.01)) as ready:  # type: ignore[type-var]
            assert [await anext(ready) for _ in range(3)] == [[b"a"], [], []]
        assert source.is_closed

    run(main())


@pytest.mark.parametrize(
    ("sizes", "batches"),
    [
        ([65_535, 1, 65_535, 1], [2, 2]),
        ([65_536, 1, 65_535, 1], [1, 2, 1]),
        ([70_000, 70_000], [1, 1]),
    ],
)
def test_a_batch_ends_with_the_chunk_that_fills_it(sizes: list[int], batches: list[int]) -> None:
    """Each batch begins empty."""

    async def main() -> list[int]:
        return [len(batch) async for batch in batch_chunks(ChunkSource(*map(bytes, sizes))())]

    assert run(main()) == batches


def test_batches_are_read_ahead_up_to_a_limit() -> None:
    async def main() -> None:
        source = ChunkSource(*[b"x" * 1024] * 1000)
        async with aclosing(batch_chunks(source())) as ready:  # type: ignore[type-var]
            assert len(await anext(ready)) == 64
            assert source.read == 64
            assert 64 + sum([len(batch) async for batch in ready]) == 1000

    run(main())
