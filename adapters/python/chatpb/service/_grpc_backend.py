"""A backend that sends requests on to a gRPC server. Bodies pass as bytes."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import grpc
from grpc import aio

from chatpb.service._call import (
    CHECK_SECONDS,
    FORWARDED_FOR,
    USER_AGENT_OVER_GRPC,
    Call,
    check_token,
    header_names,
    header_pairs,
    is_header,
    pick_reply_headers,
)
from chatpb.service._error_table import ServiceError
from chatpb.service._grpc_status import MAX_METADATA, MAX_METADATA_HEADER, from_rpc_error, text_metadata
from chatpb.service._secrets import Secrets
from chatpb.service._tls import Tls

__all__ = ["CREATE", "RECONNECT", "STREAM", "GrpcBackend", "channel_options", "request_metadata"]

CREATE: Final = "/chatcompletion.v1.ChatCompletionService/CreateChatCompletion"
STREAM: Final = "/chatcompletion.v1.ChatCompletionService/StreamChatCompletion"


_SERVICE_CONFIG: Final = {
    "loadBalancingConfig": [{"round_robin": {}}],
    # A server that says it is not serving, as one does that stops, gets no more calls.
    "healthCheckConfig": {"serviceName": ""},
    "methodConfig": [
        {
            "name": [{"service": CREATE.split("/")[1]}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.05s",
                "maxBackoff": "1s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}
"""How gRPC uses several addresses of a target, and when it makes a call again: before any part of an answer came."""

_OF_TRANSPORT: Final = re.compile(r"\b(ipv4|ipv6|unix|dns|vsock):|\bsocket closed\b|\bGOAWAY\b", re.IGNORECASE)
"""In the text of an error that gRPC itself makes, where a server cannot be reached or breaks off."""

_log = logging.getLogger("chatpb.service")

RECONNECT: Final = 3.0
"""The most seconds between attempts to connect again. gRPC's own limit is two minutes."""


class GrpcBackend:
    """Sends requests on to a gRPC server.

    Args:
        target: host and port, or any gRPC target. If it has several addresses, such as `ipv4:10.0.0.1:1,10.0.0.2:1` or
            a name that stands for some, calls go to those that serve, in turn.
        tls: certificates; `Tls()` for TLS with the authorities that gRPC trusts. None for plain text.
        token: a bearer token for every call, in place of the caller's `authorization`. If an answer repeats it,
            asterisks replace it.
        max_message: the most bytes of one message, in either direction.
        reconnect: the most seconds between attempts to connect again.
        return_headers: names of further headers of an answer that the caller gets.
        options: options of the gRPC channel; they override those that are set here.

    Examples:
        >>> import asyncio
        >>> from chatpb.service import GrpcBackend, ServiceError
        >>> async def main():
        ...     backend = GrpcBackend("127.0.0.1:1")  # where no server is
        ...     try:
        ...         await backend.check()
        ...     except ServiceError as error:
        ...         print(error.status, error.code)
        ...     finally:
        ...         await backend.close()
        ...
        >>> asyncio.run(main())
        503 UNAVAILABLE

    """

    def __init__(
        self,
        target: str,
        *,
        tls: Tls | None = None,
        token: str | None = None,
        max_message: int = 64 << 20,
        reconnect: float = RECONNECT,
        return_headers: Iterable[str] = (),
        options: tuple[tuple[str, Any], ...] = (),
    ) -> None:
        if token is not None:
            check_token(token)
        self._target = target
        self._return_headers = header_names(return_headers)
        self._credentials = tls.client() if tls else None
        self._token = token
        self._secrets = Secrets([token])
        self._options = [*options, *channel_options(max_message, reconnect)]  # the first one of a name counts
        self._channel: aio.Channel | None = None
        self._create: Any = None
        self._stream: Any = None

    def _open(self) -> None:
        """Open the channel, if it is not open. It belongs to the event loop of the first call."""
        if self._channel is None:
            if self._credentials:
                self._channel = aio.secure_channel(self._target, self._credentials, self._options)
            else:
                self._channel = aio.insecure_channel(self._target, self._options)
            self._create = self._channel.unary_unary(CREATE, request_serializer=bytes)
            self._stream = self._channel.unary_stream(STREAM, request_serializer=bytes)

    async def create(self, request: bytes, call: Call) -> bytes:
        self._open()
        rpc = self._create(request, timeout=call.remaining(), metadata=self._metadata(call))
        try:
            await self._take_headers(rpc, call)
            return self._secrets.hide(await rpc)
        except aio.AioRpcError as error:
            raise self._error(error) from None
        finally:
            rpc.cancel()

    async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        self._open()
        rpc = self._stream(request, timeout=call.remaining(), metadata=self._metadata(call))
        try:
            await self._take_headers(rpc, call)
            async for chunk in rpc:
                yield self._secrets.hide(chunk)
        except aio.AioRpcError as error:
            raise self._error(error) from None
        finally:
            rpc.cancel()

    async def check(self) -> None:
        """Ask for the server's health. Raises ServiceError if it cannot serve calls."""
        self._open()
        assert self._channel
        ask: Any = self._channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            answer = await ask(b"", timeout=CHECK_SECONDS)
        except aio.AioRpcError as error:
            raise self._error(error) from None
        if answer != b"\x08\x01":  # HealthCheckResponse{status: SERVING}
            raise ServiceError.of(503, "The service does not serve.")

    async def close(self) -> None:
        if self._channel:
            await self._channel.close()

    def _metadata(self, call: Call) -> tuple[tuple[str, str], ...]:
        """Return the metadata of a call, with its caller's address behind those that came with it, as proxies do."""
        headers = dict(call.metadata)
        if is_header(FORWARDED_FOR, call.peer) and call.peer:
            given = headers.get(FORWARDED_FOR)
            headers[FORWARDED_FOR] = f"{given}, {call.peer}" if given else call.peer
        return request_metadata(headers, self._token)

    def _error(self, error: aio.AioRpcError) -> ServiceError:
        """Return the error of a call that the server ended. One that was cancelled without a reason may be repeated."""
        if error.code() is grpc.StatusCode.CANCELLED and not error.trailing_metadata():
            return ServiceError.of(503, "The service ended the call.", headers={"retry-after": "1"})
        if error.code() is grpc.StatusCode.UNAVAILABLE and _OF_TRANSPORT.search(error.details() or ""):
            _log.warning("%s: %s", self._target, error.details())
            return ServiceError.of(503, "The server cannot be reached.", code="server_unreachable")
        found = from_rpc_error(error, self._return_headers)
        body, headers = self._secrets.hide_in_json(found.body), self._secrets.hide_in_headers(found.headers)
        return ServiceError(found.status, body, headers)

    async def _take_headers(self, rpc: Any, call: Call) -> None:
        """Wait for the answer's headers, and add those that concern the caller to the call's reply."""
        headers = text_metadata(await rpc.initial_metadata())
        call.reply.update(self._secrets.hide_in_headers(pick_reply_headers(headers, self._return_headers)))


def channel_options(max_message: int, reconnect: float) -> list[tuple[str, Any]]:
    """Return the options of a client's channel. `reconnect` is the most seconds between attempts to connect again."""
    longest = max(1, int(reconnect * 1000))
    return [
        ("grpc.initial_reconnect_backoff_ms", min(longest, 500)),
        ("grpc.min_reconnect_backoff_ms", max(longest, 1000)),  # also the time that an attempt may take
        ("grpc.max_reconnect_backoff_ms", longest),
        ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
        ("grpc.max_receive_message_length", max_message),
        ("grpc.max_send_message_length", max_message),
        ("grpc.max_metadata_size", MAX_METADATA),
        ("grpc.absolute_max_metadata_size", MAX_METADATA),
        # By default, unlike chatpb's own, a server closes the connection of a client that pings it more often than
        # every 5 minutes while it is silent.
        ("grpc.keepalive_time_ms", 310_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.max_pings_without_data", 0),
    ]


def request_metadata(headers: dict[str, str], token: str | None) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a request that has these headers, and the token in place of their `authorization`.

    Raises ValueError for a header that gRPC does not carry.
    """
    given = dict(header_pairs(headers))
    if "user-agent" in given:
        given[USER_AGENT_OVER_GRPC] = given.pop("user-agent")
    if token is not None:
        given["authorization"] = f"Bearer {token}"
    return (*given.items(), (MAX_METADATA_HEADER, str(MAX_METADATA)))
