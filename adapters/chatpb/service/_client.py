"""Clients of ChatCompletionService that give answers in the form in which they are asked.

A message of any runtime is answered with that runtime's messages, a dict with dicts, JSON text with JSON text.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import grpc

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk, CreateChatCompletionRequest
from chatpb._accumulate import Accumulator
from chatpb._api import dict_to_json, json_to_wire, wire_to_json
from chatpb._runtimes import runtime_of
from chatpb.service._call import Call, check_token
from chatpb.service._grpc_backend import CREATE, STREAM, GrpcBackend, channel_options, refused, request_metadata
from chatpb.service._tls import Tls

__all__ = ["AsyncClient", "AsyncStream", "Client", "Stream"]

Metadata = Mapping[str, str]
Give = Callable[[bytes, type[Any]], Any]


class Client:
    """A client for code that blocks. Errors of a call are raised as ServiceError.

    Args:
        target: host and port, or any gRPC target.
        tls: certificates; without them: plain text.
        token: a bearer token for every call.
        timeout: seconds that a call may take, unless it says otherwise.
        max_message: bytes of one message.

    """

    def __init__(
        self,
        target: str,
        *,
        tls: Tls | None = None,
        token: str | None = None,
        timeout: float | None = 600.0,
        max_message: int = 64 << 20,
    ) -> None:
        if token is not None:
            check_token(token)
        options = channel_options(max_message)
        self._channel = (
            grpc.secure_channel(target, tls.client(), options) if tls else grpc.insecure_channel(target, options)
        )
        self._create: Any = self._channel.unary_unary(CREATE)
        self._stream: Any = self._channel.unary_stream(STREAM)
        self._token = token
        self._timeout = timeout

    def create(self, request: Any, *, timeout: float | None = None, metadata: Metadata | None = None) -> Any:
        """The completion that answers a request."""
        wire, give = _form(request)
        sent = request_metadata(dict(metadata or {}), self._token)
        try:
            answer = self._create(wire, timeout=self._timeout if timeout is None else timeout, metadata=sent)
        except grpc.RpcError as error:
            raise refused(error) from None
        return give(answer, ChatCompletion)

    def stream(self, request: Any, *, timeout: float | None = None, metadata: Metadata | None = None) -> Stream:
        """The chunks that answer a request."""
        wire, give = _form(request)
        sent = request_metadata(dict(metadata or {}), self._token)
        seconds = self._timeout if timeout is None else timeout
        return Stream(self._stream(wire, timeout=seconds, metadata=sent), give)

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Chunks:
    """What streams of both kinds do with a chunk."""

    def __init__(self, give: Give) -> None:
        self._give = give
        self._accumulator = Accumulator()

    def _take(self, wire: bytes) -> Any:
        self._accumulator.add_wire(wire)
        return self._give(wire, ChatCompletionChunk)

    def completion(self) -> Any:
        """The completion that the chunks read so far amount to."""
        return self._give(self._accumulator.to_wire(), ChatCompletion)


class Stream(_Chunks):
    """The chunks of an answer, as they come. Closing it, or leaving its `with`, cancels the call."""

    def __init__(self, rpc: Any, give: Give) -> None:
        super().__init__(give)
        self._rpc = rpc

    def __iter__(self) -> Iterator[Any]:
        try:
            for wire in self._rpc:
                yield self._take(wire)
        except grpc.RpcError as error:
            raise refused(error) from None

    def close(self) -> None:
        self._rpc.cancel()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient:
    """A client for asyncio. Arguments and errors are those of Client."""

    def __init__(
        self,
        target: str,
        *,
        tls: Tls | None = None,
        token: str | None = None,
        timeout: float | None = 600.0,
        max_message: int = 64 << 20,
    ) -> None:
        self._backend = GrpcBackend(target, tls=tls, token=token, max_message=max_message)
        self._timeout = timeout

    async def create(self, request: Any, *, timeout: float | None = None, metadata: Metadata | None = None) -> Any:
        """The completion that answers a request."""
        wire, give = _form(request)
        return give(await self._backend.create(wire, self._call(timeout, metadata)), ChatCompletion)

    def stream(self, request: Any, *, timeout: float | None = None, metadata: Metadata | None = None) -> AsyncStream:
        """The chunks that answer a request."""
        wire, give = _form(request)
        return AsyncStream(self._backend.stream(wire, self._call(timeout, metadata)), give)

    async def close(self) -> None:
        await self._backend.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _call(self, timeout: float | None, metadata: Metadata | None) -> Call:
        seconds = self._timeout if timeout is None else timeout
        return Call(dict(metadata or {}), None if seconds is None else time.monotonic() + seconds)


class AsyncStream(_Chunks):
    """The chunks of an answer, as they come. Closing it, or leaving its `async with`, cancels the call."""

    def __init__(self, chunks: AsyncIterator[bytes], give: Give) -> None:
        super().__init__(give)
        self._chunks: Any = chunks

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for wire in self._chunks:
            yield self._take(wire)

    async def close(self) -> None:
        await self._chunks.aclose()

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _form(request: Any) -> tuple[bytes, Give]:
    """The wire bytes of a request, and what gives an answer in the same form."""
    if isinstance(request, (bytes, bytearray, memoryview, str)):
        return json_to_wire(request, CreateChatCompletionRequest), wire_to_json
    if isinstance(request, Mapping):
        return json_to_wire(dict_to_json(request), CreateChatCompletionRequest), _give_dict
    runtime = runtime_of(type(request))
    package = sys.modules[type(request).__module__]

    def give(wire: bytes, message_type: type[Any]) -> Any:
        found = getattr(package, message_type.__name__, message_type)
        return runtime.parse(found, wire)

    return runtime.serialize(request), give


def _give_dict(wire: bytes, message_type: type[Any]) -> dict[str, Any]:
    obj: dict[str, Any] = json.loads(wire_to_json(wire, message_type))
    return obj
