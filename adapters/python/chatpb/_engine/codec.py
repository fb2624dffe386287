"""The interface of an engine, which the native engine and the reference share.

Arguments are positional, since a call is part of what a small document costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from chatpb._errors import Violation
from chatpb._inputs import JsonText, Wire
from chatpb._json.dicts import Default

__all__ = ["ChunkAccumulator", "Codec", "Column", "ColumnBuffers", "ColumnReader", "ColumnValue", "JsonText", "Wire"]

ColumnValue = str | int | float | list[str] | None
ColumnBuffers = tuple[bytes, bytes, bytes, bytes]
"""A column in Arrow's layout: the validity of each row, one bit each; for lists of strings, the offset of each row's
first string; 64-bit integers or doubles, or the offsets of strings; the UTF-8 of strings. Offsets have 32 bits; the
last one is the end. A buffer that the type does not need is empty, as is the validity of lists, which are never
null."""


class Codec(Protocol):
    """The conversions of one message type: one document, lines and rows of documents, and streams with it as the chunk.

    Every function raises JsonError or WireError for bad input. Paths of errors in rows start with the row, and
    those of violations in lines with the place of the document.
    `strict` raises ContractError for a document with violations that it refuses; `validate_wire` then lists only those.
    `limit` raises MemoryError for JSON text of more bytes; the native engine never has more of them in memory.
    """

    def json_to_wire(self, data: JsonText, canonical: bool, nonfinite: bool, strict: bool = False, /) -> bytes: ...

    def validate_wire(self, wire: Wire, strict: bool, /) -> list[Violation]: ...

    def wire_to_json(
        self, wire: Wire, fill_required: bool, refuse_unknown: bool, nonfinite: bool, limit: int | None = None, /
    ) -> bytes: ...

    def dict_to_wire(
        self, obj: Any, default: Default | None, canonical: bool, nonfinite: bool, strict: bool = False, /
    ) -> bytes: ...

    def wire_to_dict(
        self, wire: Wire, fill_required: bool, refuse_unknown: bool, nonfinite: bool, /
    ) -> dict[str, Any]: ...

    def json_lines_to_wire(
        self, data: JsonText, canonical: bool, nonfinite: bool, threads: int, strict: bool = False, /
    ) -> bytes: ...

    def wire_to_json_lines(
        self, wire: Wire, fill_required: bool, refuse_unknown: bool, nonfinite: bool, threads: int, /
    ) -> bytes: ...

    def compact_stream(self, chunks: Sequence[bytes], /) -> bytes: ...

    def expand_stream(self, stream: bytes, /) -> list[bytes]: ...

    def accumulator(self, refuse_unknown: bool, nonfinite: bool, /) -> ChunkAccumulator: ...

    def split(self, completion: bytes, size: int | None, with_last: bool, /) -> Iterator[bytes]: ...

    def json_to_wire_rows(self, data: Wire, offsets: Wire, nonfinite: bool, threads: int, /) -> tuple[bytes, bytes]: ...

    def wire_to_json_rows(
        self, data: Wire, offsets: Wire, refuse_unknown: bool, nonfinite: bool, threads: int, /
    ) -> tuple[bytes, bytes]: ...

    def compact_records(self, data: Wire, offsets: Wire, tag: int, threads: int, /) -> tuple[bytes, bytes]: ...

    def expand_records(self, data: Wire, offsets: Wire, tag: int, threads: int, /) -> tuple[bytes, bytes]: ...


class ChunkAccumulator(Protocol):
    """Puts the chunks of a stream together."""

    def add(self, wire: Wire, /) -> None:
        """Add the next chunk. Raises WireError, and has then added nothing."""

    def copy(self) -> ChunkAccumulator:
        """Return an accumulator with the same chunks, to which others may be added."""

    def json(self) -> bytes:
        """Return the JSON text of the completion so far, members in the order in which they came."""


@dataclass(frozen=True)
class Column:
    """A column that is read from messages.

    Attributes:
        name: the column's name.
        type: the type of its values. "strings" is a list, which is empty where there are none; "number" is a double,
            also of a member that the contract does not have; "present" is 1 where a message is there, or no value.
        sources: JSON paths into the message, through every item of arrays, the preferred one first.

    """

    name: str
    type: Literal["string", "integer", "number", "strings", "present"]
    sources: tuple[str, ...]


class ColumnReader(Protocol):
    """Reads columns of values from the wire bytes of messages.

    Both functions raise WireError, whose path is the place of the message, and OverflowError for more than 2 GiB of
    strings in a column.
    """

    def of_messages(self, messages: Sequence[bytes], /) -> list[ColumnBuffers]: ...

    def of_array(self, data: Wire, offsets: Wire, threads: int, /) -> list[ColumnBuffers]: ...
