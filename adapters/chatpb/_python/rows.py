"""Columns of documents as Arrow has them: the bytes of all rows, and where each starts."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from itertools import pairwise

from chatpb._errors import JsonError, WireError
from chatpb._python.wire import Bad, delimited, read_span, varint

Data = bytes | bytearray | memoryview


def rows_of(data: Data, offsets: Data) -> list[bytes]:
    """The rows of an array: its bytes, and its offsets as 64-bit integers. Raises ValueError for other offsets."""
    places = array("q")
    view = memoryview(data)
    if len(memoryview(offsets)) % places.itemsize == 0:
        places.frombytes(offsets)
    ordered = all(0 <= start <= stop <= len(view) for start, stop in pairwise([0, *places]))
    if not places or not ordered:
        raise ValueError("offsets that are not those of the data")
    return [bytes(view[start:stop]) for start, stop in pairwise(places)]


def convert(
    data: Data,
    offsets: Data,
    work: Callable[[bytes], bytes],
) -> tuple[bytes, bytes]:
    """What becomes of each row: bytes and offsets. The path of an error starts with the row."""
    out = []
    ends = array("q", [0])
    for index, row in enumerate(rows_of(data, offsets)):
        try:
            out.append(work(row))
        except JsonError as error:
            path = f"/{index}{error.path}"
            raise JsonError(path, error.line, error.column, error.offset, error.reason) from None
        except WireError as error:
            raise WireError(f"/{index}{error.path}", error.offset, error.reason) from None
        ends.append(ends[-1] + len(out[-1]))
    return b"".join(out), ends.tobytes()


def rows_of_messages(messages: Data, /) -> tuple[bytes, bytes]:
    """Bytes and offsets of messages that each follow their length. Raises ValueError if they are cut short."""
    buffer = bytes(messages)
    out = []
    ends = array("q", [0])
    at = 0
    while at < len(buffer):
        try:
            start, at = read_span(buffer, at, len(buffer))
        except Bad:
            raise ValueError("messages that are cut short") from None
        out.append(buffer[start:at])
        ends.append(ends[-1] + at - start)
    return b"".join(out), ends.tobytes()


def messages_of_rows(data: Data, offsets: Data, /) -> bytes:
    """Each row after its length. Raises ValueError as `rows_of`."""
    return b"".join(delimited(b"", row) for row in rows_of(data, offsets))


def fields_of_rows(data: Data, offsets: Data, tag: int, /) -> tuple[bytes, bytes]:
    """Messages that have each row as the only field, of a tag. Raises ValueError as `rows_of`."""
    return convert(data, offsets, lambda row: delimited(varint(tag), row))
