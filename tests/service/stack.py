"""A client's way to an endpoint and back: gateway, gRPC server and upstream, all of them real, on free ports."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import uvicorn

from chatpb.service import Backend, GrpcBackend, Limits, OpenAIBackend, Server
from chatpb.service.gateway import gateway
from service.upstream import Answer, Upstream

T = TypeVar("T")

HOPS = ("one hop", "two hops")
"""The gateway on the backend itself, and over gRPC."""

QUESTION = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


def run(coroutine: Coroutine[Any, Any, T], seconds: float = 60) -> T:
    """Run a test. One that hangs fails; so does one that leaves a task behind."""

    async def timed() -> T:
        result = await asyncio.wait_for(coroutine, seconds)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:
            _, left = await asyncio.wait(left, timeout=2)
        assert not left
        return result

    return asyncio.run(timed())


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@asynccontextmanager
async def http(app: Any) -> AsyncIterator[str]:
    """An ASGI application on uvicorn; gives its address."""
    # asyncio sets TCP_NODELAY on what a socket of this very protocol accepts.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    config = uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=1)
    server = _Uvicorn(config)
    task = asyncio.ensure_future(server._serve([listener]))
    await server.listening.wait()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


@dataclass
class Stack:
    """What is up, and where."""

    upstream: Upstream
    url: str
    target: str
    client: httpx.AsyncClient
    server: Server | None

    async def post(self, body: Any, **headers: str) -> httpx.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        kwargs: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self.client.post("/chat/completions", headers=given, **kwargs)


@asynccontextmanager
async def stack(
    answer: Answer,
    hops: str = "two hops",
    *,
    server: dict[str, Any] | None = None,
    front: dict[str, Any] | None = None,
    backend: dict[str, Any] | None = None,
    link: dict[str, Any] | None = None,
    base_url: str = "",
) -> AsyncIterator[Stack]:
    """An upstream that answers as told, behind a gateway; the options go to the parts."""
    async with AsyncExitStack() as up:
        upstream = await up.enter_async_context(Upstream(answer).serve())
        behind: Backend = OpenAIBackend(base_url or upstream.url, **{"api_key": "key", **(backend or {})})
        target, served = "", None
        if hops == "two hops":
            options = {"limits": Limits(grace=5), **(server or {})}
            served = await up.enter_async_context(Server(behind, listen="127.0.0.1:0", **options))
            target = f"127.0.0.1:{served.port}"
            behind = GrpcBackend(target, **(link or {}))
        url = await up.enter_async_context(http(gateway(behind, **(front or {})))) + "/v1"
        client = await up.enter_async_context(httpx.AsyncClient(base_url=url, timeout=30, trust_env=False))
        yield Stack(upstream, url, target, client, served)
