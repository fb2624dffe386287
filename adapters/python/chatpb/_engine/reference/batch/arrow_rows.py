"""Convert columns of documents in the layout of Arrow: the bytes of all rows, and 64-bit offsets of where each starts.

Rules: there is one offset more than there are rows; the last is the end of the last row. The path of an error starts
with the number of the row.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from itertools import accumulate, pairwise

from chatpb._engine.codec import Wire
from chatpb._engine.reference.streams.compact import expanded_size
from chatpb._errors import JsonError, WireError
from chatpb._wire.read import FieldError, read_span
from chatpb._wire.write import delimited, varint


def rows_of(data: Wire, offsets: Wire) -> list[bytes]:
    """Return the rows of a column. Raises ValueError for offsets that do not fit the data."""
    places = array("q")
    view = memoryview(data)
    if len(memoryview(offsets)) % places.itemsize == 0:
        places.frombytes(offsets)
    ordered = all(0 <= start <= stop <= len(view) for start, stop in pairwise([0, *places]))
    if not places or not ordered:
        raise ValueError("offsets that are not those of the data")
    return [bytes(view[start:stop]) for start, stop in pairwise(places)]


def convert_rows(data: Wire, offsets: Wire, convert: Callable[[bytes], bytes]) -> tuple[bytes, bytes]:
    """Return the column of what `convert` makes of each row.

    Raises ValueError for offsets that do not fit the data, and what `convert` raises.
    """
    converted = []
    for index, row in enumerate(rows_of(data, offsets)):
        try:
            converted.append(convert(row))
        except JsonError as error:
            path = f"/{index}{error.path}"
            raise JsonError(path, error.line, error.column, error.offset, error.reason) from None
        except WireError as error:
            raise WireError(f"/{index}{error.path}", error.offset, error.reason) from None
    return _column(converted)


def rows_of_messages(messages: Wire, /) -> tuple[bytes, bytes]:
    """Return the column of messages that each follow their length. Raises ValueError if they are cut short."""
    buffer = bytes(messages)
    rows = []
    at = 0
    while at < len(buffer):
        try:
            start, at = read_span(buffer, at, len(buffer))
        except FieldError:
            raise ValueError("messages that are cut short") from None
        rows.append(buffer[start:at])
    return _column(rows)


def messages_of_rows(data: Wire, offsets: Wire, /) -> bytes:
    """Return the rows of a column, each after its length. Raises ValueError for offsets that do not fit the data."""
    return b"".join(delimited(b"", row) for row in rows_of(data, offsets))


def fields_of_rows(data: Wire, offsets: Wire, tag: int, /) -> tuple[bytes, bytes]:
    """Return the column of messages that each have a row as their only field, which has the tag.

    Raises ValueError for offsets that do not fit the data.
    """
    return convert_rows(data, offsets, lambda row: delimited(varint(tag), row))


def expanded_sizes(data: Wire, offsets: Wire, tag: int, /) -> bytes:
    """Return how many bytes each record has at most with its stream's chunks whole, as 64-bit integers.

    `tag` is that of a record's stream. Raises ValueError for offsets that do not fit the data.
    """
    return array("q", [expanded_size(row, tag) for row in rows_of(data, offsets)]).tobytes()


def _column(rows: list[bytes]) -> tuple[bytes, bytes]:
    return b"".join(rows), array("q", accumulate(map(len, rows), initial=0)).tobytes()
