"""The gRPC server: any backend behind ChatCompletionService. Bodies pass as bytes; no message is built."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Any, Final, TypeAlias

import grpc
from grpc import aio

from chatcompletion.v1 import chat_completion_service_pb2
from chatpb.service._call import Backend
from chatpb.service._edge import Edge, Exchange, Limits
from chatpb.service._errors import ServiceError
from chatpb.service._function import FunctionBackend
from chatpb.service._observe import LogObserver, Observer
from chatpb.service._status import MAX_METADATA, METADATA_LIMIT, USUAL_METADATA, to_status
from chatpb.service._tls import Tls

__all__ = ["SERVICE", "Server", "serve"]

SERVICE: Final = chat_completion_service_pb2.DESCRIPTOR.services_by_name["ChatCompletionService"].full_name

_KEEP_ALIVE: Final = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Clients that ping more often lose their connection, which by default is more often than every 5 minutes.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
)

Context: TypeAlias = aio.ServicerContext[bytes, bytes]


class Server:
    """A gRPC server of one backend, with health checking and reflection.

    Args:
        backend: what answers; an async function of a request message is made one.
        listen: host and port; port 0 picks a free one.
        tls: certificates; without them the server speaks plain text.
        tokens: bearer tokens, one of which every call has to bring.
        limits: what is accepted at most.
        observers: what is told of every call.
        reflection: whether clients may ask which services there are (package `grpcio-reflection`).

    """

    def __init__(
        self,
        backend: Backend | Callable[..., Any],
        *,
        listen: str = "127.0.0.1:50051",
        tls: Tls | None = None,
        tokens: Sequence[str] = (),
        limits: Limits | None = None,
        observers: Sequence[Observer] = (),
        reflection: bool = True,
    ) -> None:
        self._backend = backend_of(backend)
        self._listen = listen
        self._tls = tls
        self._limits = limits or Limits()
        self._edge = Edge(tokens, self._limits, observers)
        self._reflection = reflection
        self._server: aio.Server | None = None
        self._health: Any = None
        self.port = 0

    async def start(self) -> None:
        """Begin to listen. Raises RuntimeError if the address is taken."""
        from grpc_health.v1 import health, health_pb2, health_pb2_grpc

        size = self._limits.message
        server = aio.server(
            options=[
                ("grpc.max_receive_message_length", size),
                ("grpc.max_send_message_length", size),
                ("grpc.max_metadata_size", MAX_METADATA),
                ("grpc.absolute_max_metadata_size", MAX_METADATA),
                ("grpc.so_reuseport", 0),
                *_KEEP_ALIVE,
            ]
        )
        methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            "CreateChatCompletion": grpc.unary_unary_rpc_method_handler(self._create),
            "StreamChatCompletion": grpc.unary_stream_rpc_method_handler(self._stream),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        for name in ("", SERVICE):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        if self._reflection:
            from grpc_reflection.v1alpha import reflection

            names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)
        credentials = self._tls.server() if self._tls else None
        if credentials:
            self.port = server.add_secure_port(self._listen, credentials)
        else:
            self.port = server.add_insecure_port(self._listen)
        await server.start()
        self._server = server

    async def stop(self, grace: float | None = None) -> None:
        """Refuse new calls, let open ones finish for `grace` seconds (those of the limits by default), and end."""
        if self._server:
            try:
                await self._health.enter_graceful_shutdown()
                await self._server.stop(self._limits.grace if grace is None else grace)
            finally:
                await self._backend.close()

    async def wait(self) -> None:
        """Wait until the server has stopped."""
        assert self._server
        await self._server.wait_for_termination()

    async def __aenter__(self) -> Server:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop(0)

    async def _create(self, request: bytes, context: Context) -> bytes:
        try:
            with self._call("create", request, context) as exchange:
                answer = await self._backend.create(request, exchange.call)
                exchange.outcome.send(len(answer))
        except ServiceError as error:
            await _abort(context, error)
        await context.send_initial_metadata(tuple(exchange.call.reply.items()))
        return answer

    async def _stream(self, request: bytes, context: Context) -> None:
        try:
            with self._call("stream", request, context) as exchange:
                reply, is_first = exchange.call.reply, True
                async with aclosing(self._backend.stream(request, exchange.call)) as chunks:  # type: ignore[type-var]
                    async for chunk in chunks:
                        if is_first:
                            await context.send_initial_metadata(tuple(reply.items()))
                            is_first = False
                        await context.write(chunk)
                        exchange.outcome.send(len(chunk), 1)
                if is_first:
                    await context.send_initial_metadata(tuple(reply.items()))
        except ServiceError as error:
            await _abort(context, error)

    @contextmanager
    def _call(self, method: str, request: bytes, context: Context) -> Iterator[Exchange]:
        headers = {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}
        with self._edge.call(method, headers, context.time_remaining(), context.peer()) as exchange:
            exchange.outcome.received = len(request)
            yield exchange


def backend_of(backend: Any) -> Backend:
    """The backend, or the one that a function makes."""
    found: Backend = backend if hasattr(backend, "stream") else FunctionBackend(backend)
    return found


async def _abort(context: Context, error: ServiceError) -> None:
    headers = dict(context.invocation_metadata() or ())
    given = str(headers.get(METADATA_LIMIT, ""))
    limit = min(int(given[:9]), MAX_METADATA) if given.isdecimal() else USUAL_METADATA
    message, metadata = to_status(error, limit)
    await context.abort(grpc.StatusCode[error.code], message, tuple(metadata))


def serve(
    backend: Backend | Callable[..., Any],
    *,
    listen: str = "127.0.0.1:50051",
    on_start: Callable[[Server], None] | None = None,
    **options: Any,
) -> None:
    """Serve a backend until SIGTERM or SIGINT, then let open calls finish; a second signal ends them.

    `on_start` is called when the server listens. Arguments are otherwise those of Server, and calls are logged to the
    logger `chatpb.service`.
    """
    options.setdefault("observers", [LogObserver()])
    asyncio.run(_serve(Server(backend, listen=listen, **options), on_start))


async def _serve(server: Server, on_start: Callable[[Server], None] | None) -> None:
    await server.start()
    if on_start:
        on_start(server)
    await until_signal(server.stop)


async def until_signal(stop: Callable[..., Awaitable[None]]) -> None:
    """Wait for SIGTERM or SIGINT, and stop; hurry at the second."""
    loop = asyncio.get_running_loop()
    signals: asyncio.Queue[int] = asyncio.Queue()

    def note(number: int, frame: object) -> None:
        loop.call_soon_threadsafe(signals.put_nowait, number)

    # Not the loop's own handlers, which there are none of on Windows.
    before = [(number, signal.signal(number, note)) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        await signals.get()
        draining = asyncio.ensure_future(stop())
        again = asyncio.ensure_future(signals.get())
        await asyncio.wait((draining, again), return_when=asyncio.FIRST_COMPLETED)
        if again.done():
            await stop(0)
        again.cancel()
        await draining
    finally:
        for number, handler in before:
            signal.signal(number, handler)
