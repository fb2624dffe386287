"""Read and write `text/event-stream`, the form of streamed completions over HTTP. Nothing here touches a socket.

Rules, from the WHATWG specification of server-sent events and from what providers send:

- Bytes may be split anywhere. Lines end in LF, CRLF or CR; an event ends at an empty line. A leading byte order mark,
  comments, and fields other than `event` and `data` are skipped; several data lines are joined by LF.
- An event whose data is `[DONE]` ends the stream, and whatever follows it is ignored. A stream may also just end.
- The last event counts without an empty line after it, since providers leave it out, but only if it is whole JSON.
- An event called `error`, or whose data is an object with `error` and without `choices`, is not a chunk: it is raised.
- What is buffered is at most one event, and an event above the limit is refused.

    reader = ChunkReader()
    for piece in pieces:
        for wire in reader.feed(piece):
            ...
    for wire in reader.close():
        ...
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from chatcompletion.v1 import ChatCompletionChunk
from chatpb._api import json_to_wire, to_json, wire_to_json
from chatpb._errors import ChatpbError, JsonError
from chatpb._runtimes import runtime_of

__all__ = [
    "DONE",
    "MAX_EVENT",
    "ChunkReader",
    "ErrorEvent",
    "Event",
    "EventReader",
    "StreamError",
    "write_chunk",
    "write_comment",
    "write_event",
]

MAX_EVENT: Final = 16 << 20
"""Bytes of one event, unless the caller sets another limit."""

DONE: Final = b"data: [DONE]\n\n"
"""The event that ends a stream."""

_BOM: Final = b"\xef\xbb\xbf"
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")


class StreamError(ChatpbError):
    """A stream that cannot be read on: an event that is too large, not a chunk, or cut short."""


class ErrorEvent(ChatpbError):
    """An error that the sender reports within the stream.

    Attributes:
        body: the event's data, as a rule the JSON text of an error response.

    """

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.body = body

    def __str__(self) -> str:
        return "the stream reports an error"


@dataclass(frozen=True)
class Event:
    """One event: its data lines, joined, and its name."""

    data: bytes
    name: str = "message"


class EventReader:
    """From the bytes of a stream to its events."""

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._limit = max_event
        self._buffer = bytearray()
        self._searched = 0
        self._started = False
        self._after_cr = False

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that the bytes complete. Raises StreamError, after those before it, for one above the limit."""
        if data and not self._started:
            data = self._start(data)
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self._buffer += data
        return self._complete()

    def close(self) -> Iterator[Event]:
        """The event that the end of the stream cuts off, if it has data."""
        event = _event(bytes(self._buffer).rstrip(b"\n"))
        self._buffer.clear()
        self._searched = 0
        if event:
            yield event

    def _start(self, data: bytes) -> bytes:
        self._buffer += data
        whole = bytes(self._buffer)
        if len(whole) < len(_BOM) and _BOM.startswith(whole):
            return b""
        self._started = True
        self._buffer.clear()
        return whole.removeprefix(_BOM)

    def _complete(self) -> Iterator[Event]:
        buffer = self._buffer
        while (end := buffer.find(b"\n\n", self._searched)) >= 0:
            block = bytes(buffer[:end])
            del buffer[: end + 2]
            self._searched = 0
            if len(block) > self._limit:
                raise self._too_large()
            event = _event(block)
            if event:
                yield event
        self._searched = max(0, len(buffer) - 1)
        if len(buffer) > self._limit:
            self._drop_comments()
            if len(buffer) > self._limit:
                raise self._too_large()

    def _drop_comments(self) -> None:
        """Comments may go on for hours without an empty line."""
        lines = bytes(self._buffer).split(b"\n")
        self._buffer[:] = b"\n".join(line for line in lines if not line.startswith(b":"))
        self._searched = max(0, len(self._buffer) - 1)

    def _too_large(self) -> StreamError:
        return StreamError(f"an event of more than {self._limit} bytes, the limit")


def _event(block: bytes) -> Event | None:
    if block.startswith(b"data: ") and b"\n" not in block:
        return Event(block[6:])
    name = "message"
    lines = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            lines.append(value)
        elif field == b"event":
            name = value.decode(errors="replace") or "message"
    return Event(b"\n".join(lines), name) if lines else None


class ChunkReader:
    """From the bytes of a stream to its chunks: wire bytes, or messages of a class.

    Attributes:
        is_done: whether [DONE] was read.

    """

    def __init__(self, message_type: type[Any] | None = None, *, max_event: int = MAX_EVENT) -> None:
        self.is_done = False
        self._events = EventReader(max_event)
        self._type: type[Any] = message_type or ChatCompletionChunk
        self._parse = runtime_of(message_type).parse if message_type else None

    def feed(self, data: bytes) -> Iterator[Any]:
        """The chunks that the bytes complete.

        Iterating raises, after the chunks that come before it, ErrorEvent for an error that the sender reports, and
        StreamError for an event that is too large or not a chunk.
        """
        return self._chunks(self._events.feed(data))

    def close(self) -> Iterator[Any]:
        """The chunk that no empty line follows. Raises StreamError if the stream ends inside an event."""
        try:
            yield from self._chunks(self._events.close())
        except StreamError as error:
            raise StreamError("the stream ends inside an event") from error

    def _chunks(self, events: Iterator[Event]) -> Iterator[Any]:
        for event in events:
            data = event.data
            if self.is_done or not data.strip():
                continue
            if data.strip() == b"[DONE]":
                self.is_done = True
                continue
            if event.name == "error" or (b'"error"' in data and _is_error(data)):
                raise ErrorEvent(data)
            try:
                wire = json_to_wire(data, self._type)
            except JsonError as error:
                raise StreamError(f"an event that is not a chunk: {error}") from error
            yield self._parse(self._type, wire) if self._parse else wire


def _is_error(data: bytes) -> bool:
    try:
        body = json.loads(data)
    except ValueError:
        return False
    return isinstance(body, dict) and bool(body.get("error")) and "choices" not in body


def write_event(data: bytes, name: str = "") -> bytes:
    """An event with the data given, one line each."""
    head = b"event: %b\n" % name.encode() if name else b""
    if b"\n" in data or b"\r" in data:
        return head + b"".join(b"data: %b\n" % line for line in _LINE_END.split(data)) + b"\n"
    return b"%bdata: %b\n\n" % (head, data)


def write_chunk(chunk: Any) -> bytes:
    """The event of a chunk: its wire bytes, or a message of any runtime."""
    if isinstance(chunk, (bytes, bytearray, memoryview)):
        return b"data: %b\n\n" % wire_to_json(chunk, ChatCompletionChunk)
    return b"data: %b\n\n" % to_json(chunk)


def write_comment(text: str = "keep-alive") -> bytes:
    """A comment, which readers skip; sent to keep a connection open."""
    if "\n" in text or "\r" in text:
        raise ValueError("a comment is one line")
    return b": %b\n\n" % text.encode()
