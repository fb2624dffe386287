"""A backend that passes calls on to another one, and records them.

Rules: recording never changes, delays or fails a call. A record holds the request and the answer, and nothing that
identifies the caller except its address: of the headers only the request's id is kept, and an answer that repeats the
caller's credential is recorded without it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, Final

from chatcompletion.v1 import ErrorResponse
from chatpb._convert import json_to_wire
from chatpb._errors import ChatpbError
from chatpb._records.parts import make_record
from chatpb.service._call import Backend, Call
from chatpb.service._error_table import ServiceError
from chatpb.service._secrets import Secrets
from chatpb.storage import BackgroundRecorder
from chatpb.streams.compact import compact_stream

__all__ = ["RecordingBackend"]

_CHUNK_OVERHEAD: Final = 64
"""Bytes of memory that a kept chunk takes besides its own bytes."""


class RecordingBackend:
    """Passes calls on to a backend, and records each when it ends, including those that fail or whose caller leaves.

    The record of a failed call has the status of its error: 499 if the client left, 504 if the deadline passed.

    Args:
        backend: answers the requests.
        recorder: writes the records; it is closed with this backend.
        labels: labels of every record.
        max_stream: the most bytes of chunks that are kept of one stream. Later chunks are not recorded, and the label
            `chatpb.chunks_left_out` has their number.
        drain: seconds that `close` may take to write the records that wait.

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
        """Return what else the backend has, such as `models`."""
        return getattr(self._backend, name)

    async def create(self, request: bytes, call: Call) -> bytes:
        record = _CallRecord(request, call, self._labels)
        try:
            record.response = await self._backend.create(request, call)
            return record.response
        except BaseException as error:
            record.fail(error)
            raise
        finally:
            record.end(self._recorder)

    async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        record = _CallRecord(request, call, self._labels)
        try:
            async with aclosing(self._backend.stream(request, call)) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    record.add_chunk(chunk, self._max_stream)
                    yield chunk
        except BaseException as error:
            record.fail(error)
            raise
        finally:
            record.end(self._recorder)

    async def close(self) -> None:
        try:
            await self._backend.close()
        finally:
            await asyncio.to_thread(self._recorder.close, self._drain)


class _CallRecord:
    """Collects the record of one call."""

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

    def add_chunk(self, chunk: bytes, limit: int) -> None:
        """Keep a chunk that is passed on, if there was room for it and for all before it."""
        if self._first is None:
            self._first = self._now()
        size = len(chunk) + _CHUNK_OVERHEAD
        if self._left_out or self._size + size > limit:
            self._left_out += 1
        else:
            self._chunks.append(chunk)
            self._size += size

    def fail(self, error: BaseException) -> None:
        """Note how the call failed."""
        if isinstance(error, ServiceError):
            self._status, self._error = error.status, error.body
        elif isinstance(error, ChatpbError):
            self._status, self._error = 400, ServiceError.of(400, "The request cannot be read.").body
        elif isinstance(error, (asyncio.CancelledError, GeneratorExit)):
            self._status = 504 if self._call.remaining() == 0 else 499
        else:
            self._status, self._error = 500, ServiceError.of(500, "The service failed.").body

    def end(self, recorder: BackgroundRecorder) -> None:
        """Note that the call ended, and have its record written."""
        self._end = self._now()
        size = len(self._request) + len(self.response or b"") + self._size + len(self._error or b"")
        recorder.put(self._to_wire, size)

    def _now(self) -> int:
        """Return the microseconds since the epoch, never less than before."""
        return self._start + (time.monotonic_ns() - self._began) // 1000

    def _to_wire(self) -> bytes:
        """Return the wire bytes of the record. The recorder's thread calls this, so that it delays no call."""
        secrets = Secrets.of(self._call.metadata)
        left_out = {"chatpb.chunks_left_out": str(self._left_out)} if self._left_out else {}
        return make_record(
            request=self._request,
            response=None if self.response is None else secrets.hide(self.response),
            stream=None if self._first is None else compact_stream(list(map(secrets.hide, self._chunks))),
            error=None if self._error is None else _error_wire(self._error, secrets),
            start_time=self._start,
            first_token_time=self._first,
            end_time=self._end,
            status=self._status,
            request_id=self._call.metadata.get("x-request-id"),
            peer=self._call.peer or None,
            labels={**self._labels, **left_out},
        )


def _error_wire(body: bytes, secrets: Secrets) -> bytes:
    """Return the wire bytes of an error body, without the caller's credential.

    A body that is not a JSON object becomes the message of one.
    """
    body = secrets.hide_in_json(body)
    try:
        return json_to_wire(body, ErrorResponse)
    except ChatpbError:
        return json_to_wire(json.dumps({"error": {"message": body.decode(errors="replace")}}), ErrorResponse)
