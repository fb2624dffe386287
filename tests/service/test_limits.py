"""Stopping, credentials and limits: which calls are accepted, and how the others are refused."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import FrozenInstanceError, asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from chatpb.service import (
    AsyncClient,
    Call,
    Client,
    EchoBackend,
    GrpcBackend,
    Limits,
    Server,
    ServiceError,
    Tls,
    _uvicorn,
)
from chatpb.service._guard import Guard, SendLimit, _time_limit
from chatpb.service._http_body import read_body
from chatpb.service._server import _serve
from chatpb.service.gateway import gateway
from tests.service.certificates import Authority
from tests.service.fake_upstream import HttpExchange, chunk_twice
from tests.service.service_stack import (
    CHUNK,
    PATIENCE,
    QUESTION,
    STREAM,
    Stack,
    front_of,
    hops,
    http_client,
    run,
    serve_http,
    stack,
)


async def send_half(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a request whose body stays incomplete."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"
    )
    await writer.drain()
    return reader, writer


def guard_of(tokens: Sequence[str] = (), **limits: Any) -> Guard:
    return Guard(tokens, Limits(**limits), [], [], trust_forwarded_for=False)


def test_draining() -> None:
    """Open streams finish, new calls are refused, and then the server stops by itself."""

    async def main() -> None:
        may_end = asyncio.Event()
        async with stack(chunk_twice(CHUNK, may_end), server={"limits": Limits(grace=60)}) as up:
            server = up.server
            assert server
            async with AsyncClient(up.target) as client, AsyncClient(up.target) as other:
                stream = client.stream(QUESTION)
                chunks = aiter(stream)
                await anext(chunks)
                stopping = asyncio.ensure_future(server.stop())
                # A call that comes before the server refuses any waits for an answer that does not end.
                while True:
                    try:
                        await other.create(QUESTION, timeout=1)
                    except ServiceError as error:
                        if error.status == 503:
                            break
                assert not stopping.done()
                may_end.set()
                assert len([chunk async for chunk in chunks]) == 1
                await stopping

    run(main())


def test_a_server_that_stops_in_the_middle_of_a_call() -> None:
    """The gateway's caller may make the call again: it is not to blame."""

    async def main() -> None:
        asked = asyncio.Event()

        async def answer(exchange: HttpExchange) -> None:
            asked.set()
            await exchange.until_closed()

        async with stack(answer) as up:
            asking = asyncio.ensure_future(up.post(QUESTION))
            await asked.wait()
            assert up.server
            await up.server.stop(0)
            assert (await asking).status_code == 503

    run(main())


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Authority]:
    folder = tmp_path_factory.mktemp("certificates")
    return Authority(folder, "good"), Authority(folder, "bad")


async def _tls(server_tls: Tls, client_tls: Tls | None) -> Any:
    async with (
        Server(EchoBackend(), listen="localhost:0", tls=server_tls) as server,
        AsyncClient(f"localhost:{server.port}", tls=client_tls) as client,
    ):
        return await client.create(QUESTION, timeout=PATIENCE)


def test_certificates(authorities: tuple[Authority, Authority]) -> None:
    good, bad = authorities
    certificate, key = good.sign("server")
    one_sided, mutual = Tls(certificate, key), Tls(certificate, key, good.path("pem"))
    trusts = Tls(ca=good.path("pem"))
    mine = Tls(*good.sign("client"), ca=good.path("pem"))
    stranger = Tls(*bad.sign("client"), ca=good.path("pem"))
    assert run(_tls(one_sided, trusts))["choices"]
    assert run(_tls(mutual, mine))["choices"]
    for server, client in (
        (one_sided, Tls(ca=bad.path("pem"))),
        (one_sided, None),
        (mutual, trusts),
        (mutual, stranger),
    ):
        with pytest.raises(ServiceError) as caught:
            run(_tls(server, client))
        assert caught.value.status == 503


def test_files_that_are_no_certificates(authorities: tuple[Authority, Authority], tmp_path: Path) -> None:
    good, _ = authorities
    certificate, key = good.sign("server")
    _, other = good.sign("other")
    text = tmp_path / "x.pem"
    text.write_text("x")
    pair = "are no certificate and its key in PEM form"
    for tls, words in (
        (Tls(ca=good.path("pem")), "^a server needs a certificate and its key$"),
        (Tls(certificate, other), pair),
        (Tls(text, key), pair),
        (Tls(certificate, text), pair),
        (Tls(certificate, key, text), "x.pem holds no certificates in PEM form$"),
    ):
        with pytest.raises(ValueError, match=words):
            tls.server()
    with pytest.raises(ValueError, match="^a certificate needs its key, and a key its certificate$"):
        Tls(certificate).client()
    with pytest.raises(FileNotFoundError):
        Tls(certificate, "no.pem").server()
    with pytest.raises(FrozenInstanceError):
        Tls().ca = text  # type: ignore[misc]


@pytest.mark.parametrize("where", ["server", "front"])
@pytest.mark.parametrize(
    ("header", "status", "words"),
    [
        ("Bearer right", 200, ""),
        ("bearer second", 200, ""),
        ("Bearer wrong", 401, "Incorrect API key provided."),
        ("Basic right", 401, "Incorrect API key provided."),
        ("Token right", 401, "Incorrect API key provided."),
        (None, 401, "No API key provided: send it as a bearer token."),
    ],
)
def test_tokens(where: str, header: str | None, status: int, words: str) -> None:
    async def answer(exchange: HttpExchange) -> None:
        # A token that a service checked is not sent upstream.
        assert exchange.headers["authorization"] == "Bearer key"
        await exchange.answer(b'{"choices":[]}')

    async def main() -> None:
        part: dict[str, Any] = {where: {"tokens": ["right", "second"]}}
        async with stack(answer, **part) as up:
            for body in (QUESTION, STREAM):
                response = await up.post(body, **({"authorization": header} if header else {}))
                assert response.status_code == status
                if words:
                    error = response.json()["error"]
                    assert (error["message"], error["code"]) == (words, "invalid_api_key")
            assert len(up.upstream.seen) == (2 if status == 200 else 0)

    run(main())


def test_each_token_is_compared_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is given, so that the time tells nothing about the tokens."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(given: bytes, token: bytes) -> bool:
        compared.append((given, token))
        return given == token

    monkeypatch.setattr("chatpb.service._guard.hmac.compare_digest", compare)
    guard = guard_of(tokens=["first", "second"])
    for given in ("first", "second", "f", ""):
        with suppress(ServiceError):
            guard.authorize({"authorization": f"Bearer {given}"})
        assert compared == [(given.encode(), b"first"), (given.encode(), b"second")]
        compared.clear()


@pytest.mark.parametrize("token", ["", " ", "a ", " a", "t\u00f6ken", "a\nb"])
def test_tokens_that_no_caller_could_bring(token: str) -> None:
    """They are refused at the start: with an empty one, everybody could call."""
    for make in (
        lambda: Server(EchoBackend(), tokens=[token]),
        lambda: gateway(EchoBackend(), tokens=[token]),
        lambda: GrpcBackend("127.0.0.1:9", token=token),
        lambda: Client("127.0.0.1:9", token=token),
        lambda: AsyncClient("127.0.0.1:9", token=token),
    ):
        with pytest.raises(ValueError, match="^a token is printable ASCII, not empty, without white space around it$"):
            make()


def test_a_body_is_not_read_before_its_token() -> None:
    async def main() -> None:
        async with serve_http(gateway(EchoBackend(), tokens=["right"])) as url:
            reader, writer = await send_half(url)
            assert b" 401 " in await reader.readline()
            writer.close()

    run(main())


def test_limits_that_nobody_set() -> None:
    """Programs rely on them: a lower one refuses what was accepted before."""
    sizes = {"message": 64 << 20, "in_flight": 1 << 30, "concurrent": 4096, "connections": 10_000}
    seconds = {"timeout": 600, "head": 10, "body": 60, "send": 60, "grace": 30}
    assert asdict(Limits()) == sizes | seconds


def test_sizes() -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(b'{"id":"%b","choices":[]}' % (b"x" * 5000))

    big = {**QUESTION, "user": "x" * 2000}

    async def status(up: Stack, body: Any) -> int:
        return (await up.post(body)).status_code

    async def main() -> None:
        async with stack(answer, front={"limits": Limits(message=1000)}) as up:
            assert await status(up, big) == 413

            async def pieces() -> AsyncIterator[bytes]:
                for _ in range(100):
                    yield b" " * 100

            response = await up.client.post(
                "/chat/completions", content=pieces(), headers={"content-type": "application/json"}
            )
            assert (response.status_code, response.json()["error"]["type"]) == (413, "request_too_large")
            assert up.upstream.seen == []
        async with stack(answer, server={"limits": Limits(message=1000)}) as up:
            assert await status(up, big) == 413
            assert up.upstream.seen == []
            assert await status(up, QUESTION) == 413
        async with stack(answer, link={"max_message": 1000}) as up:
            assert await status(up, QUESTION) == 413
        async with stack(answer, backend={"max_body": 1000}) as up:
            assert await status(up, QUESTION) == 502

    run(main())


@pytest.mark.parametrize(("less", "status"), [(0, 200), (1, 413)])
@pytest.mark.parametrize("is_declared", [True, False])
def test_a_request_at_the_limit(less: int, status: int, is_declared: bool) -> None:
    """What is exactly as large as the limit passes, whether its size is known before it comes or not."""
    body = json.dumps(QUESTION).encode()

    async def pieces() -> AsyncIterator[bytes]:
        yield body[:10]
        yield body[10:]

    async def main() -> None:
        limits = Limits(message=len(body) - less)
        async with serve_http(gateway(EchoBackend(), limits=limits)) as url, http_client() as client:
            headers = {"content-type": "application/json"}
            content = body if is_declared else pieces()
            answer = await client.post(f"{url}/v1/chat/completions", content=content, headers=headers)
            assert answer.status_code == status

    run(main())


BODY: dict[str, tuple[list[dict[str, Any]], bytes | int]] = {
    "whole": ([{"type": "http.request", "body": b"{}", "more_body": False}], b"{}"),
    "whole, as ASGI may say it": ([{"type": "http.request", "body": b"{}"}], b"{}"),
    "without a body": ([{"type": "http.request"}], b""),
    "in pieces": ([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.request", "body": b"}"}], b"{}"),
    "its client leaves": ([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}], 499),
}  # fmt: skip


@pytest.mark.parametrize("case", BODY)
def test_a_body_as_asgi_gives_it(case: str) -> None:
    messages, want = BODY[case]
    coming = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(coming)

    async def main() -> bytes | int:
        try:
            return await read_body({"content-type": "application/json"}, receive, 2)
        except ServiceError as error:
            return error.status

    assert run(main()) == want


@pytest.mark.parametrize("limits", [{"body": 0.1}, {"timeout": 0.1}, {"body": 0.1, "timeout": None}], ids=str)
def test_a_body_that_does_not_come(limits: dict[str, Any]) -> None:
    async def main() -> None:
        async with serve_http(gateway(EchoBackend(), limits=Limits(**limits))) as url:
            reader, writer = await send_half(url)
            answer = await reader.readuntil(b"}}")
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b'"message": "The body did not come in time."' in answer
            writer.close()

    run(main())


def test_requests_that_come_in_count() -> None:
    async def main() -> None:
        async with (
            serve_http(gateway(EchoBackend(), limits=Limits(concurrent=1))) as url,
            http_client() as client,
        ):
            _, writer = await send_half(url)
            # The gateway answers until the incomplete request has reached it.
            while (await client.post(f"{url}/v1/chat/completions", json=QUESTION)).status_code == 200:
                pass
            refused = await client.post(f"{url}/v1/chat/completions", json=QUESTION)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
            writer.close()
            while (await client.post(f"{url}/v1/chat/completions", json=QUESTION)).status_code == 503:
                pass

    run(main())


@pytest.mark.parametrize("where", ["server", "front"])
def test_too_many_calls(where: str) -> None:
    async def main() -> None:
        asked, may_end = asyncio.Event(), asyncio.Event()

        async def answer(exchange: HttpExchange) -> None:
            asked.set()
            await may_end.wait()
            await exchange.answer(b'{"choices":[]}')

        part: dict[str, Any] = {where: {"limits": Limits(concurrent=1)}}
        async with stack(answer, **part) as up:
            first = asyncio.ensure_future(up.post(QUESTION))
            await asked.wait()
            refused = await up.post(QUESTION)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert refused.json()["error"]["code"] == "overloaded"
            may_end.set()
            assert (await first).status_code == 200

    run(main())


def test_calls_that_ended_make_room() -> None:
    """For as many others, and no more, however they came and ended."""
    guard = guard_of(concurrent=2)

    def fail() -> None:
        with guard.handle_call("create", {}):
            raise ServiceError.of(429, "Slow down.")

    async def main() -> None:
        for _ in range(3):
            with guard.handle_call("create", {}), guard.count_request():
                pass
            with pytest.raises(ServiceError, match="Slow down"):
                fail()
        with guard.count_request(), guard.handle_call("create", {}):
            refused = guard.refuse(ServiceError.of(401, "No."), {})
            assert (refused.status, refused.message) == (503, "Too many calls are open.")
            with pytest.raises(ServiceError, match="Too many"), guard.count_request():
                pass

    run(main())


@pytest.mark.parametrize(
    ("limit", "given", "deadline"), [(7, None, 107), (7, 5, 105), (5, 7, 105), (None, 7, 107), (None, None, None)]
)
def test_the_deadline_of_a_call(
    monkeypatch: pytest.MonkeyPatch, limit: float | None, given: float | None, deadline: float | None
) -> None:
    """It is the nearer one of the service's and the caller's."""
    monkeypatch.setattr("time.monotonic", lambda: 100.0)

    async def main() -> float | None:
        with guard_of(timeout=limit).handle_call("create", {}, remaining=given) as (call, _):
            return call.deadline

    assert run(main()) == deadline


def test_a_task_whose_time_was_over_goes_on() -> None:
    """It is not cancelled any more, so that a later limit of its own works."""

    async def main() -> None:
        task: Any = asyncio.current_task()
        with pytest.raises(ServiceError, match="too late"), _time_limit(0, 504, "too late"):
            await asyncio.sleep(PATIENCE)
        limit = SendLimit(0)
        with pytest.raises(ServiceError, match="does not read"), limit:
            await asyncio.sleep(PATIENCE)
        if hasattr(task, "cancelling"):  # from Python 3.11 on
            assert task.cancelling() == 0

    run(main())


@pytest.mark.parametrize("seconds", [None, PATIENCE])
def test_a_task_that_is_cancelled_within_its_time(seconds: float | None) -> None:
    """It ends as one that is cancelled, and its timers stop."""
    ended: list[BaseException] = []
    timers: list[asyncio.TimerHandle | None] = []

    async def work(begun: asyncio.Event) -> None:
        limit = SendLimit(seconds)
        try:
            with _time_limit(seconds, 504, "too late"), closing(limit), limit:
                timers.append(limit._timer)
                begun.set()
                await asyncio.sleep(PATIENCE)
        except BaseException as error:
            ended.append(error)
            raise

    async def main() -> None:
        begun = asyncio.Event()
        task = asyncio.ensure_future(work(begun))
        await begun.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    run(main())
    assert [type(error) for error in ended] == [asyncio.CancelledError]
    assert [timer is None or timer.cancelled() for timer in timers] == [True]


@hops
def test_a_backend_that_fails_shows_callers_nothing(hops: str, caplog: pytest.LogCaptureFixture) -> None:
    class Failing(EchoBackend):
        async def create(self, request: bytes, call: Call) -> bytes:
            raise KeyError("se" + "cret")

    async def main() -> None:
        async with front_of(Failing(), hops) as front:
            for body in (QUESTION, STREAM):
                response = await front.post(body)
                assert (response.status_code, response.json()["error"]["message"]) == (500, "The service failed.")

    run(main())
    assert "KeyError" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(("connections", "waiting"), [(1, 16), (64, 16), (403, 100), (8192, 2048), (100_000, 2048)])
def test_connections_that_wait_to_be_accepted(monkeypatch: pytest.MonkeyPatch, connections: int, waiting: int) -> None:
    """A quarter of those that may be open, and never so many that they take the process's files."""
    seen = []
    monkeypatch.setattr(_uvicorn._Server, "run", lambda server, sockets: seen.append((server.config.backlog, sockets)))
    with socket.socket() as listener:
        _uvicorn.run(None, listener, Limits(connections=connections), lambda: None)
        assert seen == [(waiting, [listener])]


class Clock:
    """Stands for a loop, whose time the test sets, and notes when timers would ring."""

    def __init__(self) -> None:
        self.now = 0.0
        self.alarms: list[float] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> Callable[[], None]:
        self.alarms.append(self.now + delay)
        return callback


@pytest.mark.parametrize(("send", "alarms"), [(5, [5]), (None, [])])
def test_a_connection_that_ends_while_its_last_answer_waits(send: float | None, alarms: list[float]) -> None:
    """Its caller has the time that it has for each piece."""

    class Protocol:
        transport = SimpleNamespace(abort=lambda: None)
        is_closing = False

        def timeout_keep_alive_handler(self) -> None:
            self.is_closing = True

    connection = _uvicorn.limited_protocol(Protocol, Limits(send=send))()
    connection.loop = Clock()
    for _ in range(2):
        connection.timeout_keep_alive_handler()
        assert (connection.is_closing, connection.loop.alarms) == (True, alarms)


@pytest.mark.parametrize(("send", "alarms"), [(5, [5]), (None, [])])
def test_an_answer_that_its_caller_does_not_read(send: float | None, alarms: list[float]) -> None:
    """One timer runs while it waits, and none when it goes on."""
    stopped: list[float] = []

    class Timer:
        def cancel(self) -> None:
            stopped.append(connection.loop.now)

    class TimedClock(Clock):
        def call_later(self, delay: float, callback: Callable[[], None]) -> Any:
            super().call_later(delay, callback)
            return Timer()

    class Protocol:
        transport = SimpleNamespace(abort=lambda: None)

        def pause_writing(self) -> None: ...

        def resume_writing(self) -> None: ...

    connection = _uvicorn.limited_protocol(Protocol, Limits(send=send))()
    connection.loop = TimedClock()
    for _ in range(2):
        connection.pause_writing()
    assert (connection.loop.alarms, stopped) == (alarms, [])
    connection.loop.now = 3.0
    for _ in range(2):
        connection.resume_writing()
    assert stopped == [3.0] * len(alarms)
    connection.pause_writing()
    assert connection.loop.alarms == [*alarms, *(3.0 + each for each in alarms)]


def test_idle_connections_are_answered_once_more_when_the_service_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request may be on its way: the first of a connection, and the next of one that had an answer."""
    monkeypatch.setattr(_uvicorn, "_LAST_REQUEST", PATIENCE)

    async def main() -> None:
        stopping = AsyncExitStack()
        url = await stopping.enter_async_context(serve_http(gateway(EchoBackend())))
        port = int(url.rpartition(":")[2])
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        request = b"GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
        reader, writer = opened[1]
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"connection: close" not in head
        await reader.readexactly(int(head.partition(b"content-length: ")[2].split()[0]))
        end = asyncio.ensure_future(stopping.aclose())
        with suppress(ConnectionError):
            while True:
                (await asyncio.open_connection("127.0.0.1", port))[1].close()
        for reader, writer in opened:
            writer.write(request)
            answer = await reader.read()  # to its end
            assert answer.startswith(b"HTTP/1.1 200 OK")
            assert b"connection: close" in answer
            writer.close()
        await end

    run(main())


def test_an_idle_connection_is_closed_when_the_service_has_waited_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_uvicorn, "_LAST_REQUEST", 0.0)

    async def main() -> None:
        async with serve_http(gateway(EchoBackend()), grace=2 * PATIENCE) as url:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
            writer.write(b"GET /livez HTTP/1.1\r\n")  # only half of its headers
        assert await reader.read() == b""
        writer.close()

    run(main())


def test_each_piece_has_its_own_time() -> None:
    """One timer watches all: when it rings, a piece that began later has the rest of its time."""

    async def never_read(limit: SendLimit, clock: Clock) -> None:
        with limit:
            clock.now = 20
            limit._look()
            await asyncio.sleep(PATIENCE)

    async def main() -> None:
        clock = Clock()
        limit = SendLimit(10)
        limit._loop = cast(asyncio.AbstractEventLoop, clock)
        with limit:
            assert clock.alarms == [10]
        clock.now = 7
        with limit:
            clock.now = 10
            limit._look()
            assert clock.alarms == [10, 17]
            clock.now = 16.5
            limit._look()
            assert clock.alarms.pop() == 17
            clock.now = 10
        with pytest.raises(ServiceError, match="does not read"):
            await never_read(limit, clock)
        limit._look()
        assert clock.alarms == [10, 17]

    run(main())


def test_a_server_ends_with_its_block() -> None:
    """At once, whatever calls are open; and it has no port before it starts."""
    stops: list[float | None] = []

    class Noted(Server):
        async def stop(self, grace: float | None = None) -> None:
            stops.append(grace)
            await super().stop(grace)

    async def main() -> None:
        server = Noted(EchoBackend(), listen="127.0.0.1:0")
        assert server.port == 0
        async with server:
            assert server.port > 0
            waiting = asyncio.ensure_future(server.wait())
            await asyncio.sleep(0)
            assert not waiting.done()
        await waiting

    run(main())
    assert stops == [0]


@pytest.mark.parametrize("signals", [1, 2])
def test_signals_to_a_program_that_serves(signals: int) -> None:
    """The first lets open calls finish, the second ends them. Afterwards signals do what they did before."""
    stops: list[float | None] = []
    may_end = asyncio.Event()

    class Noted(Server):
        async def stop(self, grace: float | None = None) -> None:
            stops.append(grace)
            if len(stops) < signals:
                os.kill(os.getpid(), signal.SIGTERM)
                await may_end.wait()
            else:
                may_end.set()
                await super().stop(0)

    def begin(server: Server) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    run(_serve(Noted(EchoBackend(), listen="127.0.0.1:0"), begin))
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
    assert stops == [None, 0][:signals]


def test_an_address_that_is_taken() -> None:
    async def main() -> None:
        async with Server(EchoBackend(), listen="127.0.0.1:0") as server:
            with pytest.raises(RuntimeError):
                await Server(EchoBackend(), listen=f"127.0.0.1:{server.port}").start()

    run(main())
