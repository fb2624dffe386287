"""Documents wrapped into records, and taken out of them: completions, streams of chunks, requests and errors.

Each document becomes a record with that part alone; `_streams` makes streams of chunks. So taking the documents out of
all records gives those that came in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import pyarrow as pa
from google.protobuf.message import Message

from chatcompletion.v1 import ChatCompletionChunk, ChatCompletionRecord
from chatpb._contract.documents import RECORD_DOCUMENTS
from chatpb._files.memory import check_memory
from chatpb._files.read import MAX_DOCUMENT
from chatpb._records.parts import TAGS, compact_record, is_streamed, parts_of
from chatpb._wire.write import delimited, varint
from chatpb.arrow import compact_records, wrap_documents
from chatpb.storage._batch import Batch, in_batches
from chatpb.storage._streams import MAX_STREAM, StreamAssembler
from chatpb.streams.compact import expand_stream

__all__ = ["DocumentWrapper", "unwrap_documents", "wrapped_large"]

_PART_NAMES: Final = {document: name for name, document in RECORD_DOCUMENTS.items() if name != "chunk"}


_COMPACT_TIMES: Final = 3
"""How often a stream is in memory while it is made compact: it, what the engine writes, and the bytes made of that."""


class DocumentWrapper:
    """Makes records of documents of any types, in any order.

    Args:
        threads: how many threads share the work; None for one a core.
        max_record: bytes of a record at most. A stream may have half of that: its chunks are in memory, the stream
            that the engine makes of them, as Python's bytes too, and the record.

    """

    def __init__(self, threads: int | None = None, max_record: int = MAX_DOCUMENT) -> None:
        self._threads = threads
        self._max_record = max_record
        self._streams = StreamAssembler(min(MAX_STREAM, max_record // 2))

    def wrap(self, documents: Batch, message_type: type[Message]) -> Iterator[Batch]:
        """Yield the records of documents of one type.

        Raises WireError, TypeError for a type that no record has, and ChatpbError for a large chunk that takes more
        than twice the limit of a record.

        Records are taken as they are, but with compact streams. Chunks are held back until their stream ends.
        """
        if message_type is ChatCompletionChunk:
            if documents.large is not None:
                check_memory(4 * len(documents.large), self._max_record)
            places = map(documents.place, range(len(documents.wire)))
            yield from in_batches(self._streams.add(documents.wires(), places))
        elif len(documents.wire):
            yield Batch(wrapped(documents.wire, message_type, self._threads), documents.place)

    def finish(self) -> Iterator[Batch]:
        """Yield the records of the chunks that were held back."""
        yield from in_batches(self._streams.finish())


def wrapped(wire: pa.Array, message_type: type[Message], threads: int | None = None) -> pa.Array:
    """Return the records of a column of documents other than chunks. Raises WireError, and TypeError as above."""
    if message_type is ChatCompletionRecord:
        return compact_records(wire, threads=threads)
    return wrap_documents(wire, _part_name(message_type))


def wrapped_large(batch: Batch, message_type: type[Message], max_record: int) -> Batch:
    """Return the record of a large document other than a chunk, which is alone in its batch.

    Raises as `wrapped`, and ChatpbError where it takes more than twice the limit of a record.
    """
    document = batch.large or b""
    if message_type is not ChatCompletionRecord:
        record = delimited(varint(TAGS[_part_name(message_type)]), document)
    else:
        if is_streamed(document):
            check_memory(_COMPACT_TIMES * len(document), max_record)
        record = compact_record(document)
    return Batch.of_one(record, batch.place(0))


def _part_name(message_type: type[Message]) -> str:
    """Return the name of the part of a record that a document is. Raises TypeError if there is none."""
    if message_type not in _PART_NAMES:
        raise TypeError(f"a record has no {message_type.DESCRIPTOR.name}")
    return _PART_NAMES[message_type]


def unwrap_documents(records: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Yield the documents that records have under a name of RECORD_DOCUMENTS. Raises WireError."""
    for record in records:
        parts = parts_of(record)
        if name == "chunk":
            yield from expand_stream(parts.get("stream", b""))
        elif name in parts:
            yield parts[name]
