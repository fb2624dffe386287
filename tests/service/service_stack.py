"""All services between a client and an endpoint, on free ports: gateway, gRPC server and a fake upstream."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import pytest
import uvicorn

from chatpb.service import Backend, Call, GrpcBackend, Limits, OpenAIBackend, Outcome, Server
from chatpb.service._uvicorn import limited_protocol
from chatpb.service.gateway import gateway
from tests.service.fake_upstream import Answer, FakeUpstream

T = TypeVar("T")

HOPS = ("one hop", "two hops")
"""The gateway calls the backend itself, or a gRPC server that calls it."""

hops = pytest.mark.parametrize("hops", HOPS)

QUESTION = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
STREAM = {**QUESTION, "stream": True}
PATIENCE = 300
"""Seconds after which a test hangs. Machines that are slow or busy need many of them."""
_PATIENT = (("grpc.min_reconnect_backoff_ms", PATIENCE * 1000),)
"""Options of a channel whose attempts to connect take as long as a busy machine needs: an attempt that fails is a 503."""
DEADLINES = (0.3, 1, 4, 16, 64)
"""Seconds for a test in which something must come before a deadline and the deadline before its end: the first that do."""

CHUNK = b'{"id":"1","choices":[{"index":0,"delta":{"content":"a"}}]}'


def run(coroutine: Coroutine[Any, Any, T], seconds: float = PATIENCE) -> T:
    """Run a test's coroutine. The test fails if it hangs or leaves a task behind."""

    async def timed() -> T:
        result = await asyncio.wait_for(coroutine, seconds)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:
            _, left = await asyncio.wait(left, timeout=60)
        assert not left
        return result

    return asyncio.run(timed())


def http_client(**options: Any) -> httpx.AsyncClient:
    """Return an HTTP client that waits as long as its test."""
    return httpx.AsyncClient(trust_env=False, timeout=None, **options)


def free_port(number: int = 1) -> int:
    """Return a port that nobody has, the first of so many in a row.

    It is below those that the system gives to connections. Tests that run beside this one look for ports as well: each
    worker of pytest has a range of its own, and other programs are avoided by chance.
    """
    share = 22_000 // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    start = 10_000 + share * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        first = random.randrange(start, start + share - number)
        with ExitStack() as taken:
            try:
                for port in range(first, first + number):
                    taken.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return first


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@asynccontextmanager
async def serve_http(app: Any, limits: Limits | None = None, grace: int = 1) -> AsyncIterator[str]:
    """Serve an ASGI application on uvicorn, with the limits on connections, and give its address to the block.

    At the block's end, connections have `grace` seconds to end.
    """
    # asyncio sets TCP_NODELAY only on connections whose listening socket names this protocol.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    config = uvicorn.Config(
        app, http="h11", log_level="warning", ws="none", proxy_headers=False, timeout_graceful_shutdown=grace
    )
    config.load()
    config.http_protocol_class = limited_protocol(config.http_protocol_class, limits or Limits())
    server = _Uvicorn(config)
    task = asyncio.ensure_future(server._serve([listener]))
    await server.listening.wait()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


class Outcomes:
    """An observer that keeps how each call went."""

    def __init__(self) -> None:
        self.ended: list[Outcome] = []

    def start(self, method: str, call: Call) -> Any:
        return self.ended.append


@dataclass
class Front:
    """The services in front of a backend, which are running.

    Attributes:
        url: the gateway's address, including its version.
        target: the gRPC server's address; empty with one hop.
        client: an HTTP client of the gateway.
        server: the gRPC server; None with one hop.

    """

    url: str
    target: str
    client: httpx.AsyncClient
    server: Server | None

    async def post(self, body: Any, **headers: str) -> httpx.Response:
        """Post a request, JSON values or bytes, to the gateway. Underscores in names of headers become hyphens."""
        given = {"content-type": "application/json"}
        given.update({name.replace("_", "-"): value for name, value in headers.items()})
        kwargs: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self.client.post("/chat/completions", headers=given, **kwargs)


@dataclass
class Stack(Front):
    """All services, which are running.

    Attributes:
        upstream: the fake endpoint.

    """

    upstream: FakeUpstream


@asynccontextmanager
async def front_of(
    backend: Backend,
    hops: str,
    *,
    server: dict[str, Any] | None = None,
    front: dict[str, Any] | None = None,
    link: dict[str, Any] | None = None,
) -> AsyncIterator[Front]:
    """Run the services in front of a backend. The arguments are those of `stack`."""
    async with AsyncExitStack() as up:
        target, served = "", None
        if hops == "two hops":
            options = {"limits": Limits(grace=5), **(server or {})}
            served = await up.enter_async_context(Server(backend, listen="127.0.0.1:0", **options))
            target = f"127.0.0.1:{served.port}"
            backend = GrpcBackend(target, **{"options": _PATIENT, **(link or {})})
        options = front or {}
        url = await up.enter_async_context(serve_http(gateway(backend, **options), options.get("limits"))) + "/v1"
        client = await up.enter_async_context(http_client(base_url=url))
        yield Front(url, target, client, served)


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
    """Run an upstream with this answer behind a gateway.

    Args:
        answer: answers the upstream's requests.
        hops: one of HOPS.
        server: arguments of the gRPC Server.
        front: arguments of `gateway`.
        backend: arguments of the OpenAIBackend in front of the upstream.
        link: arguments of the GrpcBackend between gateway and server.
        base_url: the OpenAIBackend's address, if it is not the upstream's.

    """
    async with FakeUpstream(answer).serve() as upstream:
        behind = OpenAIBackend(base_url or upstream.url, **{"api_key": "key", **(backend or {})})
        async with front_of(behind, hops, server=server, front=front, link=link) as running:
            yield Stack(**vars(running), upstream=upstream)
