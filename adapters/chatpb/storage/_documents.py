"""Documents as everyone has them, in records: completions, streams of chunks, requests and errors, and the way back.

Each document becomes a record with that part alone. Chunks that follow each other with one id become one stream, so
that the chunks of all records, in order, are those that came in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

import pyarrow as pa
from google.protobuf.message import Message

from chatcompletion.v1 import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRecord,
    CreateChatCompletionRequest,
    ErrorResponse,
)
from chatpb._api import compact_stream, expand_stream
from chatpb._engine import Projection, projection_of
from chatpb._python.project import Leaf
from chatpb._schema import schema_of
from chatpb.arrow import compact_records, wrap_documents
from chatpb.storage._columns import values_of
from chatpb.storage._record import make_record, parts_of

__all__ = ["ONLY", "Wrapper", "only"]

MAX_STREAM: Final = 64 << 20
"""Bytes of chunks that become one stream; more of one id, or of none, become several."""

ONLY: Final[dict[str, type[Message]]] = {
    "request": CreateChatCompletionRequest,
    "response": ChatCompletion,
    "chunk": ChatCompletionChunk,
    "error": ErrorResponse,
}
"""The documents that can be taken out of records, and what they are."""

_PART: Final[dict[type[Message], str]] = {
    CreateChatCompletionRequest: "request",
    ChatCompletion: "response",
    ErrorResponse: "error",
}


class Wrapper:
    """Makes columns of records of columns of documents of one type. Raises TypeError for a type that no record has.

    Args:
        message_type: that of the documents.
        threads: how many share the work; None for one a core.

    """

    def __init__(self, message_type: type[Message], threads: int | None = None) -> None:
        if message_type not in (*_PART, ChatCompletionChunk, ChatCompletionRecord):
            raise TypeError(f"a record has no {message_type.DESCRIPTOR.name}")
        self._type = message_type
        self._threads = threads
        self._id: object = None
        self._chunks: list[bytes] = []
        self._size = 0

    def records(self, wires: pa.Array) -> pa.Array:
        """The records of documents. The last chunks are held back until others, or `rest`, end their stream.

        Raises WireError.
        """
        if self._type is ChatCompletionRecord:
            return compact_records(wires, threads=self._threads)
        if part := _PART.get(self._type):
            return wrap_documents(wires, part)
        return pa.array(self._streams(wires.to_pylist()), pa.large_binary())

    def rest(self) -> pa.Array:
        """The record of the chunks that were held back."""
        return pa.array(self._ended(), pa.large_binary())

    def _streams(self, chunks: list[bytes]) -> Iterator[bytes]:
        (ids,) = (values_of("string", len(chunks), *each) for each in _chunk_ids().of_messages(chunks))
        for chunk, own in zip(chunks, ids, strict=True):
            if self._chunks and (own != self._id or self._size + len(chunk) > MAX_STREAM):
                yield from self._ended()
            self._id = own
            self._chunks.append(chunk)
            self._size += len(chunk)

    def _ended(self) -> Iterator[bytes]:
        if self._chunks:
            yield make_record(stream=compact_stream(self._chunks))
        self._chunks = []
        self._size = 0


def only(records: Iterable[bytes], name: str) -> Iterator[bytes]:
    """The documents of one kind, a name of ONLY, that records have. Raises WireError."""
    for record in records:
        parts = parts_of(record)
        if name == "chunk":
            yield from expand_stream(parts.get("stream", b""))
        elif name in parts:
            yield parts[name]


@cache
def _chunk_ids() -> Projection:
    field = schema_of(ChatCompletionChunk.DESCRIPTOR).members["id"].first
    return projection_of(["string"], [Leaf(0, 0, field.kind, (), field.number << 3 | field.wire_type, "id", {})])
