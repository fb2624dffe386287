"""The OpenAI-compatible HTTP fronts of examples/, each between its language's official client and a gRPC server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk, CreateChatCompletionRequest
from chatpb import json_to_wire, wire_to_json
from chatpb.service import Backend, Call, OpenAIBackend, Server
from tests.examples.example import MOST_LINES, Example
from tests.service.clients import install
from tests.service.fake_model import ERRORS, FakeModel
from tests.service.fake_upstream import FakeUpstream
from tests.service.service_stack import CHUNK, STREAM, free_port, http_client, run
from tests.service.test_published_clients import program, require
from tests.support import ALL_VECTORS, JSON_VECTORS, ROOT, Vector, exactly_equal

HOST: Final = "127.0.0.1:0"


@dataclass(frozen=True, kw_only=True)
class Front(Example):
    """An example that listens at its first argument and calls the gRPC server at its second."""

    client: Path
    """What the installation of the language's official client makes."""
    client_command: tuple[str, ...]
    """Prints what the client makes of the endpoint at the address that follows."""
    notices_late: bool = False
    """Whether it notices that a client left only when it sends something to it."""


FRONTS: Final = [
    Front(
        name="go",
        source="main.go",
        needs=("go",),
        build=(("./generate.sh",), ("go", "build", "-o", "bin/front", ".")),
        command=("bin/front",),
        client=install.GO,
        client_command=(str(install.GO),),
    ),
    Front(
        name="typescript",
        source="front.ts",
        needs=("node", "npm"),
        build=(
            ("npm", "ci", "--silent", "--prefix", "../../adapters/typescript"),
            ("npm", "ci", "--silent"),
            ("npm", "run", "--silent", "build"),
        ),
        command=("node", "dist/front.js"),
        client=install.MODULES / "openai",
        client_command=("node", str(install.HERE / "openai_client.cjs")),
    ),
    Front(
        name="java",
        source="src/main/java/com/example/front/Front.java",
        needs=("java", "javac", "mvn"),
        build=(
            ("mvn", "-q", "-B", "-f", "../../adapters/java", "-Dmaven.test.skip=true", "install"),
            ("mvn", "-q", "-B", "package"),
        ),
        command=("java", "-XX:+UseSerialGC", "-cp", "target/classes:target/lib/*", "com.example.front.Front"),
        client=install.JAVA,
        client_command=install.JAVA_CLIENT,
        notices_late=True,
    ),
]

by_name = pytest.mark.parametrize("example", FRONTS, ids=lambda front: front.name)


@pytest.fixture(scope="module", params=FRONTS, ids=lambda front: front.name)
def front(request: pytest.FixtureRequest) -> Front:
    """Return a front that is built."""
    found: Front = request.param
    found.prepare()
    return found


class Given:
    """A backend that answers with what a test gives it, and keeps the requests that it got."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = answers
        self.requests: list[bytes] = []

    async def create(self, request: bytes, call: Call) -> bytes:
        self.requests.append(request)
        return self.answers[0]

    async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        self.requests.append(request)
        for answer in self.answers:
            yield answer

    async def close(self) -> None:
        """Do nothing: the backend holds nothing open."""


@asynccontextmanager
async def in_front_of(backend: Backend, front: Front) -> AsyncIterator[httpx.AsyncClient]:
    """Run a front of a gRPC server with this backend; give the block a client of the front."""
    async with (
        Server(backend, listen=HOST) as server,
        front.run(HOST, f"127.0.0.1:{server.port}") as running,
        http_client(base_url=f"http://{running.address}/v1") as client,
    ):
        yield client


async def post(client: httpx.AsyncClient, body: bytes) -> httpx.Response:
    return await client.post("/chat/completions", content=body, headers={"content-type": "application/json"})


@by_name
def test_it_is_short(example: Front) -> None:
    assert 20 < example.lines() < MOST_LINES


def test_the_page_of_authors_builds_them_as_the_tests_do() -> None:
    page = (ROOT / "docs" / "howto" / "service-author.md").read_text()
    shown = [front for front in FRONTS if f"examples/{front.name}" in page]
    assert [front.name for front in shown] == ["go", "typescript"]
    for front in shown:
        commands = [*front.build, (*front.command, "127.0.0.1:8000", "127.0.0.1:50051")]
        lines = (" ".join(word for word in command if word != "--silent") for command in commands)
        assert "```sh\n" + "\n".join(lines) + "\n```" in page


async def seen_by(front: Front, url: str) -> Any:
    """Return what the official client prints. Ids of failed requests are headers, which the fronts do not pass on."""

    def without_id(value: dict[str, Any]) -> dict[str, Any]:
        if "class" in value:
            del value["id"]
        return value

    return json.loads(await program(*front.client_command, url), object_hook=without_id)


def test_the_official_client_sees_no_front(front: Front) -> None:
    """The client prints the same of a model, and of the model behind the front, which gets the same requests."""
    require(front.client)

    async def main() -> None:
        async with FakeUpstream(FakeModel()).serve() as upstream:
            direct = await seen_by(front, upstream.url)
            count = len(upstream.seen)
            async with in_front_of(OpenAIBackend(upstream.url, api_key=None), front) as client:
                through = await seen_by(front, str(client.base_url).rstrip("/"))
            assert through == direct
            assert exactly_equal(
                *([each.request for each in part] for part in (upstream.seen[count:], upstream.seen[:count]))
            )
            assert {each.headers.get("authorization") for each in upstream.seen} == {"Bearer sk-test"}

    run(main())


def vectors(message_type: type[Any]) -> list[Vector]:
    """Return the vectors with the wire bytes that chatpb writes, and not those with unusual ones."""
    return [vector for vector in JSON_VECTORS if vector.type is message_type]


def test_every_completion_comes_back_as_it_is_served(front: Front) -> None:
    served = vectors(ChatCompletion)
    assert len(served) > 50

    async def main() -> None:
        backend = Given()
        async with in_front_of(backend, front) as client:
            for vector in served:
                backend.answers = (vector.wire,)
                answer = await post(client, b"{}")
                assert answer.status_code == 200, vector.name
                assert answer.headers["content-type"] == "application/json"
                assert exactly_equal(answer.json(), json.loads(vector.expected)), vector.name

    run(main())


def test_a_field_of_a_newer_contract_is_never_dropped_silently(front: Front) -> None:
    unknown = next(vector for vector in ALL_VECTORS if vector.name == "encoding-unknown-field")

    async def main() -> None:
        async with in_front_of(Given(unknown.wire), front) as client:
            answer = await post(client, b"{}")
        assert answer.status_code == 502
        assert "does not have" in answer.json()["error"]["message"]

    run(main())


def test_every_chunk_comes_back_as_it_is_served(front: Front) -> None:
    served = vectors(ChatCompletionChunk)
    assert len(served) > 3

    async def main() -> None:
        async with in_front_of(Given(*(vector.wire for vector in served)), front) as client:
            answer = await post(client, b'{"stream":true}')
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        *events, done, end = answer.text.split("\n\n")
        assert (done, end) == ("data: [DONE]", "")
        chunks = [json.loads(event.removeprefix("data: ")) for event in events]
        assert exactly_equal(chunks, [json.loads(vector.expected) for vector in served])

    run(main())


def test_every_request_reaches_the_service_as_it_is_sent(front: Front) -> None:
    sent = vectors(CreateChatCompletionRequest)
    assert len(sent) > 20

    async def main() -> None:
        backend = Given(b"")
        async with in_front_of(backend, front) as client:
            for vector in sent:
                assert vector.input
                assert (await post(client, vector.input)).status_code == 200, vector.name
                came = wire_to_json(backend.requests.pop(), CreateChatCompletionRequest)
                assert exactly_equal(json.loads(came), json.loads(vector.expected)), vector.name

    run(main())


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_error_is_the_one_of_the_service(front: Front, stream: bool) -> None:
    async def main() -> None:
        async with (
            FakeUpstream(FakeModel()).serve() as upstream,
            in_front_of(OpenAIBackend(upstream.url, api_key=None), front) as client,
        ):
            for model, (status, error, headers) in ERRORS.items():
                answer = await post(client, json.dumps({"model": model, "stream": stream}).encode())
                assert answer.status_code == status, model
                assert answer.headers["content-type"] == "application/json"
                assert answer.json() == {"error": {"message": f"No: {status}.", **error}}
                assert answer.headers.get("retry-after") == headers.get("retry-after")

    run(main())


def test_an_error_within_a_stream_is_its_last_event(front: Front) -> None:
    async def main() -> None:
        async with (
            FakeUpstream(FakeModel()).serve() as upstream,
            in_front_of(OpenAIBackend(upstream.url, api_key=None), front) as client,
        ):
            answer = await post(client, b'{"model":"breaks","stream":true}')
        assert answer.status_code == 200
        *chunks, last, end = answer.text.split("\n\n")
        assert len(chunks) == 2
        error = {"message": "It broke.", "type": "server_error", "param": None, "code": "x"}
        assert json.loads(last.removeprefix("data: ")) == {"error": error}
        assert end == ""

    run(main())


def test_an_empty_stream_is_whole(front: Front) -> None:
    async def main() -> None:
        async with in_front_of(Given(), front) as client:
            answer = await post(client, b'{"stream":true}')
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.text == "data: [DONE]\n\n"

    run(main())


def test_a_body_that_is_no_request_is_refused_with_its_place(front: Front) -> None:
    async def main() -> None:
        backend = Given(b"")
        async with in_front_of(backend, front) as client:
            answer = await post(client, b'{"model": tru}')
        assert answer.status_code == 400
        assert "line 1, column 11 (byte 10), in /model" in answer.json()["error"]["message"]
        assert backend.requests == []

    run(main())


def test_a_service_that_is_not_there_is_a_bad_gateway(front: Front) -> None:
    async def main() -> None:
        async with (
            front.run(HOST, f"127.0.0.1:{free_port()}") as running,
            http_client(base_url=f"http://{running.address}/v1") as client,
        ):
            for body in (b"{}", b'{"stream":true}'):
                answer = await post(client, body)
                assert answer.status_code == 502
                assert answer.json()["error"]["message"]

    run(main())


def test_an_answer_may_be_large(front: Front) -> None:
    """The limit of most gRPC clients is 4 MiB unless they are told another."""
    text = json.dumps({"id": "x" * (5 << 20)}).encode()

    async def main() -> None:
        async with in_front_of(Given(json_to_wire(text)), front) as client:
            assert (await post(client, text)).json() == json.loads(text)

    run(main())


def test_chunks_come_at_once_and_a_client_that_leaves_ends_the_call(front: Front) -> None:
    """The client gets the first chunk while the service has sent no other, and leaves."""
    came, left = asyncio.Event(), asyncio.Event()

    class Endless(Given):
        async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
            try:
                yield json_to_wire(CHUNK, ChatCompletionChunk)
                await came.wait()
                while front.notices_late:
                    yield json_to_wire(CHUNK, ChatCompletionChunk)
                    await asyncio.sleep(0.01)
                await asyncio.Event().wait()
            finally:
                left.set()

    async def main() -> None:
        async with in_front_of(Endless(), front) as client:
            async with client.stream("POST", "/chat/completions", json=STREAM) as answer:
                async for line in answer.aiter_lines():
                    assert json.loads(line.removeprefix("data: ")) == json.loads(CHUNK)
                    came.set()
                    break
            await left.wait()

    run(main())
