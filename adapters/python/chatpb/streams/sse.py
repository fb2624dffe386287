"""Read and write `text/event-stream`, the form of streamed completions over HTTP. No code here opens a connection.

Rules, from the WHATWG specification of server-sent events and from what providers send:

- The bytes may be split anywhere. Lines end in LF, CRLF or CR. An event ends at an empty line. Skipped are a leading
  byte order mark, comments, and fields other than `event` and `data`. Several data lines are joined by LF.
- An event with the data `[DONE]` ends the stream, and whatever follows it is ignored. A stream may also just end.
- The last event counts without the empty line after it, which some providers leave out, but only if it is whole JSON.
- An event named `error` is raised as an error. So is one whose data is an error body (`is_error`).
- A line that begins with `{` is no field of the specification, but what some servers write when they fail. With the
  lines after it, up to the empty line, it is the data of an event of its own.
- Not chunks, and left out: events without data or with `null`, and those with another name than `message` whose data
  has no `choices`, such as `ping`.
- At most one event is buffered. An event above the limit is refused.

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
from chatpb._convert import json_to_wire, to_json, wire_to_json
from chatpb._errors import ChatpbError, JsonError
from chatpb._options import UnknownFields
from chatpb._runtimes import is_message, message_class, wire_of

__all__ = [
    "DONE",
    "MAX_EVENT",
    "ChunkReader",
    "ErrorEvent",
    "Event",
    "EventReader",
    "StreamError",
    "is_error",
    "write_chunk",
    "write_comment",
    "write_event",
]

MAX_EVENT: Final = 16 << 20
"""Bytes of one event, unless the caller sets another limit.

Examples:
    >>> from chatpb.streams.sse import MAX_EVENT
    >>> MAX_EVENT
    16777216

"""

DONE: Final = b"data: [DONE]\n\n"
r"""The event that ends a stream.

Examples:
    >>> from chatpb.streams.sse import DONE
    >>> DONE
    b'data: [DONE]\n\n'

"""

_BOM: Final = b"\xef\xbb\xbf"
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")


class StreamError(ChatpbError):
    r"""A stream that cannot be read further: an event is too large, not a chunk, or cut short.

    Examples:
        >>> from chatpb.streams.sse import ChunkReader, StreamError
        >>> try:
        ...     list(ChunkReader().feed(b"data: {\n\n"))
        ... except StreamError as error:
        ...     print(error)
        ...
        an event that is not a chunk: unexpected end of the text at line 1, column 2 (byte 1)

    """


class ErrorEvent(ChatpbError):
    r"""An error that the sender reports in the stream.

    Attributes:
        body: the data of the event, usually the JSON text of an error response.

    Examples:
        >>> from chatpb.streams.sse import ChunkReader, ErrorEvent
        >>> try:
        ...     list(ChunkReader().feed(b'data: {"error":{"message":"overloaded"}}\n\n'))
        ... except ErrorEvent as error:
        ...     print(error.body)
        ...
        b'{"error":{"message":"overloaded"}}'

    """

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.body = body

    def __str__(self) -> str:
        return "the stream reports an error"


@dataclass(frozen=True)
class Event:
    r"""One event: its data lines, joined by LF, and its name.

    Examples:
        >>> from chatpb.streams.sse import EventReader
        >>> list(EventReader().feed(b"event: ping\ndata: 1\n\n"))
        [Event(data=b'1', name='ping')]

    """

    data: bytes
    name: str = "message"


class EventReader:
    r"""Reads events from the bytes of a stream. `max_event` is the largest event accepted, in bytes.

    Examples:
        >>> from chatpb.streams.sse import EventReader
        >>> reader = EventReader()
        >>> list(reader.feed(b"data: one\n\ndata: two"))
        [Event(data=b'one', name='message')]
        >>> list(reader.close())
        [Event(data=b'two', name='message')]

    """

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._limit = max_event
        self._buffer = bytearray()
        self._searched = 0
        self._sifted = 0
        self._started = False
        self._after_cr = False

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take the next bytes, and yield each event that they complete.

        Iterating raises StreamError for an event above the limit, after the events before it.
        """
        if not isinstance(data, bytes):
            data = bytes(memoryview(data))
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
        """End the stream, and yield the event that has no empty line after it, if it has data."""
        block = bytes(self._buffer).rstrip(b"\n")
        self._buffer.clear()
        self._searched = self._sifted = 0
        yield from _events(block)

    def _start(self, data: bytes) -> bytes:
        """Return the bytes without a leading byte order mark, or nothing while the mark may still be incomplete."""
        self._buffer += data
        whole = bytes(self._buffer)
        if len(whole) < len(_BOM) and _BOM.startswith(whole):
            return b""
        self._started = True
        self._buffer.clear()
        return whole.removeprefix(_BOM)

    def _complete(self) -> Iterator[Event]:
        """Yield and remove each whole event in the buffer."""
        buffer = self._buffer
        while (end := buffer.find(b"\n\n", self._searched)) >= 0:
            block = bytes(buffer[:end])
            del buffer[: end + 2]
            self._searched = self._sifted = 0
            if len(block) > self._limit:
                block = b"\n".join(line for line in block.split(b"\n") if not line.startswith(b":"))
                if len(block) > self._limit:
                    raise self._too_large()
            yield from _events(block)
        self._searched = max(0, len(buffer) - 1)
        if len(buffer) > self._limit:
            self._drop_comments()

    def _drop_comments(self) -> None:
        """Remove comments from the buffer, since a server may send them for hours without an empty line.

        Each line is looked at once. Of a comment that has not ended, the colon stays, so that its rest is no line.
        """
        *lines, last = bytes(self._buffer[self._sifted :]).split(b"\n")
        kept = b"".join(line + b"\n" for line in lines if not line.startswith(b":"))
        is_comment = last.startswith(b":")
        self._buffer[self._sifted :] = kept + (b":" if is_comment else last)
        self._sifted += len(kept)
        self._searched = max(0, len(self._buffer) - 1)
        if (self._sifted - 1 if is_comment or not last else len(self._buffer)) > self._limit:
            raise self._too_large()

    def _too_large(self) -> StreamError:
        return StreamError(f"an event of more than {self._limit} bytes, the limit")


def _events(block: bytes) -> Iterator[Event]:
    """Yield the event that lines stand for, if they have data, and that of JSON text without a field name."""
    if block.startswith(b"data: ") and b"\n" not in block:
        yield Event(block[6:])
        return
    name = "message"
    data = []
    lines = block.split(b"\n")
    for number, line in enumerate(lines):
        if line.startswith(b"{"):
            bare = lines[number:]
            break
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode(errors="replace") or "message"
    else:
        bare = []
    if data:
        yield Event(b"\n".join(data), name)
    if bare:
        yield Event(b"\n".join(bare))


class ChunkReader:
    r"""Reads chunks from the bytes of a stream: as messages of a class, or as wire bytes where no class is given.

    Attributes:
        is_done: whether the event `[DONE]` was read.

    Examples:
        >>> from chatpb import ChatCompletionChunk
        >>> from chatpb.streams.sse import ChunkReader
        >>> reader = ChunkReader(ChatCompletionChunk)
        >>> [chunk.id for chunk in reader.feed(b'data: {"id":"c1"}\n\ndata: {"id"')]
        ['c1']
        >>> [chunk.id for chunk in reader.feed(b':"c2"}\n\ndata: [DONE]\n\n')]
        ['c2']
        >>> reader.is_done
        True

    """

    def __init__(self, message_type: type[Any] | None = None, *, max_event: int = MAX_EVENT) -> None:
        self.is_done = False
        self._events = EventReader(max_event)
        self._type: type[Any] = ChatCompletionChunk if message_type is None else message_type
        self._parse = None if message_type is None else message_class(message_type).parse

    def feed(self, data: bytes) -> Iterator[Any]:
        """Take the next bytes, and yield each chunk that they complete.

        Iterating raises ErrorEvent for an error that the sender reports, and StreamError for an event that is too large
        or not a chunk, after the chunks before it.
        """
        return self._chunks(self._events.feed(data))

    def close(self) -> Iterator[Any]:
        """End the stream, and yield the chunk that has no empty line after it, if any.

        Iterating raises StreamError if the stream ends inside an event.
        """
        try:
            yield from self._chunks(self._events.close())
        except StreamError as error:
            raise StreamError("the stream ends inside an event") from error

    def _chunks(self, events: Iterator[Event]) -> Iterator[Any]:
        for event in events:
            data = event.data
            if self.is_done or data.strip() in (b"", b"null"):
                continue
            if data.strip() == b"[DONE]":
                self.is_done = True
                continue
            if event.name == "error" or is_error(data):
                raise ErrorEvent(data)
            if event.name != "message" and b'"choices"' not in data:
                continue
            try:
                wire = json_to_wire(data, self._type)
            except JsonError as error:
                raise StreamError(f"an event that is not a chunk: {error}") from error
            yield self._parse(wire) if self._parse else wire


def is_error(data: bytes) -> bool:
    """Return whether JSON text is an error body: it has `error` and no `choices`, or its `object` is "error".

    Examples:
        >>> from chatpb.streams.sse import is_error
        >>> is_error(b'{"error":{"message":"overloaded"}}'), is_error(b'{"choices":[]}')
        (True, False)

    """
    if b'"error"' not in data:
        return False
    try:
        body = json.loads(data, parse_int=float)
    except (ValueError, RecursionError):
        return False
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    if not isinstance(body, dict):
        return False
    return body.get("object") == "error" or (bool(body.get("error")) and body.get("choices") is None)


def write_event(data: bytes, name: str = "") -> bytes:
    r"""Return an event with the data, each line of it as a data line, and with the name if one is given.

    Raises ValueError for a name of more than one line.

    Examples:
        >>> from chatpb.streams.sse import write_event
        >>> write_event(b'{"id":"c1"}', "chunk")
        b'event: chunk\ndata: {"id":"c1"}\n\n'

    """
    if not isinstance(data, bytes):
        data = bytes(memoryview(data))
    head = b"event: %b\n" % _one_line("the name of an event", name) if name else b""
    if b"\n" in data or b"\r" in data:
        return head + b"".join(b"data: %b\n" % line for line in _LINE_END.split(data)) + b"\n"
    return b"%bdata: %b\n\n" % (head, data)


def write_chunk(chunk: Any, *, unknown_fields: UnknownFields = "error") -> bytes:
    r"""Return the event of a chunk, given as its wire bytes in any buffer or as a message of any runtime.

    Raises WireError for a chunk with fields that this contract does not have, which `unknown_fields="skip"` leaves out.

    Examples:
        >>> from chatpb import ChatCompletionChunk
        >>> from chatpb.streams.sse import write_chunk
        >>> write_chunk(ChatCompletionChunk(id="c1"))
        b'data: {"id":"c1"}\n\n'

    """
    if is_message(chunk):
        text = to_json(chunk, unknown_fields=unknown_fields)
    else:
        text = wire_to_json(wire_of(chunk), ChatCompletionChunk, unknown_fields=unknown_fields)
    return b"data: %b\n\n" % text


def write_comment(text: str = "keep-alive") -> bytes:
    r"""Return a comment, which readers skip. It keeps a connection open. Raises ValueError for more than one line.

    No empty line follows it: some readers take that for the end of an event, and fail because it has no data.

    Examples:
        >>> from chatpb.streams.sse import write_comment
        >>> write_comment()
        b': keep-alive\n'

    """
    return b": %b\n" % _one_line("a comment", text)


def _one_line(what: str, text: str) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"{what} is a str, not {type(text).__name__}")
    if "\n" in text or "\r" in text:
        raise ValueError(f"{what} is one line")
    return text.encode()
