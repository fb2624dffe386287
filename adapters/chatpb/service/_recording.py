"""A backend that records what passes through it.

Rules: recording never changes, delays or fails a call. What is kept is what was asked and answered, never how the
caller was told apart: of its headers the request's id alone, and its credential is cut out of an error that repeats it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from chatcompletion.v1 import ErrorResponse
from chatpb._api import compact_stream, json_to_wire
from chatpb._errors import ChatpbError
from chatpb.service._call import Backend, Call
from chatpb.service._errors import ServiceError
from chatpb.storage._record import make_record

if TYPE_CHECKING:
    from chatpb.storage._background import BackgroundRecorder

__all__ = ["RecordingBackend"]

_CHUNK: Final = 64
"""Bytes that a kept chunk takes beside its own."""


class RecordingBackend:
    """Passes calls on to a backend, and records each when it ends, also one that failed or whose caller left.

    Of a failed call the status is that of its error; 499 says that the client left, 504 that the deadline passed.

    Args:
        backend: what answers.
        recorder: takes the records; it is closed with this backend.
        labels: for every record.
        max_stream: bytes of chunks kept of one stream. The chunks of a longer one are recorded up to there, and its
            label `chatpb.chunks_left_out` says how many are not.
        drain: seconds to write, when it is closed, what still waits.

    """

    def __init__(
        self,
        backend: Backend,
        recorder: BackgroundRecorder,
        *,
        labels: Mapping[str, str] | None = None,
        max_stream: int = 16 << 20,
        drain: float = 10.0,
    ) -> None:
        self._backend = backend
        self._recorder = recorder
        self._labels = dict(labels or {})
        self._max_stream = max_stream
        self._drain = drain

    def __getattr__(self, name: str) -> Any:
        """What else the backend can do, such as telling its models."""
        return getattr(self._backend, name)

    async def create(self, request: bytes, call: Call) -> bytes:
        exchange = _Exchange(request, call, self._labels)
        try:
            exchange.response = await self._backend.create(request, call)
            return exchange.response
        except BaseException as error:
            exchange.fail(error)
            raise
        finally:
            exchange.end(self._recorder)

    async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        exchange = _Exchange(request, call, self._labels)
        try:
            async with aclosing(self._backend.stream(request, call)) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    exchange.take(chunk, self._max_stream)
                    yield chunk
        except BaseException as error:
            exchange.fail(error)
            raise
        finally:
            exchange.end(self._recorder)

    async def close(self) -> None:
        try:
            await self._backend.close()
        finally:
            await asyncio.to_thread(self._recorder.close, self._drain)


class _Exchange:
    """What is known of a call so far."""

    def __init__(self, request: bytes, call: Call, labels: Mapping[str, str]) -> None:
        self._request = request
        self._call = call
        self._labels = labels
        self._start = time.time_ns() // 1000
        self._began = time.monotonic_ns()
        self._first: int | None = None
        self._end = self._start
        self._chunks: list[bytes] = []
        self._size = 0
        self._left_out = 0
        self._status = 200
        self._error: bytes | None = None
        self.response: bytes | None = None

    def take(self, chunk: bytes, limit: int) -> None:
        """Keep a chunk that is passed on, if there is room for it and for all before it."""
        if self._first is None:
            self._first = self._now()
        size = len(chunk) + _CHUNK
        if self._left_out or self._size + size > limit:
            self._left_out += 1
        else:
            self._chunks.append(chunk)
            self._size += size

    def fail(self, error: BaseException) -> None:
        if isinstance(error, ServiceError):
            self._status, self._error = error.status, error.body
        elif isinstance(error, ChatpbError):
            self._status, self._error = 400, ServiceError.of(400, "The request cannot be read.").body
        elif isinstance(error, (asyncio.CancelledError, GeneratorExit)):
            self._status = 504 if self._call.remaining() == 0 else 499
        else:
            self._status, self._error = 500, ServiceError.of(500, "The service failed.").body

    def end(self, recorder: BackgroundRecorder) -> None:
        self._end = self._now()
        size = len(self._request) + len(self.response or b"") + self._size + len(self._error or b"")
        recorder.put(self._record, size)

    def _now(self) -> int:
        """Microseconds since the epoch, never going back."""
        return self._start + (time.monotonic_ns() - self._began) // 1000

    def _record(self) -> bytes:
        left_out = {"chatpb.chunks_left_out": str(self._left_out)} if self._left_out else {}
        return make_record(
            request=self._request,
            response=self.response,
            stream=None if self._first is None else compact_stream(self._chunks),
            error=None if self._error is None else _error(self._error, self._call),
            start_time=self._start,
            first_token_time=self._first,
            end_time=self._end,
            status=self._status,
            request_id=self._call.metadata.get("x-request-id"),
            peer=self._call.peer or None,
            labels={**self._labels, **left_out},
        )


def _error(body: bytes, call: Call) -> bytes:
    """The wire bytes of an error body without the caller's credential; text that is no object becomes its message."""
    credential = call.metadata.get("authorization", "").rpartition(" ")[2].strip().encode()
    if credential:
        body = body.replace(credential, b"[credential]")
    try:
        return json_to_wire(body, ErrorResponse)
    except ChatpbError:
        return json_to_wire(json.dumps({"error": {"message": body.decode(errors="replace")}}), ErrorResponse)
