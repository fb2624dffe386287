"""A backend that sends requests on to an OpenAI-compatible endpoint, over HTTP."""

from __future__ import annotations

import asyncio
import io
import os
import time
import zlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk, CreateChatCompletionRequest
from chatpb._convert import json_to_wire, wire_to_dict
from chatpb._errors import JsonError
from chatpb._known_json import known_json
from chatpb._options import UnknownFields, choice
from chatpb.service._call import CHECK_SECONDS, Call, header_names, pick_reply_headers
from chatpb.service._error_table import ServiceError, object_text, parse_body, status_of_body
from chatpb.service._gzip import CODINGS, Decompressor
from chatpb.service._request_flags import ask_for_whole, set_stream, split_answer
from chatpb.service._secrets import Secrets, basic_authorization
from chatpb.streams.sse import MAX_EVENT, ChunkReader, ErrorEvent, StreamError, is_error

__all__ = ["OpenAIBackend"]

_MAX_ERROR: Final = 1 << 20
"""Bytes of an error's body."""

_MAX_HEADER: Final = 1 << 16
"""Bytes of one header of an answer."""

_IDLE: Final = 30.0
"""Seconds after which a connection that is not used is closed."""

_MAX_TEXT: Final = 4096
"""Characters of an error that is plain text."""

_END_WAIT: Final = 0.05
"""Seconds to wait for the end of a stream after its [DONE]. Usually both come together."""

_LAST_CHUNKS: Final = 16
"""How many of a stream's last chunks are searched for a finish_reason if it has no [DONE]."""


class OpenAIBackend:
    """Sends requests on to an endpoint (package `aiohttp`).

    The key is the caller's `authorization`, else `api_key`, else the environment variable OPENAI_API_KEY. A key in
    `headers` (`authorization`, or `api-key` as Azure has it), or a user and password in `base_url`, replace all of
    these. The caller's other headers that concern an endpoint are sent too, and the answer's headers about limits come
    back. If an answer repeats a credential that was sent, asterisks replace it.

    The proxies of the environment (HTTPS_PROXY, NO_PROXY) are used.

    Raises ValueError for a `base_url` that is not an http or https address.

    Args:
        base_url: the endpoint's address, including its version. A query in it is sent with every request, and
            `USER:PASSWORD@` before its host as basic authorization.
        api_key: the key of calls that have none.
        timeout: seconds that the endpoint may be silent; a nearer deadline of the call counts instead.
        connect_timeout: seconds to connect.
        max_body: the most bytes of a whole answer.
        max_event: the most bytes of one event of a stream.
        headers: headers of every request, in place of the caller's of the same names.
        return_headers: names of further headers of an answer that the caller gets.
        unknown_fields: "skip" sends a request with fields of a newer contract without those fields, and logs each field
            once; "error" refuses the request.

    Examples:
        >>> from chatpb.service import OpenAIBackend
        >>> try:
        ...     OpenAIBackend("models.example.com/v1")
        ... except ValueError as error:
        ...     print(error)
        ...
        'models.example.com/v1' is not an http or https address

    """

    def __init__(
        self,
        base_url: str = "https://api.openai.com/v1",
        *,
        api_key: str | None = None,
        timeout: float = 600.0,
        connect_timeout: float = 10.0,
        max_body: int = 64 << 20,
        max_event: int = MAX_EVENT,
        headers: Mapping[str, str] | None = None,
        return_headers: Iterable[str] = (),
        unknown_fields: UnknownFields = "skip",
    ) -> None:
        import aiohttp
        from yarl import URL

        self._aiohttp = aiohttp
        self._base_url = base_url
        self._completions = URL(_join(base_url, "/chat/completions"), encoded=True)
        self._models = URL(_join(base_url, "/models"), encoded=True)
        self._proxy = _proxy_of(base_url)
        self._key = api_key or os.environ.get("OPENAI_API_KEY")
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._max_body = max_body
        self._max_event = max_event
        self._headers = {
            **basic_authorization(base_url),
            **{name.lower(): value for name, value in (headers or {}).items()},
        }
        self._return_headers = header_names(return_headers)
        self._has_own_key = not self._headers.keys().isdisjoint(("authorization", "api-key"))
        choice("unknown_fields", unknown_fields, "error", "skip")
        self._unknown_fields = unknown_fields
        self._session: Any = None

    async def create(self, request: bytes, call: Call) -> bytes:
        async with self._post(ask_for_whole(request), call, "application/json") as (response, secrets):
            return _completion_wire(await _read_body(_pieces(response), self._max_body), secrets)

    async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        async with self._post(set_stream(request, True), call, "text/event-stream") as (response, secrets):
            pieces = _pieces(response)
            head = b""
            async for piece in pieces:
                if piece.strip():  # white space alone may go on without end
                    head = piece
                    break
            # Some endpoints label streams as JSON or JSON as a stream, so the first byte decides.
            if head.lstrip().startswith(b"{"):
                body = await _read_body(pieces, self._max_body, head)
                for chunk in split_answer(_completion_wire(body, secrets), request):
                    yield chunk
                return
            reader = ChunkReader(max_event=self._max_event)
            last: deque[bytes] = deque(maxlen=_LAST_CHUNKS)
            try:
                data = head
                while True:
                    for chunk in reader.feed(data):
                        last.append(chunk)
                        yield secrets.hide(chunk)
                    if reader.is_done:
                        await self._read_end(response)
                        return
                    data = await anext(pieces, b"")
                    if not data:
                        break
                for chunk in reader.close():
                    last.append(chunk)
                    yield secrets.hide(chunk)
            except ErrorEvent as event:
                raise _error_of_body(event.body, secrets) from None
            except StreamError as error:
                words = secrets.hide_in_text(str(error))
                raise ServiceError.of(502, f"The upstream's stream cannot be read: {words}.") from None
            if not last and not reader.is_done:
                raise ServiceError.of(502, "The upstream's answer is not a stream: it has no event.")
            if not (reader.is_done or any(map(_has_finish_reason, last))):
                words = "The upstream's stream ended without [DONE] and without a finish_reason."
                raise ServiceError.of(502, words, code="upstream_broken")

    async def models(self, call: Call) -> bytes:
        """Return the endpoint's own list of models."""
        async with self._send("GET", self._models, call, "application/json") as (response, secrets):
            return secrets.hide_in_json(await _read_body(_pieces(response), self._max_body))

    async def check(self) -> None:
        """Raise ServiceError if the endpoint cannot be reached, or answers with a status of 500 or more."""
        call = Call(deadline=time.monotonic() + CHECK_SECONDS)
        try:
            async with self._send("GET", self._models, call, "application/json"):
                pass
        except ServiceError as error:
            if error.status >= 500:
                raise

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    def _open_session(self) -> Any:
        if self._session is None:
            aiohttp = self._aiohttp
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE),
                # A cookie from one caller's answer must not be sent with another caller's request.
                cookie_jar=aiohttp.DummyCookieJar(),
                proxy=self._proxy,
                trace_configs=[_trace_reuse(aiohttp)],
                auto_decompress=False,
                max_line_size=_MAX_HEADER,
                max_field_size=_MAX_HEADER,
            )
        return self._session

    def _post(self, request: bytes, call: Call, accept: str) -> AbstractAsyncContextManager[tuple[Any, Secrets]]:
        body = known_json(request, CreateChatCompletionRequest, unknown_fields=self._unknown_fields)
        return self._send("POST", self._completions, call, accept, body)

    def _request_headers(self, call: Call, accept: str, has_body: bool) -> dict[str, str]:
        headers = {"accept": accept, "accept-encoding": "gzip", "user-agent": "chatpb"}
        if has_body:
            headers["content-type"] = "application/json"
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        headers.update(call.metadata)
        if self._has_own_key:
            headers.pop("authorization", None)
        headers.update(self._headers)
        return headers

    @asynccontextmanager
    async def _send(
        self, method: str, url: Any, call: Call, accept: str, body: bytes | None = None
    ) -> AsyncIterator[tuple[Any, Secrets]]:
        """Send a request, and give its response, which has a status of success, to the block, and what to hide in it.

        Raises ServiceError.
        """
        aiohttp = self._aiohttp
        remaining = call.remaining()
        silence = self._timeout if remaining is None else min(self._timeout, remaining)
        timeout = aiohttp.ClientTimeout(total=None, connect=min(self._connect_timeout, silence), sock_read=silence)
        headers = self._request_headers(call, accept, body is not None)
        secrets = Secrets.of(headers, self._base_url, self._proxy)
        try:
            async with await self._begin(method, url, headers, body, timeout) as response:
                returned = secrets.hide_in_headers(pick_reply_headers(response.headers, self._return_headers))
                call.reply.update(returned)
                if not 200 <= response.status < 300:
                    raise await _error_of_response(response, returned, secrets)
                yield response, secrets
        except asyncio.TimeoutError as error:
            raise ServiceError.of(504, "The upstream did not answer in time.", code="upstream_timeout") from error
        except aiohttp.ClientConnectorError as error:
            raise ServiceError.of(502, "The upstream cannot be reached.", code="upstream_unreachable") from error
        except aiohttp.ClientError as error:
            raise ServiceError.of(502, "The upstream broke off its answer.", code="upstream_broken") from error

    async def _begin(self, method: str, url: Any, headers: dict[str, str], body: bytes | None, timeout: Any) -> Any:
        """Send a request and return its response, of which the head has come.

        An endpoint may close a connection just when it is used again. If such a connection breaks before a byte of the
        answer has come, the request is sent once more.
        """
        aiohttp = self._aiohttp
        session = self._open_session()
        while True:
            use = _ConnectionUse()
            # aiohttp warns of a large body in bytes.
            data = io.BytesIO(body) if body and len(body) > aiohttp.payload.TOO_LARGE_BYTES_BODY else body
            try:
                return await session.request(
                    method,
                    url,
                    headers=headers,
                    data=data,
                    timeout=timeout,
                    allow_redirects=False,
                    trace_request_ctx=use,
                )
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if not use.is_again:
                    raise

    async def _read_end(self, response: Any) -> None:
        """Read what follows [DONE], for a short time: only a connection that was read to its end can be used again."""
        if not response.content.at_eof():
            with suppress(asyncio.TimeoutError, self._aiohttp.ClientError):
                await asyncio.wait_for(response.content.readany(), _END_WAIT)


class _ConnectionUse:
    """Whether the connection of a request had been used before."""

    is_again = False


def _trace_reuse(aiohttp: Any) -> Any:
    """Return a trace that notes on a request's _ConnectionUse that its connection is used again."""

    async def note(session: Any, context: Any, parameters: Any) -> None:
        context.trace_request_ctx.is_again = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(note)
    return trace


def _join(base_url: str, path: str) -> str:
    """Return an address under the base, which may have a query. Raises ValueError."""
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{base_url!r} is not an http or https address")
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=host, path=parts.path.rstrip("/") + path, fragment=""))


def _proxy_of(url: str) -> str | None:
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


async def _pieces(response: Any) -> AsyncGenerator[bytes, None]:
    """Yield the body as it comes, decompressed in pieces of limited size."""
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding in ("identity", ""):
        async for data in response.content.iter_any():
            yield data
        return
    if coding not in CODINGS:
        raise ServiceError.of(502, f"The upstream's answer is compressed as {coding}, which was not asked for.")
    decompressor = Decompressor(coding)
    try:
        async for data in response.content.iter_any():
            for piece in decompressor.feed(data):
                yield piece
    except zlib.error:
        raise ServiceError.of(502, f"The upstream's answer is not {coding}.", code="upstream_broken") from None
    if not decompressor.is_complete:
        raise ServiceError.of(502, "The upstream broke off its answer.", code="upstream_broken")


async def _read_body(pieces: AsyncIterator[bytes], limit: int, head: bytes = b"") -> bytes:
    """Return a body whose first bytes were read already. Raises ServiceError for one above the limit."""
    body = bytearray(head)
    async for data in pieces:
        body += data
        if len(body) > limit:
            raise ServiceError.of(502, f"The upstream's answer is larger than {limit} bytes, the limit.")
    return bytes(body)


async def _error_of_response(response: Any, headers: dict[str, str], secrets: Secrets) -> ServiceError:
    status = response.status
    body = secrets.hide_in_json(await _read_body(_pieces(response), _MAX_ERROR))
    if not 400 <= status < 600:
        return ServiceError.of(502, f"The upstream answered with status {status}.", headers=headers)
    if parse_body(body) is None:
        message = f"The upstream answered with status {status} and a body that is not a JSON object."
        return ServiceError.of(status, _plain_text(body) or message, headers=headers)
    return ServiceError(status, object_text(body), headers)


def _plain_text(body: bytes) -> str:
    """Return the words of an error body; none of one that is HTML, JSON or no text."""
    try:
        text = body.decode().strip()
    except UnicodeDecodeError:
        return ""
    return "" if text.startswith(("<", "{", "[")) else text[:_MAX_TEXT]


def _completion_wire(body: bytes, secrets: Secrets) -> bytes:
    """Return the wire bytes of a body that came with status 200, with which some endpoints send errors too."""
    if is_error(body):
        raise _error_of_body(body, secrets)
    try:
        return secrets.hide(json_to_wire(body, ChatCompletion))
    except JsonError as error:
        words = secrets.hide_in_text(str(error))
        raise ServiceError.of(502, f"The upstream's answer is not a completion: {words}.") from None


def _error_of_body(body: bytes, secrets: Secrets) -> ServiceError:
    """Return the error of an error body, JSON or plain text, that came without a status of its own."""
    body = secrets.hide_in_json(body)
    found = parse_body(body)
    if found is None:
        text = body.decode(errors="replace").strip()[:_MAX_TEXT]
        return ServiceError.of(500, text or "The upstream reports an error.")
    return ServiceError(status_of_body(found), object_text(body))


def _has_finish_reason(chunk: bytes) -> bool:
    choices = wire_to_dict(chunk, ChatCompletionChunk, unknown_fields="skip", nonfinite="allow").get("choices")
    found = choices if isinstance(choices, list) else []
    return any(isinstance(choice, dict) and choice.get("finish_reason") for choice in found)
