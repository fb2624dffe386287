"""The servers of a load measurement: an upstream that answers at once, and a proxy that copies bytes.

python -m bench.load_servers upstream
python -m bench.load_servers pass-through URL
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

CHUNKS = 100
"""Chunks of one stream."""

OPEN = 1000
"""Streams that are open at once."""

HELD_CHUNKS = 20
"""Chunks of each of those streams."""

TEXT = "The sentence has forty-one letters, if neither spaces nor the question mark are counted. " * 3
COMPLETION = json.dumps(
    {
        "id": "chatcmpl-7QyqpwdfhqwajicIEznoc6Q47XAyW",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "m-2024-08-06",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": TEXT, "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 45,
            "completion_tokens": 54,
            "total_tokens": 99,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
    },
    separators=(",", ":"),
).encode()
CHUNK = (
    b'data: {"id":"chatcmpl-7QyqpwdfhqwajicIEznoc6Q47XAyW","object":"chat.completion.chunk","created":1700000000,'
    b'"model":"m-2024-08-06","service_tier":"default","system_fingerprint":"fp_0123456789","choices":[{"index":0,'
    b'"delta":{"content":" letters"},"logprobs":null,"finish_reason":null}],"usage":null}\n\n'
)


class Upstream(asyncio.Protocol):
    """Answers each complete request at once. Streams of the model `held` wait after a chunk until all are open."""

    held: list[Upstream] = []  # noqa: RUF012

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if not found or len(body) < int(length[1] if length else 0):
            return
        self.buffer = b""
        request = json.loads(body)
        if not request.get("stream"):
            size = len(COMPLETION)
            self.transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % size + COMPLETION
            )
            return
        self.transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" + piece(CHUNK)
        )
        if request["model"] == "held":
            Upstream.held.append(self)
            if len(Upstream.held) == OPEN:
                for each in Upstream.held:
                    each.rest(HELD_CHUNKS)
                Upstream.held = []
        else:
            asyncio.get_running_loop().call_soon(self.rest, CHUNKS)

    def rest(self, chunks: int) -> None:
        """Send the remaining chunks, each as an event and a piece of its own, as models do."""
        self.transport.write(piece(CHUNK) * (chunks - 1) + piece(b"data: [DONE]\n\n") + b"0\r\n\r\n")


def piece(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def serve_upstream() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", 0, backlog=2048)
    announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def announce(port: int) -> None:
    """Print where the server listens, as `bench.load` reads it."""
    print(f"listening on 127.0.0.1:{port}", flush=True)


def pass_through(url: str) -> Any:
    """Return the simplest proxy that one would write: starlette on one side, httpx on the other, bytes copied.

    Its pool keeps every connection and has no limit, which 1,000 streams need. The pool looks at all connections for
    every request, so few work best: with 8 at once it answers several times as many requests as with 32.
    """
    import httpx
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response, StreamingResponse
    from starlette.routing import Route

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    client = httpx.AsyncClient(limits=limits, timeout=600)

    async def completions(request: Request) -> Response:
        body = await request.body()
        headers = {"content-type": "application/json", "authorization": request.headers.get("authorization", "")}
        sent = client.build_request("POST", f"{url}/chat/completions", content=body, headers=headers)
        answer = await client.send(sent, stream=True)
        kind = answer.headers["content-type"]
        if not json.loads(body).get("stream"):
            content = await answer.aread()
            await answer.aclose()
            return Response(content, answer.status_code, media_type=kind)

        async def pieces() -> AsyncIterator[bytes]:
            try:
                async for data in answer.aiter_raw():
                    yield data
            finally:
                await answer.aclose()

        return StreamingResponse(pieces(), answer.status_code, media_type=kind)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await client.aclose()

    return Starlette(routes=[Route("/v1/chat/completions", completions, methods=["POST"])], lifespan=lifespan)


def main() -> None:
    if sys.argv[1] == "upstream":
        asyncio.run(serve_upstream())
    import uvicorn

    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    announce(listener.getsockname()[1])
    config = uvicorn.Config(pass_through(sys.argv[2]), http="h11", log_level="warning", ws="none")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
