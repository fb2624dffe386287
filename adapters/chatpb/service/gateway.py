"""An OpenAI-compatible HTTP service in front of any backend, such as GrpcBackend: an ASGI application.

    app = gateway(GrpcBackend("localhost:50051"))        # uvicorn module:app

A request with `"stream": true` is answered by the backend's stream as server-sent events, any other by `create`. The
status of a stream waits for its first chunk, so that an error before it is an HTTP error; a later one is an event.
Chunks that come together are sent together, and none waits for another.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, MutableMapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk, CreateChatCompletionRequest
from chatpb import sse
from chatpb._api import json_to_wire, wire_to_json
from chatpb._errors import ChatpbError, JsonError
from chatpb.service._batches import batches
from chatpb.service._call import Backend
from chatpb.service._edge import Edge, Exchange, Limits
from chatpb.service._errors import ServiceError
from chatpb.service._models import find_model, list_models
from chatpb.service._observe import Observer, PrometheusObserver
from chatpb.service._wires import is_stream

__all__ = ["gateway"]

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_JSON: Final = b"application/json"
_EVENTS: Final = b"text/event-stream; charset=utf-8"
_COMMENT: Final = sse.write_comment()


def gateway(
    backend: Backend,
    *,
    models: Sequence[str] = (),
    keep_alive: float | None = 15.0,
    tokens: Sequence[str] = (),
    limits: Limits | None = None,
    observers: Sequence[Observer] = (),
) -> Starlette:
    """The application.

    Args:
        backend: what answers. It is closed when the application shuts down.
        models: names for /v1/models, in place of what the backend tells of its models, if it does.
        keep_alive: seconds without a chunk after which a stream gets a comment, which keeps connections open; None for
            none. The first one settles the status, so that an error after it is an event.
        tokens: bearer tokens, one of which every request has to bring; they are not passed on.
        limits: what is accepted at most.
        observers: what is told of every call. With a PrometheusObserver there is /metrics.

    """
    edge = Edge(tokens, limits or Limits(), observers)
    tell_models = None if models else getattr(backend, "models", None)

    async def list_of_models(request: Request) -> Response:
        name = request.path_params.get("name")
        try:
            with edge.call("models", request.headers) as exchange:
                listed = await tell_models(exchange.call) if tell_models else list_models(models)
                body = listed if name is None else json.dumps(find_model(listed, name)).encode()
                exchange.outcome.send(len(body))
        except ServiceError as error:
            return _refuse(error)
        return Response(body, 200, exchange.call.reply, "application/json")

    async def health(request: Request) -> Response:
        check = getattr(backend, "check", None)
        try:
            if check:
                await check()
        except ServiceError as error:
            return JSONResponse({"status": "unavailable", "code": error.code}, 503)
        return JSONResponse({"status": "ok"})

    async def missing(request: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", 500)
        return _refuse(ServiceError.of(status, f"There is no {request.method} {request.url.path}."))

    routes = [
        Route("/v1/chat/completions", _Completions(backend, edge, keep_alive), methods=["POST"]),
        Route("/v1/models", list_of_models),
        Route("/v1/models/{name:path}", list_of_models),
        Route("/health", health),
    ]
    for observer in observers:
        if isinstance(observer, PrometheusObserver):
            routes.append(Route("/metrics", _metrics(observer)))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await backend.close()

    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={404: missing, 405: missing})


class _Completions:
    """POST /v1/chat/completions."""

    def __init__(self, backend: Backend, edge: Edge, keep_alive: float | None) -> None:
        self._backend = backend
        self._edge = edge
        self._keep_alive = keep_alive

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        answer = _Answer(send)
        peer = ":".join(map(str, scope.get("client") or ()))
        try:
            try:
                wire = await self._request(headers, receive)
            except ServiceError as error:
                with self._edge.call("create", headers, peer=peer):
                    raise error from None
            run = self._stream if is_stream(wire) else self._create
            await _unless_disconnected(receive, run(wire, headers, peer, answer))
        except ServiceError as error:
            await answer.refuse(error)

    async def _create(self, wire: bytes, headers: Mapping[str, str], peer: str, answer: _Answer) -> None:
        with self._edge.call("create", headers, peer=peer) as exchange:
            exchange.outcome.received = len(wire)
            body = _text(await self._backend.create(wire, exchange.call), ChatCompletion)
            exchange.outcome.send(len(body))
        await answer.start(200, _JSON, exchange.call.reply, len(body))
        await answer.send(body, more=False)

    async def _stream(self, wire: bytes, headers: Mapping[str, str], peer: str, answer: _Answer) -> None:
        with self._edge.call("stream", headers, peer=peer) as exchange:
            exchange.outcome.received = len(wire)
            chunks = self._backend.stream(wire, exchange.call)
            async with aclosing(batches(chunks, self._keep_alive)) as ready:  # type: ignore[type-var]
                async for batch in ready:
                    await self._send(batch, exchange, answer)
        if not answer.is_started:
            await answer.start(200, _EVENTS, exchange.call.reply)
        await answer.send(sse.DONE, more=False)

    async def _send(self, batch: list[bytes], exchange: Exchange, answer: _Answer) -> None:
        """Send chunks, or a comment where there are none."""
        events = b"".join([b"data: %b\n\n" % _text(chunk, ChatCompletionChunk) for chunk in batch])
        if not answer.is_started:
            await answer.start(200, _EVENTS, exchange.call.reply)
        await answer.send(events or _COMMENT)
        if batch:
            exchange.outcome.send(len(events), len(batch))

    async def _request(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        """The wire bytes of the body. Raises ServiceError; without a token nothing is read."""
        self._edge.authorize(headers)
        with self._edge.receiving():
            body = await self._body(headers, receive)
        try:
            return json_to_wire(body, CreateChatCompletionRequest)
        except JsonError as error:
            raise ServiceError.of(400, f"The body is not a request: {error}.", code="invalid_json") from None

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        limit = self._edge.limits.message
        declared = headers.get("content-length", "0")
        pieces, size, more = [], 0, True
        while more:
            if size > limit or (declared.isdecimal() and int(declared) > limit):
                raise ServiceError.of(413, f"The body is larger than {limit} bytes, the limit.")
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ServiceError.of(499, "The client went away.")
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            more = message.get("more_body", False)
        return b"".join(pieces)


def _text(wire: bytes, message_type: type[Any]) -> bytes:
    """The JSON text of an answer. One that cannot be read is no fault of the caller's."""
    try:
        return wire_to_json(wire, message_type)
    except ChatpbError as error:
        raise ServiceError.of(502, f"The service's answer cannot be read: {error}.") from None


class _Answer:
    """An HTTP response as far as it has been sent."""

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

    async def refuse(self, error: ServiceError) -> None:
        """Answer with an error, or end the stream that has begun with one."""
        if self.is_started:
            await self.send(sse.write_event(error.body), more=False)
        else:
            await self.start(error.status, _JSON, error.headers, len(error.body))
            await self.send(error.body, more=False)


async def _unless_disconnected(receive: Receive, answering: Coroutine[Any, Any, None]) -> None:
    """Answer, and give up at once when the client goes away."""
    task = asyncio.ensure_future(answering)
    watch = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait((task, watch), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
    finally:
        for each in (task, watch):
            each.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _refuse(error: ServiceError) -> Response:
    return Response(error.body, error.status, error.headers, "application/json")


def _metrics(observer: PrometheusObserver) -> Callable[[Request], Awaitable[Response]]:
    async def metrics(request: Request) -> Response:
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return Response(generate_latest(observer.registry), media_type=CONTENT_TYPE_LATEST)

    return metrics
