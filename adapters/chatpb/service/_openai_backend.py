"""A backend in front of an OpenAI-compatible endpoint, over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final

from chatcompletion.v1 import ChatCompletion, CreateChatCompletionRequest
from chatpb._api import json_to_wire, wire_to_json
from chatpb._errors import JsonError
from chatpb.service._call import Call, pick_reply
from chatpb.service._errors import ServiceError, error_status, parse_body
from chatpb.service._wires import is_stream, split_answer, with_stream
from chatpb.sse import MAX_EVENT, ChunkReader, ErrorEvent, StreamError

__all__ = ["OpenAIBackend"]

_MAX_ERROR: Final = 1 << 20
_END: Final = 0.05
"""Seconds to wait for the end of a stream after its [DONE], which as a rule comes with it."""


class OpenAIBackend:
    """Sends requests on to an endpoint (package `httpx`).

    The key is that of the caller's `authorization`, else `api_key`, else the environment's OPENAI_API_KEY. The rest of
    a caller's headers goes along as far as it concerns an endpoint, and the answer's headers about limits come back.

    Args:
        base_url: the endpoint's address, up to and with its version.
        api_key: the key of calls that bring none.
        timeout: seconds that the endpoint may be silent; the call's deadline counts if it is nearer.
        connect_timeout: seconds to connect.
        max_idle: connections that are kept for later. How many there are at once is bounded by the server's limits.
        max_body: bytes of a whole answer.
        max_event: bytes of an event of a stream.
        headers: headers for every request.

    """

    def __init__(
        self,
        base_url: str = "https://api.openai.com/v1",
        *,
        api_key: str | None = None,
        timeout: float = 600.0,
        connect_timeout: float = 10.0,
        max_idle: int = 256,
        max_body: int = 64 << 20,
        max_event: int = MAX_EVENT,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        import httpx

        self._httpx = httpx
        self._completions = httpx.URL(base_url.rstrip("/") + "/chat/completions")
        self._models = httpx.URL(base_url.rstrip("/") + "/models")
        if self._models.scheme not in ("http", "https") or not self._models.host:
            raise ValueError(f"{base_url!r} is not an http or https address")
        self._key = api_key or os.environ.get("OPENAI_API_KEY")
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._max_idle = max_idle
        self._max_body = max_body
        self._max_event = max_event
        self._headers = dict(headers or {})
        self._context = httpx.create_ssl_context()
        self._idle: list[Any] = []

    async def create(self, request: bytes, call: Call) -> bytes:
        request = with_stream(request, False) if is_stream(request) else request
        async with self._post(request, call, "application/json") as response:
            return _completion(await self._read(response, self._max_body))

    async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        async with self._post(with_stream(request, True), call, "text/event-stream") as response:
            if response.headers.get("content-type", "").partition(";")[0].strip() == "application/json":
                for chunk in split_answer(_completion(await self._read(response, self._max_body)), request):
                    yield chunk
                return
            reader = ChunkReader(max_event=self._max_event)
            is_empty = True
            try:
                pieces = response.aiter_bytes()
                async for data in pieces:
                    for chunk in reader.feed(data):
                        is_empty = False
                        yield chunk
                    if reader.is_done:
                        await self._end(pieces)
                        return
                for chunk in reader.close():
                    is_empty = False
                    yield chunk
            except ErrorEvent as event:
                raise _told(event.body) from None
            except StreamError as error:
                raise ServiceError.of(502, f"The upstream's stream cannot be read: {error}.") from None
            if is_empty and not reader.is_done:
                raise ServiceError.of(502, "The upstream's answer is not a stream: it has no event.")

    async def models(self, call: Call) -> bytes:
        """What the endpoint says of its models."""
        async with self._ask("GET", self._models, call, "application/json") as response:
            return await self._read(response, self._max_body)

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().aclose()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        """A client with one connection, used before or new.

        A pool of httpx looks at every connection for every request, which takes most of the time when there are many.
        So there is one to a client, and the pool is a list of clients.
        """
        client = self._idle.pop() if self._idle else self._new_client()
        try:
            yield client
        finally:
            if len(self._idle) < self._max_idle:
                self._idle.append(client)
            else:
                await client.aclose()

    def _new_client(self) -> Any:
        httpx = self._httpx
        # A cookie that one caller's answer brought is not to be sent with another's request.
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        limits = httpx.Limits(max_connections=1, keepalive_expiry=30)
        return httpx.AsyncClient(limits=limits, cookies=no_cookies, verify=self._context)

    def _post(self, request: bytes, call: Call, accept: str) -> AbstractAsyncContextManager[Any]:
        body = wire_to_json(request, CreateChatCompletionRequest)
        return self._ask("POST", self._completions, call, accept, body)

    @asynccontextmanager
    async def _ask(
        self, method: str, url: Any, call: Call, accept: str, body: bytes | None = None
    ) -> AsyncIterator[Any]:
        httpx = self._httpx
        remaining = call.remaining()
        silence = self._timeout if remaining is None else min(self._timeout, remaining)
        timeout = httpx.Timeout(silence, connect=min(self._connect_timeout, silence))
        headers = {"accept": accept, **self._headers, **call.metadata}
        if body is not None:
            headers.setdefault("content-type", "application/json")
        if self._key:
            headers.setdefault("authorization", f"Bearer {self._key}")
        try:
            async with (
                self._connection() as client,
                client.stream(method, url, content=body, headers=headers, timeout=timeout) as response,
            ):
                call.reply.update(pick_reply(response.headers))
                if response.status_code != 200:
                    raise await self._refusal(response)
                yield response
        except (httpx.ConnectTimeout, httpx.ReadTimeout, httpx.WriteTimeout) as error:
            raise ServiceError.of(504, "The upstream did not answer in time.", code="upstream_timeout") from error
        except httpx.ConnectError as error:
            raise ServiceError.of(502, "The upstream cannot be reached.", code="upstream_unreachable") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise ServiceError.of(502, "The upstream broke off its answer.", code="upstream_broken") from error

    async def _read(self, response: Any, limit: int) -> bytes:
        body = bytearray()
        async for data in response.aiter_bytes():
            body += data
            if len(body) > limit:
                raise ServiceError.of(502, f"The upstream's answer is larger than {limit} bytes, the limit.")
        return bytes(body)

    async def _end(self, pieces: AsyncIterator[bytes]) -> None:
        """Read past [DONE], since only a connection that is read to the end is used again. Not for long."""

        async def rest() -> None:
            async for _ in pieces:
                pass

        with suppress(asyncio.TimeoutError, self._httpx.HTTPError):
            await asyncio.wait_for(rest(), _END)

    async def _refusal(self, response: Any) -> ServiceError:
        status = response.status_code
        headers = pick_reply(response.headers)
        body = await self._read(response, _MAX_ERROR)
        if not 400 <= status < 600:
            return ServiceError.of(502, f"The upstream answered with status {status}.", headers=headers)
        found = parse_body(body)
        if found is None:
            message = f"The upstream answered with status {status} and a body that is not a JSON object."
            return ServiceError.of(status, message, headers=headers)
        return ServiceError(status, body if body.lstrip()[:1] == b"{" else json.dumps(found).encode(), headers)


def _completion(body: bytes) -> bytes:
    """The wire bytes of a body that came with status 200; some endpoints send errors so."""
    if b'"choices"' not in body:
        found = parse_body(body)
        if found and found.get("error"):
            raise _told(body)
    try:
        return json_to_wire(body, ChatCompletion)
    except JsonError as error:
        raise ServiceError.of(502, f"The upstream's answer is not a completion: {error}.") from None


def _told(body: bytes) -> ServiceError:
    """The error of a body without a status of its own."""
    found = parse_body(body)
    if found is None:
        return ServiceError.of(500, "The upstream reports an error.")
    return ServiceError(error_status(found), body)
