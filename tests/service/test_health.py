"""What the health service of gRPC tells those who ask and those who watch."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chatcompletion.v1 import CreateChatCompletionRequest
from chatpb import json_to_wire
from chatpb.service import AsyncClient, Call, EchoBackend, GrpcBackend, Limits, Server, ServiceError, _health
from tests.service.service_stack import PATIENCE, QUESTION, run

WIRE = json_to_wire(json.dumps(QUESTION), CreateChatCompletionRequest)
STATES = health_pb2.HealthCheckResponse


class Ailing(EchoBackend):
    """A backend that may be out of order, and whose streams go on until they may end."""

    def __init__(self) -> None:
        self.is_well = True
        self.may_end = asyncio.Event()

    async def check(self) -> None:
        if not self.is_well:
            raise ServiceError.of(503, "Out of order.")

    async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        async for chunk in super().stream(request, call):
            yield chunk
        await self.may_end.wait()


def asked(name: str = "") -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=name)


@pytest.fixture(autouse=True)
def no_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question is passed on."""
    monkeypatch.setattr(_health, "_AGE", 0.0)


@asynccontextmanager
async def served(backend: EchoBackend, **limits: Any) -> AsyncIterator[tuple[Server, Any]]:
    """Serve a backend; give the block the server, and the stub of its health service."""
    async with (
        Server(backend, listen="127.0.0.1:0", limits=Limits(**limits)) as server,
        aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        stub: Any = health_pb2_grpc.HealthStub(channel)
        yield server, stub


def test_those_who_ask() -> None:
    async def main() -> None:
        backend = Ailing()
        async with served(backend) as (_, stub):
            for backend.is_well in (True, False, True):
                for name in ("", "chatcompletion.v1.ChatCompletionService"):
                    want = STATES.SERVING if backend.is_well else STATES.NOT_SERVING
                    assert (await stub.Check(asked(name))).status == want
            with pytest.raises(aio.AioRpcError) as caught:
                await stub.Check(asked("another.Service"))
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND

    run(main())


def test_those_who_watch() -> None:
    """They are told each change that one who asks brings to light, and none twice."""

    async def main() -> None:
        backend = Ailing()
        async with served(backend) as (_, stub):
            watching, unknown = stub.Watch(asked()), stub.Watch(asked("another.Service"))
            assert (await watching.read()).status == STATES.SERVING
            assert (await unknown.read()).status == STATES.SERVICE_UNKNOWN
            state = STATES.SERVING
            for backend.is_well in (True, False, False, True, False):
                now = (await stub.Check(asked())).status
                if now != state:
                    assert (await watching.read()).status == now
                state = now
            watching.cancel()
            unknown.cancel()

    run(main())


def test_a_backend_that_is_well_again() -> None:
    """Those who watch hear it, though nobody asks. A gateway needs that: it sends no call to a server that is not well."""

    async def main() -> None:
        backend = Ailing()
        async with served(backend) as (server, stub):
            gateway = GrpcBackend(f"127.0.0.1:{server.port}")
            watching = stub.Watch(asked())
            assert (await watching.read()).status == STATES.SERVING
            await gateway.check()
            backend.is_well = False
            assert (await stub.Check(asked())).status == STATES.NOT_SERVING
            assert (await watching.read()).status == STATES.NOT_SERVING
            await until_fails(gateway)
            backend.is_well = True
            assert (await watching.read()).status == STATES.SERVING
            while True:
                with suppress(ServiceError):
                    await gateway.create(WIRE, Call(deadline=time.monotonic() + PATIENCE))
                    break
            await gateway.close()
            watching.cancel()

    async def until_fails(gateway: GrpcBackend) -> None:
        with suppress(ServiceError):
            while True:
                await gateway.check()

    run(main())


def test_a_server_that_drains() -> None:
    """Those who watch are told at once, while open calls go on."""

    async def main() -> None:
        backend = Ailing()
        async with served(backend, grace=1000) as (server, stub), AsyncClient(f"127.0.0.1:{server.port}") as client:
            watching = stub.Watch(asked())
            assert (await watching.read()).status == STATES.SERVING
            chunks = aiter(client.stream(QUESTION))
            await anext(chunks)
            stopping = asyncio.ensure_future(server.stop())
            assert (await watching.read()).status == STATES.NOT_SERVING
            assert await watching.read() is aio.EOF
            assert not stopping.done()
            backend.may_end.set()
            assert [chunk async for chunk in chunks]
            await stopping

    run(main())


def test_too_many_who_watch() -> None:
    async def main() -> None:
        async with served(EchoBackend(), concurrent=1) as (_, stub):
            watching = stub.Watch(asked())
            assert (await watching.read()).status == STATES.SERVING
            with pytest.raises(aio.AioRpcError) as caught:
                await stub.Watch(asked()).read()
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert (await stub.Check(asked())).status == STATES.SERVING
            watching.cancel()
            while True:  # until the server has noticed
                again = stub.Watch(asked())
                try:
                    assert (await again.read()).status == STATES.SERVING
                except aio.AioRpcError:
                    continue
                again.cancel()
                break

    run(main())
