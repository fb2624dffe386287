"""The gRPC server: any backend as a ChatCompletionService. Bodies pass as bytes, without message objects."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, aclosing, closing
from typing import Any, Final, TypeAlias, cast

import grpc
from grpc import aio

from chatcompletion.v1 import chat_completion_service_pb2
from chatpb.service._call import Backend, Call, header_pairs
from chatpb.service._error_table import ServiceError, read_integer
from chatpb.service._function_backend import FunctionBackend
from chatpb.service._grpc_status import (
    DEFAULT_MAX_METADATA,
    MAX_METADATA,
    MAX_METADATA_HEADER,
    text_metadata,
    to_status,
)
from chatpb.service._guard import Guard, Limits, SendLimit
from chatpb.service._health import health_service
from chatpb.service._observers import LogObserver, Observer, Outcome
from chatpb.service._tls import Tls

__all__ = ["SERVICE", "Server", "serve"]

SERVICE: Final = chat_completion_service_pb2.DESCRIPTOR.services_by_name["ChatCompletionService"].full_name

_PENDING: Final = 1 << 14
"""Calls that may wait for Python, unless more may be open at once. gRPC itself cancels more, and nobody learns of it.
But each takes 13 KB even if its caller has left: without this limit, one who opens calls and leaves fills the memory.
"""

_KEEP_ALIVE: Final = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # A client that pings more often than this loses its connection; gRPC's default allows a ping every 5 minutes.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
)

_IDLE: Final = 300.0
"""Seconds that a connection may be open without a call. One whose first headers do not end has none, even if a byte of
them comes now and then, which gRPC's pings take for a sign of life. An honest client connects again for its next call.
"""

Context: TypeAlias = aio.ServicerContext[bytes, bytes]


class Server:
    """A gRPC server of one backend, with health checking and reflection.

    Args:
        backend: answers the requests. An async function is wrapped in a FunctionBackend.
        listen: host and port; port 0 picks a free one.
        tls: certificates; None for plain text.
        tokens: bearer tokens. If there are any, every call needs one of them, and the backend does not see it.
        limits: the most that is accepted.
        observers: they are notified of every call.
        forward: names of further headers of callers that the backend gets.
        trust_forwarded_for: whether callers are proxies or gateways, whose `x-forwarded-for` has the address of theirs.
        reflection: whether clients may ask which services the server has (package `grpcio-reflection`).
        reuse_port: whether other processes may listen at the same port, so that the system gives each a part of the
            connections.

    Attributes:
        port: the port where the server listens; 0 until it has started.

    Examples:
        >>> import asyncio
        >>> from chatpb.service import Client, Server
        >>> async def answer(request):
        ...     return f"You are {request.user}."
        ...
        >>> def ask(target):
        ...     with Client(target) as client:
        ...         return client.create({"user": "Ada", "messages": []})["choices"][0]["message"]["content"]
        ...
        >>> async def main():
        ...     async with Server(answer, listen="127.0.0.1:0") as server:
        ...         return await asyncio.to_thread(ask, f"127.0.0.1:{server.port}")
        ...
        >>> asyncio.run(main())
        'You are Ada.'

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
        forward: Sequence[str] = (),
        trust_forwarded_for: bool = False,
        reflection: bool = True,
        reuse_port: bool = False,
    ) -> None:
        self._backend = cast("Backend", backend) if hasattr(backend, "stream") else FunctionBackend(backend)
        self._listen = listen
        self._tls = tls
        self._limits = limits or Limits()
        self._guard = Guard(tokens, self._limits, observers, forward, trust_forwarded_for)
        self._reflection = reflection
        self._reuse_port = reuse_port
        self._server: aio.Server | None = None
        self._health: Any = None
        self.port = 0

    async def start(self) -> None:
        """Start to listen. Raises RuntimeError if the address is taken."""
        from grpc_health.v1 import health_pb2_grpc

        size = self._limits.message
        pending = max(_PENDING, 4 * self._limits.concurrent)
        server = aio.server(
            options=[
                ("grpc.max_receive_message_length", size),
                ("grpc.max_send_message_length", size),
                ("grpc.max_metadata_size", MAX_METADATA),
                ("grpc.absolute_max_metadata_size", MAX_METADATA),
                ("grpc.so_reuseport", int(self._reuse_port)),
                ("grpc.max_allowed_incoming_connections", self._limits.connections),
                ("grpc.server_handshake_timeout_ms", int(self._limits.head * 1000)),
                ("grpc.max_connection_idle_ms", int(_IDLE * 1000)),
                # By default, 1,000 may wait. The limits here refuse calls with a status, and count them.
                ("grpc.server.max_pending_requests", pending),
                ("grpc.server.max_pending_requests_hard_limit", pending),
                ("grpc.server_max_unrequested_time_in_server", 600),
                *_KEEP_ALIVE,
            ]
        )
        # For a method that reads a stream, gRPC leaves it to the method when to read. On the wire, it is the same.
        methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            "CreateChatCompletion": grpc.stream_stream_rpc_method_handler(self._create),
            "StreamChatCompletion": grpc.stream_stream_rpc_method_handler(self._stream),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
        self._health = health_service(self._backend, ("", SERVICE), self._limits)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if self._reflection:
            _add_reflection(server, self._limits.concurrent)
        credentials = self._tls.server() if self._tls else None
        if credentials:
            self.port = server.add_secure_port(self._listen, credentials)
        else:
            self.port = server.add_insecure_port(self._listen)
        await server.start()
        self._server = server

    async def stop(self, grace: float | None = None) -> None:
        """Refuse new calls, let open ones finish for `grace` seconds (by default those of the limits), and stop."""
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

    async def _create(self, _: object, context: Context) -> None:
        try:
            with self._handle_call("create", context) as (call, outcome):
                async with self._read(context, outcome) as request:
                    answer = await self._backend.create(request, call)
                await context.send_initial_metadata(header_pairs(call.reply))
                with closing(SendLimit(self._limits.send)) as sending, sending:
                    await context.write(answer)
                outcome.send(len(answer))
        except ServiceError as error:
            await _abort(context, error)

    async def _stream(self, _: object, context: Context) -> None:
        try:
            with self._handle_call("stream", context) as (call, outcome):
                async with self._read(context, outcome) as request:
                    is_first = True
                    with closing(SendLimit(self._limits.send)) as sending:
                        async with aclosing(self._backend.stream(request, call)) as chunks:  # type: ignore[type-var]
                            async for chunk in chunks:
                                if is_first:
                                    await context.send_initial_metadata(header_pairs(call.reply))
                                    is_first = False
                                with sending:
                                    await context.write(chunk)
                                outcome.send(len(chunk), 1)
                    if is_first:
                        await context.send_initial_metadata(header_pairs(call.reply))
        except ServiceError as error:
            await _abort(context, error)

    def _read(self, context: Context, outcome: Outcome) -> AbstractAsyncContextManager[bytes]:
        """Return the request of a call, for a block."""

        async def read() -> bytes:
            message = await context.read()
            if not isinstance(message, bytes):  # the end of the stream
                raise ServiceError.of(400, "The call has no request.")
            outcome.received = len(message)
            return message

        return self._guard.read_body(read)

    def _handle_call(self, method: str, context: Context) -> AbstractContextManager[tuple[Call, Outcome]]:
        return self._guard.handle_call(
            method,
            text_metadata(context.invocation_metadata()),
            remaining=context.time_remaining(),
            peer=context.peer(),
        )


def _add_reflection(server: aio.Server, most: int) -> None:
    """Let clients ask which services the server has, `most` of them at once.

    Both versions of the protocol have the same messages.
    """
    from grpc_health.v1 import health
    from grpc_reflection.v1alpha import reflection, reflection_pb2

    servicer: Any = reflection.aio.ReflectionServicer((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME))
    room = asyncio.Semaphore(most)

    async def answer(questions: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        if room.locked():
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Too many ask.")
        async with room:
            async for each in servicer.ServerReflectionInfo(questions, context):
                yield each

    method = grpc.stream_stream_rpc_method_handler(
        answer,
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for version in ("v1", "v1alpha"):
        name = f"grpc.reflection.{version}.ServerReflection"
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": method}),))


async def _abort(context: Context, error: ServiceError) -> None:
    """End a call with an error, in as much metadata as the caller accepts."""
    given = text_metadata(context.invocation_metadata()).get(MAX_METADATA_HEADER, "")
    limit = min(read_integer(given), MAX_METADATA) if given.isdecimal() else DEFAULT_MAX_METADATA
    message, metadata = to_status(error, limit)
    # The call was answered, so clients must not make it again by themselves.
    await context.abort(grpc.StatusCode[error.code], message, (*metadata, ("grpc-retry-pushback-ms", "-1")))


def serve(
    backend: Backend | Callable[..., Any],
    *,
    listen: str = "127.0.0.1:50051",
    on_start: Callable[[Server], None] | None = None,
    **options: Any,
) -> None:
    """Serve a backend until SIGTERM or SIGINT, then let open calls finish; a second signal ends them.

    Calls are logged to the logger `chatpb.service`, unless there are other observers.

    Args:
        backend: answers the requests. An async function is wrapped in a FunctionBackend.
        listen: host and port; port 0 picks a free one.
        on_start: called with the server when it listens.
        options: further arguments of Server.

    Examples:
        >>> from chatpb.service import serve
        >>> async def answer(request):
        ...     return f"You asked {request.model}."
        ...
        >>> def main():
        ...     serve(answer, listen="127.0.0.1:50051")  # until SIGTERM
        ...

    """
    options.setdefault("observers", [LogObserver()])
    asyncio.run(_serve(Server(backend, listen=listen, **options), on_start))


async def _serve(server: Server, on_start: Callable[[Server], None] | None) -> None:
    """Start the server, and stop it at SIGTERM or SIGINT; at a second one, end its open calls."""
    loop = asyncio.get_running_loop()
    signals: asyncio.Queue[int] = asyncio.Queue()

    def put(number: int, frame: object) -> None:
        loop.call_soon_threadsafe(signals.put_nowait, number)

    # The event loop's own signal handlers do not exist on Windows.
    before = [(number, signal.signal(number, put)) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        await server.start()
        if on_start:
            on_start(server)
        await signals.get()
        draining = asyncio.ensure_future(server.stop())
        again = asyncio.ensure_future(signals.get())
        await asyncio.wait((draining, again), return_when=asyncio.FIRST_COMPLETED)
        if again.done():
            await server.stop(0)
        again.cancel()
        await draining
    finally:
        for number, handler in before:
            signal.signal(number, handler)
