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
from chatpb._records.parts import parts_of
from chatpb.arrow import compact_records, with_columns, wrap_documents
from chatpb.storage._batch import Batch, in_batches
from chatpb.storage._streams import StreamAssembler
from chatpb.streams.compact import expand_stream

__all__ = ["DocumentWrapper", "unwrap_documents"]

_PART_NAMES: Final = {document: name for name, document in RECORD_DOCUMENTS.items() if name != "chunk"}


class DocumentWrapper:
    """Makes records of documents of any types, in any order.

    Args:
        threads: how many threads share the work; None for one a core.

    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads
        self._streams = StreamAssembler()

    def wrap(self, documents: Batch, message_type: type[Message]) -> Iterator[Batch]:
        """Yield the records of documents of one type. Raises WireError, and TypeError for a type that no record has.

        Records are taken as they are, but with compact streams. Chunks are held back until their stream ends.
        """
        if message_type is ChatCompletionChunk:
            places = map(documents.place, range(len(documents.wire)))
            yield from in_batches(self._streams.add(documents.wire.to_pylist(), places))
        elif len(documents.wire):
            yield Batch(wrapped(documents.wire, message_type, self._threads), documents.place)

    def finish(self) -> Iterator[Batch]:
        """Yield the records of the chunks that were held back."""
        yield from in_batches(self._streams.finish())


def wrapped(wire: pa.Array, message_type: type[Message], threads: int | None = None) -> pa.Array:
    """Return the records of a column of documents other than chunks. Raises WireError, and TypeError as above."""
    if message_type is ChatCompletionRecord:
        if len(wire) == 1 and not with_columns(wire, threads=1).column("streamed")[0].as_py():
            return wire  # as it is, however large
        return compact_records(wire, threads=threads)
    if message_type not in _PART_NAMES:
        raise TypeError(f"a record has no {message_type.DESCRIPTOR.name}")
    return wrap_documents(wire, _PART_NAMES[message_type])


def unwrap_documents(records: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Yield the documents that records have under a name of RECORD_DOCUMENTS. Raises WireError."""
    for record in records:
        parts = parts_of(record)
        if name == "chunk":
            yield from expand_stream(parts.get("stream", b""))
        elif name in parts:
            yield parts[name]
