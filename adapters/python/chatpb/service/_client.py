"""Clients of ChatCompletionService, which return answers in the form of the request.

The answer to a message of any runtime is messages of that runtime, to a dict dicts, to JSON text JSON text.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar, overload

import grpc

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk, CreateChatCompletionRequest
from chatpb._convert import dict_to_wire, json_to_wire
from chatpb._inputs import Buffer, is_buffer
from chatpb._json.dicts import json_to_dict
from chatpb._known_json import known_json
from chatpb._runtimes import RUNTIMES, generated_class, message_class, runtime_of
from chatpb.service._call import Call, check_token, header_names, pick_reply_headers
from chatpb.service._grpc_backend import CREATE, RECONNECT, STREAM, GrpcBackend, channel_options, request_metadata
from chatpb.service._grpc_status import from_rpc_error, text_metadata
from chatpb.service._parse_wire import parse_wire
from chatpb.service._tls import Tls
from chatpb.streams._known import add_known
from chatpb.streams.accumulate import Accumulator

__all__ = ["AsyncClient", "AsyncStream", "Client", "Stream"]

Metadata = Mapping[str, str]

Reply = dict[str, str]

Chunk = TypeVar("Chunk")
Completion = TypeVar("Completion")

ToForm = Callable[[bytes, type[Any]], Any]
"""Converts wire bytes of a message class to the form of a request."""


class Client:
    """A client for code that blocks.

    A request is a message of any runtime, a dict, or JSON text as a string or in any buffer. A call that fails raises
    ServiceError, and an answer that cannot be read WireError. `metadata` are headers of the request. A dict given
    as `reply` gets the headers of the answer, by lower-case name, before `create` returns or with the first chunk.

    Args:
        target: host and port, or any gRPC target.
        tls: certificates; None for plain text.
        token: a bearer token for every call.
        timeout: seconds that a call may take, unless the call sets its own; None for no limit.
        max_message: the most bytes of one message, in either direction.
        reconnect: the most seconds between attempts to connect again.
        return_headers: names of headers of an answer to return besides those about limits, timing and the call's id.

    Examples:
        >>> import asyncio
        >>> from chatpb.service import Client, EchoBackend, Server
        >>> def ask(target):
        ...     with Client(target) as client:
        ...         answer = client.create({"messages": [{"role": "user", "content": "Hello"}]})
        ...     return answer["choices"][0]["message"]["content"]
        ...
        >>> async def main():
        ...     async with Server(EchoBackend(), listen="127.0.0.1:0") as server:
        ...         return await asyncio.to_thread(ask, f"127.0.0.1:{server.port}")
        ...
        >>> asyncio.run(main())
        'Hello'

    """

    def __init__(
        self,
        target: str,
        *,
        tls: Tls | None = None,
        token: str | None = None,
        timeout: float | None = 600.0,
        max_message: int = 64 << 20,
        reconnect: float = RECONNECT,
        return_headers: Iterable[str] = (),
    ) -> None:
        if token is not None:
            check_token(token)
        options = channel_options(max_message, reconnect)
        self._channel = (
            grpc.secure_channel(target, tls.client(), options) if tls else grpc.insecure_channel(target, options)
        )
        self._create: Any = self._channel.unary_unary(CREATE)
        self._stream: Any = self._channel.unary_stream(STREAM)
        self._token = token
        self._timeout = timeout
        self._return_headers = header_names(return_headers)

    @overload
    def create(
        self,
        request: CreateChatCompletionRequest,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        reply: Reply | None = None,
    ) -> ChatCompletion: ...
    @overload
    def create(
        self,
        request: Mapping[str, Any],
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        reply: Reply | None = None,
    ) -> dict[str, Any]: ...
    @overload
    def create(
        self,
        request: str | Buffer,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        reply: Reply | None = None,
    ) -> bytes: ...
    @overload
    def create(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        reply: Reply | None = None,
    ) -> Any: ...
    def create(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        reply: Reply | None = None,
    ) -> Any:
        """Return the completion that answers a request."""
        wire, to_form = _read_request(request)
        sent = request_metadata(dict(metadata or {}), self._token)
        try:
            answer, rpc = self._create.with_call(
                wire, timeout=self._timeout if timeout is None else timeout, metadata=sent
            )
        except grpc.RpcError as error:
            raise from_rpc_error(error, self._return_headers) from None
        _add_headers(reply, rpc, self._return_headers)
        return to_form(answer, ChatCompletion)

    @overload
    def stream(
        self,
        request: CreateChatCompletionRequest,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        reply: Reply | None = None,
    ) -> Stream[ChatCompletionChunk, ChatCompletion]: ...
    @overload
    def stream(
        self,
        request: Mapping[str, Any],
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        reply: Reply | None = None,
    ) -> Stream[dict[str, Any], dict[str, Any]]: ...
    @overload
    def stream(
        self,
        request: str | Buffer,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        reply: Reply | None = None,
    ) -> Stream[bytes, bytes]: ...
    @overload
    def stream(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        reply: Reply | None = None,
    ) -> Stream[Any, Any]: ...
    def stream(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        reply: Reply | None = None,
    ) -> Stream[Any, Any]:
        """Return the stream of chunks that answers a request."""
        wire, to_form = _read_request(request)
        sent = request_metadata(dict(metadata or {}), self._token)
        seconds = self._timeout if timeout is None else timeout
        rpc = self._stream(wire, timeout=seconds, metadata=sent)
        return Stream(rpc, to_form, reply, self._return_headers)

    def close(self) -> None:
        """Close the connection. Leaving the `with` does the same."""
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _ChunkStream(Generic[Chunk, Completion]):
    """Converts the chunks of a stream, and keeps them in case the caller asks for the completion."""

    def __init__(self, to_form: ToForm) -> None:
        self._to_form = to_form
        self._accumulator = Accumulator()
        self._not_added: deque[bytes] = deque()

    def _take(self, wire: bytes) -> Chunk:
        chunk: Chunk = self._to_form(wire, ChatCompletionChunk)
        self._not_added.append(wire)
        return chunk

    def completion(self) -> Completion:
        """Return the completion that the chunks read so far add up to. Raises WireError for a chunk that is no JSON."""
        while self._not_added:
            add_known(self._accumulator, self._not_added[0])
            self._not_added.popleft()
        whole: Completion = self._to_form(self._accumulator.to_wire(), ChatCompletion)
        return whole


class Stream(_ChunkStream[Chunk, Completion]):
    """The chunks of an answer, as they come. `close`, or the end of its `with` block, cancels the call.

    Examples:
        >>> import asyncio
        >>> from chatpb import CreateChatCompletionRequest, from_json
        >>> from chatpb.service import Client, EchoBackend, Server
        >>> def ask(target):
        ...     request = from_json('{"messages":[{"role":"user","content":"Hello"}]}', CreateChatCompletionRequest)
        ...     with Client(target) as client, client.stream(request) as stream:
        ...         return "".join(chunk.choices[0].delta.content for chunk in stream if chunk.choices)
        ...
        >>> async def main():
        ...     async with Server(EchoBackend(), listen="127.0.0.1:0") as server:
        ...         return await asyncio.to_thread(ask, f"127.0.0.1:{server.port}")
        ...
        >>> asyncio.run(main())
        'Hello'

    """

    def __init__(self, rpc: Any, to_form: ToForm, reply: Reply | None, return_headers: frozenset[str]) -> None:
        super().__init__(to_form)
        self._rpc = rpc
        self._reply = reply
        self._return_headers = return_headers

    def __iter__(self) -> Iterator[Chunk]:
        try:
            _add_headers(self._reply, self._rpc, self._return_headers)
            for wire in self._rpc:
                yield self._take(wire)
        except grpc.RpcError as error:
            raise from_rpc_error(error, self._return_headers) from None

    def close(self) -> None:
        """End the call, if it has not ended."""
        self._rpc.cancel()

    def __enter__(self) -> Stream[Chunk, Completion]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient:
    """A client for asyncio. Requests, arguments and errors are those of Client.

    Examples:
        >>> import asyncio
        >>> from chatpb.service import AsyncClient, EchoBackend, Server
        >>> async def main():
        ...     async with Server(EchoBackend(), listen="127.0.0.1:0") as server:
        ...         async with AsyncClient(f"127.0.0.1:{server.port}") as client:
        ...             answer = await client.create({"messages": [{"role": "user", "content": "Hello"}]})
        ...             return answer["choices"][0]["message"]["content"]
        ...
        >>> asyncio.run(main())
        'Hello'

    """

    def __init__(
        self,
        target: str,
        *,
        tls: Tls | None = None,
        token: str | None = None,
        timeout: float | None = 600.0,
        max_message: int = 64 << 20,
        reconnect: float = RECONNECT,
        return_headers: Iterable[str] = (),
    ) -> None:
        if token is not None:
            check_token(token)
        self._backend = GrpcBackend(
            target, tls=tls, max_message=max_message, reconnect=reconnect, return_headers=return_headers
        )
        self._token = token
        self._timeout = timeout

    @overload
    async def create(
        self,
        request: CreateChatCompletionRequest,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        reply: Reply | None = None,
    ) -> ChatCompletion: ...
    @overload
    async def create(
        self,
        request: Mapping[str, Any],
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        reply: Reply | None = None,
    ) -> dict[str, Any]: ...
    @overload
    async def create(
        self,
        request: str | Buffer,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        reply: Reply | None = None,
    ) -> bytes: ...
    @overload
    async def create(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        reply: Reply | None = None,
    ) -> Any: ...
    async def create(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        reply: Reply | None = None,
    ) -> Any:
        """Return the completion that answers a request."""
        wire, to_form = _read_request(request)
        return to_form(await self._backend.create(wire, self._call(timeout, metadata, reply)), ChatCompletion)

    @overload
    def stream(
        self,
        request: CreateChatCompletionRequest,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        reply: Reply | None = None,
    ) -> AsyncStream[ChatCompletionChunk, ChatCompletion]: ...
    @overload
    def stream(
        self,
        request: Mapping[str, Any],
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        reply: Reply | None = None,
    ) -> AsyncStream[dict[str, Any], dict[str, Any]]: ...
    @overload
    def stream(
        self,
        request: str | Buffer,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        reply: Reply | None = None,
    ) -> AsyncStream[bytes, bytes]: ...
    @overload
    def stream(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        reply: Reply | None = None,
    ) -> AsyncStream[Any, Any]: ...
    def stream(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        reply: Reply | None = None,
    ) -> AsyncStream[Any, Any]:
        """Return the stream of chunks that answers a request."""
        wire, to_form = _read_request(request)
        return AsyncStream(self._backend.stream(wire, self._call(timeout, metadata, reply)), to_form)

    async def close(self) -> None:
        """Close the connection. Leaving the `async with` does the same."""
        await self._backend.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _call(self, timeout: float | None, metadata: Metadata | None, reply: Reply | None) -> Call:
        seconds = self._timeout if timeout is None else timeout
        deadline = None if seconds is None else time.monotonic() + seconds
        headers = dict(metadata or {})
        if self._token is not None:
            # It is this caller's own, so that an answer may have it: the backend's would be hidden there.
            headers["authorization"] = f"Bearer {self._token}"
        return Call(headers, deadline, {} if reply is None else reply)


class AsyncStream(_ChunkStream[Chunk, Completion]):
    """The chunks of an answer, as they come. `close`, or the end of its `async with` block, cancels the call.

    Examples:
        >>> import asyncio
        >>> from chatpb.service import AsyncClient, EchoBackend, Server
        >>> async def main():
        ...     async with Server(EchoBackend(), listen="127.0.0.1:0") as server:
        ...         async with AsyncClient(f"127.0.0.1:{server.port}") as client:
        ...             async with client.stream('{"messages":[{"role":"user","content":"Hello"}]}') as stream:
        ...                 return len([chunk async for chunk in stream])
        ...
        >>> asyncio.run(main())
        3

    """

    def __init__(self, chunks: AsyncIterator[bytes], to_form: ToForm) -> None:
        super().__init__(to_form)
        self._chunks: Any = chunks

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        async for wire in self._chunks:
            yield self._take(wire)

    async def close(self) -> None:
        """End the call, if it has not ended."""
        await self._chunks.aclose()

    async def __aenter__(self) -> AsyncStream[Chunk, Completion]:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _add_headers(reply: Reply | None, rpc: Any, return_headers: frozenset[str]) -> None:
    """Add the headers of a call's answer to `reply`, if there is one."""
    if reply is not None:
        reply.update(pick_reply_headers(text_metadata(rpc.initial_metadata()), return_headers))


def _known_dict(wire: bytes, message_type: type[Any]) -> dict[str, Any]:
    return json_to_dict(known_json(wire, message_type))


def _read_request(request: Any) -> tuple[bytes, ToForm]:
    """Return the wire bytes of a request, and the function that converts answers to its form."""
    if isinstance(request, Mapping):
        return dict_to_wire(request, CreateChatCompletionRequest), _known_dict
    if isinstance(request, str) or is_buffer(request):
        return json_to_wire(request, CreateChatCompletionRequest), known_json
    serialize = message_class(type(request)).serialize
    runtime, package = runtime_of(type(request)), sys.modules[type(request).__module__]
    included = next((name for name, each in RUNTIMES.items() if each.runtime is runtime), None)

    def to_message(wire: bytes, message_type: type[Any]) -> Any:
        name = message_type.__name__
        beside = getattr(package, name, None)
        return parse_wire(wire, beside or (generated_class(included, name) if included else message_type))

    return serialize(request), to_message
