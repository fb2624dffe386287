"""An OpenAI-compatible HTTP service in front of any backend, such as GrpcBackend: an ASGI application.

    app = gateway(GrpcBackend("localhost:50051"))        # uvicorn module:app

The backend's `stream` answers a request with `"stream": true`, as server-sent events; its `create` answers any other.
The status of a stream waits for the first chunk, so that an error before it is an HTTP error; a later one is an event.
Chunks that are ready together are sent in one write, and no chunk waits for a later one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, aclosing, asynccontextmanager, suppress
from functools import partial
from typing import Any, Final, TypeVar

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk, CreateChatCompletionRequest
from chatpb._convert import json_to_wire
from chatpb._errors import ChatpbError, JsonError
from chatpb._extras import extra_for
from chatpb._known_json import known_json
from chatpb._options import UnknownFields, choice
from chatpb.streams import sse

with extra_for("chatpb.service.gateway"):
    from starlette.applications import Starlette
    from starlette.convertors import Convertor, register_url_convertor
    from starlette.exceptions import HTTPException
    from starlette.middleware.cors import CORSMiddleware
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route
    from starlette.types import ASGIApp

    from chatpb.service._allowed_sites import AllowedSites, error_response
    from chatpb.service._call import Backend, Call, header_pairs, host_and_port
    from chatpb.service._chunk_batches import batch_chunks
    from chatpb.service._error_table import ServiceError, without_options
    from chatpb.service._guard import Guard, Limits
    from chatpb.service._health import BackendHealth, raise_if_none_serves
    from chatpb.service._http_body import declared_size, read_body
    from chatpb.service._model_list import find_model, list_models
    from chatpb.service._observers import Observer, Outcome
    from chatpb.service._request_flags import is_stream, set_model

__all__ = ["gateway"]

T = TypeVar("T")
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
HandleCall = Callable[[str], AbstractContextManager[tuple[Call, Outcome]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_JSON: Final = b"application/json"
_EVENTS: Final = b"text/event-stream; charset=utf-8"
_COMMENT: Final = sse.write_comment()


class _BasePath(Convertor[str]):
    """Whatever stands before the path of a method: nothing, `v1/`, `openai/deployments/NAME/` or another base."""

    regex = "(?:[^/]+/)*?"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("base", _BasePath())


def gateway(
    backend: Backend,
    *,
    models: Sequence[str] = (),
    keep_alive: float | None = 15.0,
    tokens: Sequence[str] = (),
    limits: Limits | None = None,
    observers: Sequence[Observer] = (),
    forward: Sequence[str] = (),
    paths: Sequence[str] = (),
    origins: Sequence[str] = (),
    hosts: Sequence[str] = (),
    trust_forwarded_for: bool = False,
    unknown_fields: UnknownFields = "skip",
) -> ASGIApp:
    """Return the application.

    Args:
        backend: answers the requests. It is closed when the application shuts down.
        models: names that /v1/models lists. Without any, it answers with the backend's own `models`, if that exists.
        keep_alive: seconds of silence after which a stream sends a comment, which keeps connections open; None for no
            comments. A comment before the first chunk settles the status, so that an error after it is an event.
        tokens: bearer tokens. If there are any, every request needs one of them, and the backend does not see it.
        limits: the most that is accepted.
        observers: they are notified of every call.
        forward: names of further headers of callers that the backend gets.
        paths: paths to answer like those that end in `/chat/completions`.
        origins: the sites whose pages may call, such as `https://chat.example.com`; `*` for all.
        hosts: names under which the service is called on a loopback address, besides `localhost` and the address.
        trust_forwarded_for: whether callers are proxies, whose `x-forwarded-for` has the address of the caller behind.
        unknown_fields: "skip" sends an answer with fields of a newer contract without those fields, and logs each field
            once; "error" answers with 502.

    Raises ValueError for another value of `unknown_fields`.

    Examples:
        >>> import asyncio
        >>> import httpx
        >>> from chatpb.service import EchoBackend
        >>> from chatpb.service.gateway import gateway
        >>> async def main():
        ...     application = httpx.ASGITransport(gateway(EchoBackend()))
        ...     async with httpx.AsyncClient(transport=application, base_url="http://localhost") as client:
        ...         body = {"messages": [{"role": "user", "content": "Hello"}]}
        ...         response = await client.post("/v1/chat/completions", json=body)
        ...         return response.json()["choices"][0]["message"]["content"]
        ...
        >>> asyncio.run(main())
        'Hello'

    """
    choice("unknown_fields", unknown_fields, "error", "skip")
    guard = Guard(tokens, limits or Limits(), observers, forward, trust_forwarded_for)
    health = BackendHealth(backend)
    models_of_backend = None if models else getattr(backend, "models", None)

    async def answer_models(request: Request) -> Response:
        name = request.path_params.get("name")

        async def answer() -> Response:
            with guard.handle_call("models", _headers(request.scope), peer=_peer(request.scope)) as (call, outcome):
                listed = await models_of_backend(call) if models_of_backend else list_models(models)
                body = listed if name is None else json.dumps(find_model(listed, name)).encode()
                outcome.send(len(body))
            return Response(body, 200, call.reply, "application/json")

        try:
            # Nobody reads the answer to a client that has left, but what is around the gateway may count it.
            return await _unless_disconnected(request.receive, answer()) or Response(status_code=499)
        except ServiceError as error:
            return error_response(error)

    async def answer_live(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def answer_ready(request: Request) -> Response:
        states = await health.states()
        errors = [error for error in states.values() if error]
        shown: dict[str, Any] = {"status": "degraded" if errors else "ok"}
        status = 200
        try:
            raise_if_none_serves(states)
        except ServiceError as error:
            shown = {"status": "unavailable", "code": error.code}
            status = 503
        with suppress(ServiceError):  # which models there are is for callers with a token
            if "" not in states:
                guard.authorize(_headers(request.scope))
                shown["targets"] = {name: error.code if error else "OK" for name, error in states.items()}
        return JSONResponse(shown, status)

    async def answer_unknown(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        message = f"There is no {request.method} {request.url.path}."
        refused = ServiceError.of(error.status_code, message, headers=error.headers)
        return error_response(guard.refuse(refused, _headers(request.scope), peer=_peer(request.scope)))

    whole_or_stream = _ChatCompletions(backend, guard, keep_alive, unknown_fields)
    always_stream = _ChatCompletions(backend, guard, keep_alive, unknown_fields, always_stream=True)
    table: list[tuple[str, Any, list[str]]] = [
        ("/{base:base}chat/completions", whole_or_stream, ["POST"]),
        ("/{base:base}chat/completions:stream", always_stream, ["POST"]),
        ("/{base:base}models", answer_models, ["GET"]),
        ("/{base:base}models/{name:path}", answer_models, ["GET"]),
        ("/livez", answer_live, ["GET"]),
        ("/readyz", answer_ready, ["GET"]),
        ("/health", answer_ready, ["GET"]),
        *((path.rstrip("/"), whole_or_stream, ["POST"]) for path in paths),
    ]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await backend.close()

    app = Starlette(
        routes=[Route(path + end, answer, methods=methods) for path, answer, methods in table for end in ("", "/")],
        lifespan=lifespan,
        exception_handlers={404: answer_unknown, 405: answer_unknown},
    )
    app.router.redirect_slashes = False  # each path has its route with a slash; more of them make another path
    shared = CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        expose_headers=["*"],
    )
    return AllowedSites(shared, guard, origins, hosts)


class _ChatCompletions:
    """Answers POST /v1/chat/completions."""

    def __init__(
        self,
        backend: Backend,
        guard: Guard,
        keep_alive: float | None,
        unknown_fields: UnknownFields,
        *,
        always_stream: bool = False,
    ) -> None:
        self._backend = backend
        self._guard = guard
        self._keep_alive = keep_alive
        self._json = partial(_answer_json, unknown_fields=unknown_fields)
        self._always_stream = always_stream

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        answer = _Answer(send)
        peer = _peer(scope)
        received = 0
        try:
            async with AsyncExitStack() as held:
                try:
                    # A call without a token is refused before its body is read.
                    self._guard.authorize(headers)
                    with self._guard.count_request():
                        limit = self._guard.limits.message
                        reading = self._guard.read_body(
                            lambda: read_body(headers, receive, limit), declared_size(headers)
                        )
                        body = await held.enter_async_context(reading)
                        received = len(body)
                    wire = _request_wire(body, scope["path_params"].get("base", ""))
                    run = self._stream if self._always_stream or is_stream(wire) else self._create
                except ServiceError as error:
                    raise self._guard.refuse(error, headers, "create", received=received, peer=peer) from None
                call = partial(self._guard.handle_call, headers=headers, received=received, peer=peer)
                await _unless_disconnected(receive, run(wire, call, answer))
        except ServiceError as error:
            await answer.fail(error)

    async def _create(self, wire: bytes, handle_call: HandleCall, answer: _Answer) -> None:
        with handle_call("create") as (call, outcome):
            body = self._json(await self._backend.create(wire, call), ChatCompletion)
            reply = dict(header_pairs(call.reply))
            outcome.send(len(body))
        await answer.start(200, _JSON, reply, len(body))
        await answer.send(body, more=False)

    async def _stream(self, wire: bytes, handle_call: HandleCall, answer: _Answer) -> None:
        with handle_call("stream") as (call, outcome):
            chunks = self._backend.stream(wire, call)
            async with aclosing(batch_chunks(chunks, self._keep_alive)) as batches:  # type: ignore[type-var]
                async for batch in batches:
                    events = b"".join([sse.write_event(self._json(chunk, ChatCompletionChunk)) for chunk in batch])
                    if not answer.is_started:
                        await answer.start(200, _EVENTS, dict(header_pairs(call.reply)))
                    await answer.send(events or _COMMENT)
                    if batch:
                        outcome.send(len(events), len(batch))
            if not answer.is_started:
                await answer.start(200, _EVENTS, dict(header_pairs(call.reply)))
        await answer.send(sse.DONE, more=False)


def _peer(scope: Mapping[str, Any]) -> str:
    """Return the address of a request's caller; empty if it is not known, as behind a Unix socket."""
    host, port = scope.get("client") or ("", 0)
    return host_and_port(host, port) if host else ""


def _headers(scope: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of a request, with Azure's `api-key` as the bearer token that it is."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    if key := headers.get("api-key"):
        headers.setdefault("authorization", f"Bearer {key}")
    return headers


def _request_wire(body: bytes, base: str) -> bytes:
    """Return the wire bytes of a request. One without a model gets that of Azure's path, `deployments/NAME/`."""
    try:
        wire = json_to_wire(body, CreateChatCompletionRequest)
    except JsonError as error:
        raise ServiceError.of(
            400, f"The body is not a request: {without_options(error)}.", code="invalid_json"
        ) from None
    *_, kind, name, _ = ("", "", *base.split("/"))
    return set_model(wire, name) if kind == "deployments" else wire


def _answer_json(wire: bytes, message_type: type[Any], unknown_fields: UnknownFields) -> bytes:
    """Return the JSON text of an answer. Raises ServiceError 502 if it cannot be read: the caller is not to blame."""
    try:
        return known_json(wire, message_type, unknown_fields=unknown_fields)
    except ChatpbError as error:
        raise ServiceError.of(502, f"The service's answer cannot be read: {without_options(error)}.") from None


class _Answer:
    """Sends an HTTP response, and knows whether it has started."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.is_started = False

    async def start(self, status: int, kind: bytes, reply: Mapping[str, str], size: int | None = None) -> None:
        headers = [(b"content-type", kind)]
        if size is None:
            headers += [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
        else:
            headers.append((b"content-length", b"%d" % size))
        headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.items()]
        self.is_started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def send(self, body: bytes, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def fail(self, error: ServiceError) -> None:
        """Answer with an error. If the answer has started, it is a stream, and the error is its last event."""
        if self.is_started:
            # Many clients read an event's first line alone.
            await self.send(sse.write_event(b" ".join(error.body.splitlines())), more=False)
        else:
            await self.start(error.status, _JSON, error.headers, len(error.body))
            await self.send(error.body, more=False)


async def _unless_disconnected(receive: Receive, answering: Coroutine[Any, Any, T]) -> T | None:
    """Return the answer. Stop at once when the client leaves, and return None."""
    task = asyncio.ensure_future(answering)
    watch = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait((task, watch), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for each in (task, watch):
            each.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
