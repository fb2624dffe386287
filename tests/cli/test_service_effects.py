"""Each option of `chatpb serve`, `gateway` and `call` does something: a case for each, which fails if it does not."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from grpc import aio

from chatcompletion.v1 import ChatCompletion, ChatCompletionRecord, CreateChatCompletionRequest
from chatpb import from_json
from chatpb._records.parts import parts_of
from chatpb._wire.write import delimited, tag
from chatpb.cli._app import load_command
from chatpb.service import AsyncClient, Server, ServiceError, Tls
from chatpb.storage import Recorder
from tests.service.certificates import Authority
from tests.service.chatpb_program import CHATPB, Program
from tests.service.fake_upstream import Answer, FakeUpstream, HttpExchange
from tests.service.service_stack import (
    CHUNK,
    DEADLINES,
    QUESTION,
    STREAM,
    free_port,
    http_client,
    run,
)

LISTEN = ("--listen", "127.0.0.1:0")
QUIET = (*LISTEN, "--log", "none")
WHOLE = b'{"id":"1","choices":[{"index":0,"message":{"role":"assistant","content":"from upstream"},"finish_reason":"stop"}]}'
BEFORE_DEFAULT = 25
"""Seconds in which an option of 0.2 seconds has its effect, and its default, 30 seconds or more, has not."""

LARGE = {**QUESTION, "messages": [{"role": "user", "content": "x" * (1 << 20)}]}


async def stall(exchange: HttpExchange) -> None:
    await exchange.until_closed()


async def plain(exchange: HttpExchange) -> None:
    await exchange.answer(WHOLE)


async def ask(address: str, body: Any = QUESTION, path: str = "/v1/chat/completions", **headers: str) -> httpx.Response:
    async with http_client() as client:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return await client.post(f"http://{address}{path}", json=body, headers=given)


async def status_of(address: str, body: Any = QUESTION, **headers: str) -> int:
    """Return the status that the service at an address, of either kind, answers a request with."""
    if headers.pop("kind") == "gateway":
        return (await ask(address, body, **headers)).status_code
    async with AsyncClient(address) as client:
        try:
            await client.create(body, metadata=headers)
        except ServiceError as error:
            return error.status
        return 200


@asynccontextmanager
async def behind(answer: Answer, kind: str, *options: str) -> AsyncIterator[tuple[Program, FakeUpstream]]:
    """Run a service in front of an endpoint that answers so."""
    async with (
        FakeUpstream(answer).serve() as upstream,
        Program(kind, "--backend", f"openai:{upstream.url}", *options, *QUIET) as service,
    ):
        yield service, upstream


Check = Callable[[str, Path], Coroutine[Any, Any, None]]
EFFECTS: dict[tuple[str, str], Check] = {}

NEWER = delimited(tag(1000, 2), b"of a newer contract")


def effect(option: str, *kinds: str) -> Callable[[Check], Check]:
    """Return the decorator of the check of an option; it is run for each of the commands, by default both services."""

    def note(check: Check) -> Check:
        for kind in kinds or ("serve", "gateway"):
            EFFECTS[kind, option] = check
        return check

    return note


@effect("--backend")
async def backend(kind: str, folder: Path) -> None:
    async with behind(plain, kind) as (service, upstream):
        assert await status_of(service.address, kind=kind) == 200
        assert len(upstream.seen) == 1


@effect("--listen")
async def listen(kind: str, folder: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    async with Program(kind, "--backend", "echo", "--listen", address, "--log", "none") as service:
        assert service.address == address
        assert await status_of(address, kind=kind) == 200


@effect("--token")
async def token(kind: str, folder: Path) -> None:
    async with Program(kind, "--backend", "echo", "--token", "a", "--token", "b", *QUIET) as service:
        for sent, status in (("a", 200), ("b", 200), ("c", 401)):
            assert await status_of(service.address, kind=kind, authorization=f"Bearer {sent}") == status


@effect("--max-message")
async def max_message(kind: str, folder: Path) -> None:
    async with Program(kind, "--backend", "echo", "--max-message", "1", *QUIET) as service:
        assert await status_of(service.address, LARGE, kind=kind) == 413
        assert await status_of(service.address, kind=kind) == 200


@effect("--max-in-flight")
async def max_in_flight(kind: str, folder: Path) -> None:
    """One waits for an endpoint that does not answer, so that there is no room for another one."""
    half = {**QUESTION, "messages": [{"role": "user", "content": "x" * 700_000}]}
    for seconds in DEADLINES:
        options = ("--max-in-flight", "1", "--max-message", "1", "--body-timeout", str(seconds))
        async with behind(stall, kind, *options) as (service, upstream):
            first = asyncio.ensure_future(status_of(service.address, half, kind=kind))
            while not (upstream.seen or first.done()):
                await asyncio.sleep(0.01)
            if upstream.seen:
                assert await status_of(service.address, half, kind=kind) == 503
                first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            if upstream.seen:
                return
    pytest.fail(f"its body alone takes {seconds} seconds")


@effect("--max-calls")
async def max_calls(kind: str, folder: Path) -> None:
    async with behind(stall, kind, "--max-calls", "1") as (service, upstream):
        first = asyncio.ensure_future(status_of(service.address, kind=kind))
        while not upstream.seen:
            await asyncio.sleep(0.01)
        assert await status_of(service.address, kind=kind) == 503
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


@effect("--max-connections")
async def max_connections(kind: str, folder: Path) -> None:
    async with Program(kind, "--backend", "echo", "--max-connections", "2", *QUIET) as service:
        host, port = service.address.split(":")
        opened = [await asyncio.open_connection(host, int(port)) for _ in range(3)]
        reads = [asyncio.ensure_future(until_end(reader)) for reader, _ in opened]
        done, open_still = await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED)
        assert (len(done), len(open_still)) == (1, 2)
        for _, writer in opened:
            writer.transport.abort()
        await asyncio.gather(*reads)


async def until_end(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(1 << 16):
            pass
    except ConnectionError:
        pass


@effect("--timeout")
async def timeout(kind: str, folder: Path) -> None:
    async with behind(stall, kind, "--timeout", "0.2") as (service, _upstream):
        assert await status_of(service.address, kind=kind) == 504


@effect("--body-timeout")
async def body_timeout(kind: str, folder: Path) -> None:
    async with Program(kind, "--backend", "echo", "--body-timeout", "0.2", *QUIET) as service:
        if kind == "gateway":
            reader, writer = await asyncio.open_connection(*service.address.split(":"))
            head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            writer.write(head + b"content-length: 9\r\n\r\n{")
            assert b" 408 " in await asyncio.wait_for(reader.readline(), BEFORE_DEFAULT)
            writer.close()
        else:
            async with aio.insecure_channel(service.address) as channel:
                call: Any = channel.stream_unary("/chatcompletion.v1.ChatCompletionService/CreateChatCompletion")()
                with pytest.raises(aio.AioRpcError, match="The body did not come in time"):
                    await asyncio.wait_for(call, BEFORE_DEFAULT)


@effect("--send-timeout")
async def send_timeout(kind: str, folder: Path) -> None:
    chunk = CHUNK.replace(b'"a"', b'"%b"' % (b"a" * 100_000))
    ended = asyncio.Event()

    async def endless(exchange: HttpExchange) -> None:
        await exchange.begin_stream()
        try:
            while True:
                await exchange.send_event(chunk)
        finally:
            ended.set()

    async with behind(endless, kind, "--send-timeout", "0.2") as (service, _upstream):
        if kind == "gateway":
            _, writer = await asyncio.open_connection(*service.address.split(":"), limit=1 << 10)
            body = json.dumps(STREAM).encode()
            head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            writer.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
            await asyncio.wait_for(ended.wait(), BEFORE_DEFAULT)
            writer.transport.abort()
        else:
            async with AsyncClient(service.address) as client, client.stream(QUESTION) as stream:
                with suppress(ServiceError):  # on a slow machine, the time is over before it reads
                    async for _ in stream:
                        break
                await asyncio.wait_for(ended.wait(), BEFORE_DEFAULT)


@effect("--grace")
async def grace(kind: str, folder: Path) -> None:
    """Stop while a call is open, which then ends although its endpoint does not answer."""
    async with behind(stall, kind, "--grace", "0") as (service, upstream):
        first = asyncio.ensure_future(status_of(service.address, kind=kind))
        while not upstream.seen:
            await asyncio.sleep(0.01)
        service.send_signal(signal.SIGTERM)
        await asyncio.wait_for(service.process.wait(), BEFORE_DEFAULT)
        await asyncio.gather(first, return_exceptions=True)


@effect("--log")
async def log(kind: str, folder: Path) -> None:
    for form, first in (("json", "{"), ("text", "2")):
        async with Program(kind, "--backend", "echo", "--log", form, *LISTEN) as service:
            assert await status_of(service.address, kind=kind) == 200
            assert (await service.line()).startswith(first)
            assert service.first[0].startswith("{" if form == "json" else f"chatpb {kind}: listening on ")
    async with Program(kind, "--backend", "echo", *QUIET) as service:
        assert await status_of(service.address, kind=kind) == 200
        service.send_signal(signal.SIGTERM)
        assert await service.line() == ""


@effect("--metrics")
async def metrics(kind: str, folder: Path) -> None:
    """They are there alone, not on the port of the service."""
    where = f"127.0.0.1:{free_port()}"
    async with Program(kind, "--backend", "echo", "--metrics", where, *QUIET) as service:
        assert await status_of(service.address, kind=kind) == 200
        async with http_client() as client:
            text = (await client.get(f"http://{where}/metrics")).text
            if kind == "gateway":
                assert (await client.get(f"http://{service.address}/metrics")).status_code == 404
    assert 'chatpb_calls_total{code="OK",method="create"} 1.0' in text
    seconds = float(text.partition('chatpb_call_seconds_sum{method="create"} ')[2].split()[0])
    assert 0 < seconds < 60


@effect("--trust-forwarded-for")
async def trust_forwarded_for(kind: str, folder: Path) -> None:
    """Without it, everybody could say who he is."""
    for option, peer in (((), "127.0.0.1:"), (("--trust-forwarded-for",), "192.0.2.7")):
        path = folder / f"{peer}.db"
        async with Program(kind, "--backend", "echo", "--record", str(path), *option, *QUIET) as service:
            given = {"x_forwarded_for" if kind == "gateway" else "x-forwarded-for": "203.0.113.5, 192.0.2.7"}
            assert await status_of(service.address, kind=kind, **given) == 200
            service.send_signal(signal.SIGTERM)
            await service.process.wait()
        with Recorder(path, read_only=True) as recorder:
            (record,) = recorder
        assert isinstance(record, bytes)
        assert peer in ChatCompletionRecord.FromString(record).peer


async def records(kind: str, folder: Path, *options: str, calls: int = 3) -> list[dict[str, Any]]:
    path = folder / "r.db"
    async with Program(kind, "--backend", "echo", "--record", str(path), *options, *QUIET) as service:
        for _ in range(calls):
            body = {**QUESTION, "messages": [{"role": "user", "content": os.urandom(20_000).hex()}]}
            assert await status_of(service.address, body, kind=kind) == 200
        service.send_signal(signal.SIGTERM)
        await service.process.wait()
    with Recorder(path, read_only=True) as recorder:
        return [parts_of(record) for record in recorder if isinstance(record, bytes)]


@effect("--record")
async def record(kind: str, folder: Path) -> None:
    assert len(await records(kind, folder)) == 3


@effect("--record-max-bytes")
async def record_max_bytes(kind: str, folder: Path) -> None:
    assert 0 < len(await records(kind, folder, "--record-max-bytes", "400000", calls=30)) < 30


@effect("--record-max-age")
async def record_max_age(kind: str, folder: Path) -> None:
    """Records of an earlier run are deleted when later ones are written; how soon is the recorder's matter."""
    assert len(await records(kind, folder)) == 3
    with closing(sqlite3.connect(folder / "r.db")) as file, file:
        file.execute("UPDATE arrivals SET time = 1")  # long ago
    assert len(await records(kind, folder, "--record-max-age", "1", calls=1)) == 1


@effect("--upstream-header")
@effect("--forward-header")
@effect("--return-header")
async def headers(kind: str, folder: Path) -> None:
    """What is not named stays behind."""

    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(WHOLE, headers={"x-back": "1", "x-stays": "1", "x-ms-region": "eu"})

    options = ("--upstream-header", "Api-Key: mine", "--forward-header", "X-There", "--return-header", "X-Back")
    async with behind(answer, kind, *options) as (service, upstream), AsyncExitStack() as up:
        front = service
        if kind == "serve":
            names = ("--forward-header", "x-there", "--return-header", "x-back")
            front = await up.enter_async_context(Program("gateway", "--target", service.address, *names, *QUIET))
        sent = {"x_there": "2", "x_other": "2", "x_title": "mine", "user_agent": "me/1", "authorization": "Bearer his"}
        got = (await ask(front.address, **sent)).headers
        assert [got.get(name) for name in ("x-back", "x-stays", "x-ms-region")] == ["1", None, "eu"]
        came = upstream.seen[0].headers
        asked = ("api-key", "x-there", "x-other", "x-title", "user-agent", "authorization")
        assert [came.get(name) for name in asked] == ["mine", "2", None, "mine", "me/1", None]


@effect("--tls-certificate", "serve")
@effect("--tls-key", "serve")
async def tls_certificate(kind: str, folder: Path) -> None:
    authority = Authority(folder)
    certificate, key = authority.sign("server")
    async with Program(
        kind, "--backend", "echo", "--tls-certificate", certificate, "--tls-key", key, *QUIET
    ) as service:
        assert await status_of(service.address, kind=kind) == 503
        target = f"localhost:{service.address.rpartition(':')[2]}"
        async with AsyncClient(target, tls=Tls(ca=authority.path("pem"))) as client:
            assert await client.create(QUESTION)


@effect("--reflection", "serve")
async def reflection(kind: str, folder: Path) -> None:
    """Clients may ask in either version of the protocol, unless it is turned off."""
    from grpc_reflection.v1alpha import reflection_pb2

    question = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
    for option, is_on in (("--reflection", True), ("--no-reflection", False)):
        async with Program(kind, "--backend", "echo", option, *QUIET) as service:
            for version in ("v1", "v1alpha"):
                async with aio.insecure_channel(service.address) as channel:
                    path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
                    asking: Any = channel.stream_stream(path)
                    call = asking()
                    if is_on:
                        await call.write(question)
                        assert b"chatcompletion.v1.ChatCompletionService" in await call.read()
                    else:
                        with pytest.raises(aio.AioRpcError, match="UNIMPLEMENTED"):
                            await call.read()
                    call.cancel()


@effect("--unknown-fields", "serve")
async def unknown_fields_of_requests(kind: str, folder: Path) -> None:
    """The endpoint is not asked, since its JSON could not hold all of the request."""
    request = from_json(json.dumps(QUESTION), CreateChatCompletionRequest).SerializeToString() + NEWER
    for given, answered in (("skip", True), ("error", False)):
        async with behind(plain, kind, "--unknown-fields", given) as (service, upstream):
            async with aio.insecure_channel(service.address) as channel:
                call: Any = channel.unary_unary("/chatcompletion.v1.ChatCompletionService/CreateChatCompletion")
                if answered:
                    assert b"from upstream" in await call(request)
                else:
                    with pytest.raises(aio.AioRpcError, match="field 1000"):
                        await call(request)
            assert len(upstream.seen) == answered


@effect("--unknown-fields", "gateway")
async def unknown_fields_of_answers(kind: str, folder: Path) -> None:
    completion = ChatCompletion.FromString(from_json(WHOLE).SerializeToString() + NEWER)

    async def newer(request: CreateChatCompletionRequest) -> ChatCompletion:
        return completion

    async with Server(newer, listen="127.0.0.1:0") as server:
        for given, status in (("skip", 200), ("error", 502)):
            target = ("--target", f"127.0.0.1:{server.port}")
            async with Program(kind, *target, "--unknown-fields", given, *QUIET) as service:
                assert await status_of(service.address, kind=kind) == status


@effect("--target", "gateway")
@effect("--target-token", "gateway")
async def target(kind: str, folder: Path) -> None:
    async with Program("serve", "--backend", "echo", "--token", "inner", *QUIET) as server:
        for given, status in (("inner", 200), ("other", 401)):
            async with Program(kind, "--target", server.address, "--target-token", given, *QUIET) as service:
                assert await status_of(service.address, kind=kind) == status


def test_targets_by_model() -> None:
    async def main() -> None:
        async with behind(plain, "serve") as (one, _), Program("serve", *QUIET) as two:
            targets = ("--target", f"gpt-*={one.address}", "--target", f"echo={two.address}")
            async with Program("gateway", *targets, *QUIET) as front:
                for model, status, text in (("gpt-4o", 200, "from upstream"), ("echo", 200, "hello"), ("x", 404, "")):
                    for stream in (False, True):
                        answer = await ask(front.address, {**QUESTION, "model": model, "stream": stream})
                        assert (answer.status_code, text.split(" ")[0] in answer.text) == (status, True)

    run(main())


def test_one_of_two_targets_dies() -> None:
    """The gateway is ready for calls to the other one, says which is ill, and lives without any."""

    async def main() -> None:
        async with (
            Program("serve", *QUIET) as one,
            Program("serve", *QUIET) as two,
            Program(
                *("gateway", "--target", f"gpt-*={one.address}", "--target", two.address, "--token", "mine"), *QUIET
            ) as front,
            http_client() as client,
        ):

            async def until(status: str, one_is: str, two_is: str) -> None:
                """Ask until the gateway has noticed, and compare all that it says."""
                want: dict[str, Any] = {"status": status}
                if status == "unavailable":
                    want["code"] = "UNAVAILABLE"
                mine = {"authorization": "Bearer mine"}
                while True:
                    ready = await client.get(f"http://{front.address}/readyz", headers=mine)
                    if ready.json()["status"] == status:
                        break
                assert ready.json() == {**want, "targets": {"gpt-*": one_is, "*": two_is}}
                assert ready.status_code == (503 if status == "unavailable" else 200)
                for path in ("readyz", "health"):
                    of_stranger = await client.get(f"http://{front.address}/{path}")
                    assert (of_stranger.status_code, of_stranger.json()) == (ready.status_code, want)
                assert (await client.get(f"http://{front.address}/livez")).json() == {"status": "ok"}
                for model, is_well in (("gpt-4o", one_is == "OK"), ("x", two_is == "OK")):
                    answer = await ask(front.address, {**QUESTION, "model": model}, authorization="Bearer mine")
                    assert answer.status_code == (200 if is_well else 503)

            await until("ok", "OK", "OK")
            one.send_signal(signal.SIGKILL)
            await one.process.wait()
            await until("degraded", "UNAVAILABLE", "OK")
            two.send_signal(signal.SIGKILL)
            await two.process.wait()
            await until("unavailable", "UNAVAILABLE", "UNAVAILABLE")

    run(main())


def test_one_of_two_servers_drains() -> None:
    """Calls go to both in turn. While one stops, which it does at once after its last call, no call is lost."""

    async def main() -> None:
        async with (
            Program("serve", "--log", "json", *LISTEN) as one,
            Program("serve", "--log", "json", *LISTEN) as two,
            Program("gateway", "--target", f"ipv4:{one.address},{two.address}", *QUIET) as front,
        ):
            statuses: list[int] = []
            is_over = asyncio.Event()

            async def go_on() -> None:
                while not is_over.is_set():
                    statuses.append((await ask(front.address)).status_code)

            callers = [asyncio.ensure_future(go_on()) for _ in range(5)]
            assert json.loads(await one.line())["code"] == json.loads(await two.line())["code"] == "OK"
            one.send_signal(signal.SIGTERM)
            await one.process.wait()
            after = len(statuses)
            while len(statuses) < after + 50:
                await asyncio.sleep(0.01)
            is_over.set()
            await asyncio.gather(*callers)
            assert set(statuses) == {200}

    run(main())


@effect("--tls", "gateway")
async def tls(kind: str, folder: Path) -> None:
    """A server in plain text cannot be reached with it."""
    async with Program("serve", "--backend", "echo", *QUIET) as server:
        for options, status in (((), 200), (("--tls",), 503)):
            async with Program(kind, "--target", server.address, *options, *QUIET) as service:
                assert await status_of(service.address, kind=kind) == status


@effect("--tls", "call")
async def tls_of_a_call(kind: str, folder: Path) -> None:
    async with Program("serve", "--backend", "echo", *QUIET) as server:
        for options, status in (((), 0), (("--tls",), 1)):
            pipe = asyncio.subprocess.PIPE
            process = await asyncio.create_subprocess_exec(
                *CHATPB, kind, "-m", "hi", "--target", server.address, *options, stdout=pipe, stderr=pipe
            )
            await process.communicate()
            assert process.returncode == status


@effect("--reconnect", "gateway")
async def reconnect(kind: str, folder: Path) -> None:
    """Attempts to connect to a server that is not there. With gRPC's own times, they take longer than a test may."""
    attempts = 0

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        writer.transport.abort()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    where = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with Program(kind, "--target", where, "--reconnect", "0.1", *QUIET) as service:
        while attempts < 15:
            assert await status_of(service.address, kind=kind) == 503
            await asyncio.sleep(0.02)
    server.close()


@effect("--list-model", "gateway")
async def model(kind: str, folder: Path) -> None:
    async with Program(kind, "--backend", "echo", "--list-model", "a", "--model", "b", *QUIET) as service:
        async with http_client() as client:
            listed = (await client.get(f"http://{service.address}/v1/models")).json()
        assert [each["id"] for each in listed["data"]] == ["a", "b"]


@effect("--path", "gateway")
async def path(kind: str, folder: Path) -> None:
    async with Program(kind, "--backend", "echo", "--path", "/api/chat", *QUIET) as service:
        assert (await ask(service.address, path="/api/chat")).status_code == 200
        assert (await ask(service.address, path="/api/chats")).status_code == 404


@effect("--allow-origin", "gateway")
async def allow_origin(kind: str, folder: Path) -> None:
    async with Program(kind, "--backend", "echo", "--allow-origin", "https://a.example", *QUIET) as service:
        for origin, status in (("https://a.example", 200), ("https://b.example", 403)):
            answer = await ask(service.address, origin=origin)
            assert answer.status_code == status
            assert (answer.headers.get("access-control-allow-origin") == origin) is (status == 200)


@effect("--allow-host", "gateway")
async def allow_host(kind: str, folder: Path) -> None:
    async with Program(kind, "--backend", "echo", "--allow-host", "a.example", *QUIET) as service:
        for host, status in (("a.example", 200), ("b.example", 403)):
            assert (await ask(service.address, host=host)).status_code == status


@effect("--keep-alive", "gateway")
async def keep_alive(kind: str, folder: Path) -> None:
    """The comments are lines, without the empty line that some readers take for an event."""
    for seconds, has_comments in (("0.05", True), ("0", False), ("15", False)):
        may_end = asyncio.Event()

        async def slow_stream(exchange: HttpExchange, may_end: asyncio.Event = may_end) -> None:
            await exchange.begin_stream()
            await may_end.wait()
            await exchange.send_rest([CHUNK])

        async with behind(slow_stream, kind, "--keep-alive", seconds) as (service, upstream), http_client() as client:
            url = f"http://{service.address}/v1/chat/completions"
            asking = asyncio.ensure_future(client.send(client.build_request("POST", url, json=STREAM), stream=True))
            if not has_comments:
                while not upstream.seen:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.3)
                may_end.set()
            text = ""
            async for piece in (await asking).aiter_text():
                text += piece
                may_end.set()
        assert (": keep-alive\n" in text) is has_comments
        assert ": keep-alive\n\n" not in text
        assert text.replace(": keep-alive\n", "") == f"data: {CHUNK.decode()}\n\ndata: [DONE]\n\n"


CHECKS: dict[tuple[str, Check], str] = {}
"""The options that a check of a command shows, since one check may be that of several options."""
for (kind, option), check in EFFECTS.items():
    CHECKS[kind, check] = f"{CHECKS.get((kind, check), kind)} {option}"


@pytest.mark.parametrize(("kind", "check"), CHECKS, ids=CHECKS.values())
def test_an_option(kind: str, check: Check, tmp_path: Path) -> None:
    run(check(kind, tmp_path))


CERTIFICATES = {
    (kind, option): "test_services.py::test_certificates_and_tokens"
    for kind in ("serve", "gateway", "call")
    for option in ("--tls-certificate", "--tls-key", "--tls-ca")
    if (kind, option) not in EFFECTS
}
ELSEWHERE = {
    ("serve", "--trace"): "test_services.py::test_trace",
    ("gateway", "--trace"): "test_services.py::test_trace",
    ("serve", "--workers"): "test_workers.py::test_a_worker_that_dies_is_started_again",
    ("gateway", "--workers"): "test_workers.py::test_a_worker_that_dies_is_started_again",
    ("call", "request"): "test_services.py::test_serve_and_call",
    ("call", "--target"): "test_services.py::test_serve_and_call",
    ("call", "--target-token"): "test_services.py::test_serve_and_call",
    ("call", "--stream"): "test_services.py::test_serve_and_call",
    ("call", "--json"): "test_services.py::test_serve_and_call",
    **CERTIFICATES,
}
"""The tests beside this file that show what an option does."""


def test_every_option_has_a_case() -> None:
    options = {(kind, each.opts[0]) for kind in ("serve", "gateway", "call") for each in load_command(kind).params}
    cases = {*EFFECTS, *ELSEWHERE, *(("call", option) for option in CALL)}
    assert {case for case in options if case[1] != "--help"} == cases
    for where in ELSEWHERE.values():
        file, _, name = where.partition("::")
        assert f"def {name}(" in (Path(__file__).parent / file).read_text()


HOSTILE = "\x1b[31mred\x07\u009b2J\x7f\u202e\ttab\nline\u00a0\U0001f600"
SAFE = "\\u001b[31mred\\u0007\\u009b2J\\u007f\\u202e\ttab\nline\u00a0\U0001f600"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("as_json", [False, True])
def test_a_model_sends_escape_sequences(as_json: bool, stream: bool) -> None:
    """A terminal gets none of them, and JSON has them in a form that changes nothing."""
    calls = [{"id": "1", "type": "function", "function": {"name": "\x1bf", "arguments": "\x1b{}"}}]
    message = {"role": "assistant", "content": HOSTILE, "tool_calls": calls}
    whole = {"id": "1", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}

    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(json.dumps(whole, ensure_ascii=False).encode())

    async def main() -> None:
        async with behind(answer, "serve") as (server, _upstream):
            options = ("--json",) * as_json + ("--stream",) * stream
            process = await asyncio.create_subprocess_exec(
                *CHATPB, "call", "-m", "hi", "--target", server.address, *options, stdout=asyncio.subprocess.PIPE
            )
            out = (await process.communicate())[0].decode()
        assert not any(each in out for each in "\x1b\x07\u009b\x7f\u202e")
        if as_json:
            texts = [json.loads(line)["choices"][0] for line in out.splitlines()]
            assert "".join((each.get("message") or each["delta"]).get("content") or "" for each in texts) == HOSTILE
        else:
            assert out == f"{SAFE}\n\\u001bf(\\u001b{{}})\n"

    run(main())


def test_an_error_with_escape_sequences() -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(json.dumps({"error": {"message": HOSTILE}}).encode(), 400)

    async def main() -> None:
        async with behind(answer, "serve") as (server, _upstream):
            process = await asyncio.create_subprocess_exec(
                *CHATPB, "call", "-m", "hi", "--target", server.address, stderr=asyncio.subprocess.PIPE
            )
            err = (await process.communicate())[1].decode()
        assert "\\u001b[31mred" in err
        assert not any(each in err for each in "\x1b\x07\u009b\x7f\u202e")

    run(main())


CALL: dict[str, tuple[tuple[str, ...], str]] = {
    "--format": (("-m", "hi", "--format", "json"), '{"choices":[{"index":0,'),
    "--model": (("-m", "hi", "--model", "other"), '"model":"other"'),
    "--message": (("--message", "hi"), '"content":"hi"'),
    "--timeout": (("-m", "hi", "--timeout", "0.2"), "504 DEADLINE_EXCEEDED"),
}


@pytest.mark.parametrize("case", CALL)
def test_call(case: str) -> None:
    arguments, words = CALL[case]

    async def answer(exchange: HttpExchange) -> None:
        if case == "--timeout":
            await exchange.until_closed()
        else:
            text = json.dumps(exchange.request, separators=(",", ":"))
            message = {"role": "assistant", "content": text}
            await exchange.answer(json.dumps({"choices": [{"index": 0, "message": message}]}).encode())

    async def main() -> None:
        async with behind(answer, "serve") as (server, _upstream):
            pipe = asyncio.subprocess.PIPE
            process = await asyncio.create_subprocess_exec(
                *CHATPB,
                "call",
                *arguments,
                stdout=pipe,
                stderr=pipe,
                env={**os.environ, "CHATPB_TARGET": server.address},
            )
            out, err = await process.communicate()
            assert words in (err if case == "--timeout" else out).decode()

    run(main())
