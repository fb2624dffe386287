"""Records with their streams compact, and back to whole chunks.

Rules: `tag` is that of a record's stream. Pieces of a stream in several places are one, as protobuf merges them, and
what becomes of them stands in the place of the first. A stream that is as wanted already, and all other fields, stay
as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chatpb._python.stream import CHUNK, COMMON
from chatpb._python.wire import Span, delimited, fields_of, payload_of, varint


def compact_record(record: bytes, tag: int, compact: Callable[[Sequence[bytes]], bytes]) -> bytes:
    """The record with its stream compact, as `compact` makes it of chunks. Raises WireError."""

    def change(stream: bytes, fields: list[Span]) -> bytes:
        if any(field.tag == COMMON for field in fields):
            return stream
        return compact([payload_of(field) for field in fields if field.tag == CHUNK]) + _others(fields)

    return _with_stream(record, tag, change)


def expand_record(record: bytes, tag: int, expand: Callable[[bytes], list[bytes]]) -> bytes:
    """The record with its stream's chunks whole, as `expand` makes them of a stream. Raises WireError."""

    def change(stream: bytes, fields: list[Span]) -> bytes:
        if not any(field.tag == COMMON for field in fields):
            return stream
        return b"".join(delimited(varint(CHUNK), chunk) for chunk in expand(stream)) + _others(fields)

    return _with_stream(record, tag, change)


def _with_stream(record: bytes, tag: int, change: Callable[[bytes, list[Span]], bytes]) -> bytes:
    fields = fields_of(record)
    places = [place for place, field in enumerate(fields) if field.tag == tag]
    if not places:
        return record
    stream = b"".join(payload_of(fields[place]) for place in places)
    changed = delimited(varint(tag), change(stream, fields_of(stream)))
    kept = [
        field.data if field.tag != tag else changed if place == places[0] else b"" for place, field in enumerate(fields)
    ]
    return b"".join(kept)


def _others(fields: list[Span]) -> bytes:
    return b"".join(field.data for field in fields if field.tag not in (COMMON, CHUNK))
