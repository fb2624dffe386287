"""Streams put together from chunks as they stand in a file.

Chunks with one id are one stream, also where those of other streams stand between them. A chunk without an id, such as
the first one of Azure, belongs to the stream around it: it begins a stream if it has no choices and the one before has
an id, ended or cut short; otherwise it continues the one before. Streams whose chunks never have an id end where a role
follows a finish reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from chatcompletion.v1 import ChatCompletionChunk
from chatpb._engine import column_reader
from chatpb._engine.codec import Column, ColumnReader
from chatpb._records.columns import values_of
from chatpb._records.parts import make_record
from chatpb.streams.compact import compact_stream

__all__ = ["MAX_STREAM", "StreamAssembler"]

MAX_STREAM: Final = 64 << 20
"""Bytes of chunks that are held, unless the caller sets another limit."""

MAX_OPEN: Final = 1_000
"""Streams that are open at once; beyond that the oldest one ends."""

_COLUMNS: Final = [
    Column("id", "string", ("id",)),
    Column("index", "integer", ("choices.index",)),
    Column("finish", "string", ("choices.finish_reason",)),
    Column("role", "string", ("choices.delta.role",)),
]


@dataclass
class _Stream:
    place: str
    id: str = ""
    finished: bool = False
    chunks: list[bytes] = field(default_factory=list)
    size: int = 0


class StreamAssembler:
    """Puts streams together, and gives them in the order of their first chunks.

    Args:
        max_bytes: bytes of chunks that are held at most; beyond that the oldest stream ends, and more chunks of it are
            another.

    """

    def __init__(self, max_bytes: int = MAX_STREAM) -> None:
        self._max_bytes = max_bytes
        self._open: list[_Stream] = []
        self._by_id: dict[str, _Stream] = {}
        self._last: _Stream | None = None
        self._size = 0

    def add(self, chunks: list[bytes], places: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Take chunks, and yield the place and the record of each stream that ends by that. Raises WireError."""
        buffers = _reader().of_messages(chunks)
        columns = [values_of(each.type, len(chunks), *found) for each, found in zip(_COLUMNS, buffers, strict=True)]
        for chunk, place, id, index, finish, role in zip(chunks, places, *columns, strict=True):
            stream = self._stream_of(str(id or ""), has_choices=index is not None, has_role=role is not None)
            if stream is None:
                stream = _Stream(place)
                self._open.append(stream)
            if id and not stream.id:
                stream.id = str(id)
                self._by_id[stream.id] = stream
            stream.finished |= bool(finish)
            stream.chunks.append(chunk)
            stream.size += len(chunk)
            self._size += len(chunk)
            self._last = stream
            while self._size > self._max_bytes or len(self._open) > MAX_OPEN:
                yield self._end(self._open.pop(0))

    def finish(self) -> Iterator[tuple[str, bytes]]:
        """Yield the place and the record of each stream that is left."""
        while self._open:
            yield self._end(self._open.pop(0))

    def _stream_of(self, id: str, *, has_choices: bool, has_role: bool) -> _Stream | None:
        """Return the stream that a chunk continues, or None if it begins one."""
        last = self._last
        if id:
            if id in self._by_id:
                return self._by_id[id]
            begun = last is not None and not last.id and not last.finished
            return last if begun else None
        if last is None:
            return None
        if last.id:
            return last if has_choices else None
        return None if last.finished and has_role else last

    def _end(self, stream: _Stream) -> tuple[str, bytes]:
        self._by_id.pop(stream.id, None)
        if self._last is stream:
            self._last = None
        self._size -= stream.size
        return stream.place, make_record(stream=compact_stream(stream.chunks))


@cache
def _reader() -> ColumnReader:
    return column_reader(ChatCompletionChunk.DESCRIPTOR, _COLUMNS)
