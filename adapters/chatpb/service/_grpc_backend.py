"""A backend that is a gRPC server: the client's side of the hop. Bodies pass as bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
from grpc import aio

from chatpb.service._call import Call, check_token, pick_reply
from chatpb.service._errors import ServiceError
from chatpb.service._status import MAX_METADATA, METADATA_LIMIT, from_status
from chatpb.service._tls import Tls

__all__ = ["CREATE", "STREAM", "GrpcBackend", "channel_options", "refused", "request_metadata"]

CREATE: Final = "/chatcompletion.v1.ChatCompletionService/CreateChatCompletion"
STREAM: Final = "/chatcompletion.v1.ChatCompletionService/StreamChatCompletion"


class GrpcBackend:
    """Sends requests on to a gRPC server.

    Args:
        target: host and port, or any gRPC target.
        tls: certificates; `Tls()` for TLS with the authorities that gRPC trusts. Without it: plain text.
        token: a bearer token for every call, in place of the caller's `authorization`.
        max_message: bytes of one message.
        options: options of the gRPC channel, before those that are set here.

    """

    def __init__(
        self,
        target: str,
        *,
        tls: Tls | None = None,
        token: str | None = None,
        max_message: int = 64 << 20,
        options: tuple[tuple[str, Any], ...] = (),
    ) -> None:
        if token is not None:
            check_token(token)
        self._target = target
        self._credentials = tls.client() if tls else None
        self._token = token
        self._options = [*options, *channel_options(max_message)]  # the first of a name counts
        self._channel: aio.Channel | None = None
        self._create: Any = None
        self._stream: Any = None

    def _open(self) -> None:
        """The channel belongs to the event loop of the first call."""
        if self._channel is None:
            if self._credentials:
                self._channel = aio.secure_channel(self._target, self._credentials, self._options)
            else:
                self._channel = aio.insecure_channel(self._target, self._options)
            self._create = self._channel.unary_unary(CREATE)
            self._stream = self._channel.unary_stream(STREAM)

    async def create(self, request: bytes, call: Call) -> bytes:
        self._open()
        rpc = self._create(request, timeout=call.remaining(), metadata=request_metadata(call.metadata, self._token))
        try:
            answer: bytes = await rpc
            call.reply.update(pick_reply(_texts(await rpc.initial_metadata())))
            return answer
        except aio.AioRpcError as error:
            raise refused(error) from None
        finally:
            rpc.cancel()

    async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        self._open()
        rpc = self._stream(request, timeout=call.remaining(), metadata=request_metadata(call.metadata, self._token))
        try:
            is_first = True
            async for chunk in rpc:
                if is_first:
                    call.reply.update(pick_reply(_texts(await rpc.initial_metadata())))
                    is_first = False
                yield chunk
            if is_first:
                call.reply.update(pick_reply(_texts(await rpc.initial_metadata())))
        except aio.AioRpcError as error:
            raise refused(error) from None
        finally:
            rpc.cancel()

    async def check(self) -> None:
        """Ask the server's health. Raises ServiceError if it does not serve."""
        self._open()
        assert self._channel
        ask: Any = self._channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            answer = await ask(b"", timeout=5)
        except aio.AioRpcError as error:
            raise refused(error) from None
        if answer != b"\x08\x01":  # HealthCheckResponse{status: SERVING}
            raise ServiceError.of(503, "The service does not serve.")

    async def close(self) -> None:
        if self._channel:
            await self._channel.close()


def channel_options(max_message: int) -> list[tuple[str, Any]]:
    """The options of a client's channel."""
    return [
        ("grpc.max_receive_message_length", max_message),
        ("grpc.max_send_message_length", max_message),
        ("grpc.max_metadata_size", MAX_METADATA),
        ("grpc.absolute_max_metadata_size", MAX_METADATA),
        # Unless told otherwise, as the one here is, servers end the connection of a client that pings more often than
        # every 5 minutes while they are silent.
        ("grpc.keepalive_time_ms", 310_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.max_pings_without_data", 0),
    ]


def request_metadata(headers: dict[str, str], token: str | None) -> tuple[tuple[str, str], ...]:
    """The metadata of a request."""
    given = headers if token is None else {**headers, "authorization": f"Bearer {token}"}
    return (*given.items(), (METADATA_LIMIT, str(MAX_METADATA)))


def refused(error: Any) -> ServiceError:
    """The error that a failed call stands for; `error` is grpc's, of either kind of client."""
    code: grpc.StatusCode = error.code()
    return from_status(code.name, error.details() or "", error.trailing_metadata() or ())


def _texts(metadata: Any) -> dict[str, str]:
    return {name: value for name, value in metadata or () if isinstance(value, str)}
