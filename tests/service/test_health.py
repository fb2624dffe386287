"""What the health service of gRPC tells those who ask and those who watch."""

from __future__ import annotations

import asyncio
import json
import re
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
from chatpb.service import (
    AsyncClient,
    Backend,
    Call,
    EchoBackend,
    GrpcBackend,
    Limits,
    ModelRouter,
    Server,
    ServiceError,
    _health,
)
from chatpb.service.gateway import gateway
from tests.service.service_stack import PATIENCE, QUESTION, http_client, run, serve_http

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
async def served(backend: Backend, **limits: Any) -> AsyncIterator[tuple[Server, Any]]:
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
                assert (await stub.Check(asked("liveness"))).status == STATES.SERVING
            for name in ("another.Service", "the.Service"):
                with pytest.raises(aio.AioRpcError) as caught:
                    await stub.Check(asked(name))
                assert caught.value.code() is grpc.StatusCode.NOT_FOUND

    run(main())


def test_a_backend_is_asked_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # of `no_age`
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[-1])
    asked_at = []

    class Asked(EchoBackend):
        async def check(self) -> None:
            asked_at.append(clock[-1])

    async def main() -> None:
        health = _health.BackendHealth(Asked())
        for now in (0.0, 0.5, 0.99, 1.0, 1.5, 1.99, 2.0, 50.0):
            clock.append(now)
            await health.check()

    run(main())
    assert asked_at == [0.0, 1.0, 2.0, 50.0]


def test_those_who_watch_what_is_well_cost_nothing() -> None:
    """Neither they nor those who watch the process, or nothing that there is, have the backend asked."""

    async def main() -> None:
        backend = Silent()
        async with served(backend) as (_, stub):
            watching = [stub.Watch(asked(name)) for name in ("", "liveness", "another.Service")]
            told = [(await each.read()).status for each in watching]
            assert told == [STATES.SERVING, STATES.SERVING, STATES.SERVICE_UNKNOWN]
            for _ in range(100):
                await asyncio.sleep(0)
            assert backend.asked == 0
            for each in watching:
                each.cancel()

    run(main())


def test_a_server_that_stops_does_not_serve_again() -> None:
    """Whatever its backend says to those who ask while it stops."""

    async def main() -> None:
        health = _health.health_service(Ailing(), [""], Limits())
        await health.enter_graceful_shutdown()
        assert (await health.Check(asked(), None)).status == STATES.NOT_SERVING

    run(main())


def test_those_who_watch() -> None:
    """They are told each change that one who asks brings to light, and none twice."""

    async def main() -> None:
        backend = Ailing()
        async with served(backend) as (server, stub):
            watching, unknown = stub.Watch(asked()), stub.Watch(asked("another.Service"))
            living = stub.Watch(asked("liveness"))
            assert (await watching.read()).status == STATES.SERVING
            assert (await living.read()).status == STATES.SERVING
            assert (await unknown.read()).status == STATES.SERVICE_UNKNOWN
            state = STATES.SERVING
            for backend.is_well in (True, False, False, True, False):
                now = (await stub.Check(asked())).status
                if now != state:
                    assert (await watching.read()).status == now
                state = now
            watching.cancel()
            unknown.cancel()
            await server.stop(0)
            assert await living.read() is aio.EOF

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


class Silent(EchoBackend):
    """A backend that says nothing about its health until it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_speak = asyncio.Event()

    async def check(self) -> None:
        self.asked += 1
        await self.may_speak.wait()


class Broken(EchoBackend):
    async def check(self) -> None:
        raise KeyError("a conversation")


def test_those_who_leave_before_they_hear(monkeypatch: pytest.MonkeyPatch) -> None:
    """The backend is asked once, however many ask and leave, and its answer counts for those who stay."""
    monkeypatch.setattr(_health, "_AGE", 1000.0)

    async def main() -> None:
        backend = Silent()
        async with served(backend) as (_, stub):
            staying = asyncio.ensure_future(stub.Check(asked()))
            while not backend.asked:
                await asyncio.sleep(0.01)
            for _ in range(20):
                leaving = stub.Check(asked())
                await asyncio.sleep(0)
                leaving.cancel()
            staying.cancel()
            with suppress(asyncio.CancelledError):
                await staying
            staying = asyncio.ensure_future(stub.Check(asked()))
            backend.may_speak.set()
            assert (await staying).status == STATES.SERVING
            assert (await stub.Check(asked())).status == STATES.SERVING
        assert backend.asked == 1

    run(main())


def ailing() -> Ailing:
    backend = Ailing()
    backend.is_well = False
    return backend


@pytest.mark.parametrize(
    ("parts", "status", "shown"),
    [
        pytest.param({}, 200, {"status": "ok", "targets": {}}, id="none"),
        pytest.param(
            {"a": Ailing, "b": EchoBackend}, 200, {"status": "ok", "targets": {"a": "OK", "b": "OK"}}, id="all"
        ),
        pytest.param(
            {"a": ailing, "b": Ailing},
            200,
            {"status": "degraded", "targets": {"a": "UNAVAILABLE", "b": "OK"}},
            id="one",
        ),
        pytest.param(
            {"a": Silent, "b": Ailing},
            200,
            {"status": "degraded", "targets": {"a": "DEADLINE_EXCEEDED", "b": "OK"}},
            id="one that is silent",
        ),
        pytest.param(
            {"a": ailing, "b": Broken},
            503,
            {"status": "unavailable", "code": "UNAVAILABLE", "targets": {"a": "UNAVAILABLE", "b": "INTERNAL"}},
            id="none that is well",
        ),
    ],
)
def test_a_backend_of_several_parts(parts: dict[str, Any], status: int, shown: dict[str, Any]) -> None:
    """It is ready while one part is, over HTTP and over gRPC."""

    async def main() -> None:
        router = ModelRouter([(pattern, make()) for pattern, make in parts.items()])
        async with serve_http(gateway(router)) as url, http_client() as client:
            answer = await client.get(f"{url}/readyz")
            assert (answer.status_code, answer.json()) == (status, shown)
        async with served(router) as (_, stub):
            want = STATES.SERVING if status == 200 else STATES.NOT_SERVING
            assert (await stub.Check(asked())).status == want

    run(main())


def test_those_who_watch_hear_more_than_one_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while they wait for the time to ask again."""
    monkeypatch.setattr(_health, "_AGE", 1000.0)

    async def main() -> None:
        async with served(ailing()) as (server, stub):
            assert (await stub.Check(asked())).status == STATES.NOT_SERVING
            watching = stub.Watch(asked())
            for state in (STATES.NOT_SERVING, STATES.SERVING, STATES.NOT_SERVING, STATES.SERVING):
                server._health._set(state)
                assert (await watching.read()).status == state
            watching.cancel()

    run(main())


def test_a_router_is_well_while_one_of_its_backends_is() -> None:
    async def main() -> None:
        await ModelRouter([("a", ailing()), ("*", Ailing())]).check()
        with pytest.raises(ServiceError, match="Out of order"):
            await ModelRouter([("a", ailing()), ("*", ailing())]).check()

    run(main())


def test_a_backend_that_cannot_tell_how_its_parts_are() -> None:
    class Wrong(EchoBackend):
        async def check_each(self) -> dict[str, ServiceError | None]:
            raise KeyError("a conversation")

    async def main() -> None:
        async with serve_http(gateway(Wrong())) as url, http_client() as client:
            answer = await client.get(f"{url}/readyz")
            assert (answer.status_code, answer.json()) == (503, {"status": "unavailable", "code": "INTERNAL"})

    run(main())


def test_changes_of_health_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        sick = ailing()
        health = _health.BackendHealth(ModelRouter([("gpt-*", sick), ("*", EchoBackend())]))
        for sick.is_well in (False, False, True, True):
            await health.check()

    run(main())
    assert [record.getMessage() for record in caplog.records] == [
        "The target of 'gpt-*' is not ready: 503 UNAVAILABLE",
        "The target of 'gpt-*' is ready again.",
    ]


@pytest.mark.parametrize(
    ("patterns", "why"),
    [
        (("a", "a"), "is given twice"),
        (("*", "*"), "is given twice"),
        (("*", "a"), "stands after '*'"),
        (("a", "*", "b"), "stands after '*'"),
    ],
)
def test_a_pattern_that_no_model_reaches(patterns: tuple[str, ...], why: str) -> None:
    words = f"no model reaches the target of '{patterns[-1]}', which {why};"
    with pytest.raises(ValueError, match=re.escape(words)):
        ModelRouter([(pattern, EchoBackend()) for pattern in patterns])
