"""The one value of a Parquet column chunk that has one row, read piece by piece.

Arrow holds a page as it is stored, the page, and the column that it makes of it: three times a large record. Here a
record is in memory once. What a chunk may have besides what this project writes (other encodings and compressions,
dictionaries, nulls, pages of the second version) is left to Arrow, and so is all that is damaged: its errors are then
the same for records of every size.
"""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from chatpb._wire.read import FieldError, read_varint

__all__ = ["only_value"]

_HEAD: Final = 1 << 10
"""Bytes in which a page's header is looked for: it has no statistics of the values."""

_PIECE: Final = 1 << 20

_DATA_PAGE: Final = 0
_DELTA_LENGTH_BYTE_ARRAY: Final = 6


class _Page(NamedTuple):
    """What the header of a page says of it.

    Attributes:
        start: how many bytes the header takes.
        stored: the bytes of the page as it is stored.
        size: the bytes of the page.
        checksum: the CRC-32 of the page as it is stored; None if it has none.

    """

    start: int
    stored: int
    size: int
    checksum: int | None


def only_value(file: pa.NativeFile, opened: pq.ParquetFile, group: int, column: int) -> bytes | None:
    """Return the only value of a column of a row group; None if it is not as this project writes it, or damaged.

    Args:
        file: the file of `opened`, open for reading.
        opened: the file as Arrow reads it.
        group: the place of the row group.
        column: the place of the column among those that hold values.

    """
    chunk = opened.metadata.row_group(group).column(column)
    if opened.schema.column(column).max_definition_level or chunk.num_values != 1 or chunk.compression != "ZSTD":
        return None
    file.seek(chunk.data_page_offset)
    try:
        page = _page(file.read(_HEAD))
        if page is None:
            return None
        file.seek(chunk.data_page_offset + page.start)
        stored: Any = _StoredPage(file, page.stored)
        value = _value(zstandard.ZstdDecompressor().stream_reader(stored, read_size=_PIECE), page.size)
        return value if stored.is_whole(page.checksum) else None
    except (FieldError, IndexError, zstandard.ZstdError):
        return None


class _StoredPage:
    """A page as it is stored, and its checksum so far."""

    def __init__(self, file: pa.NativeFile, size: int) -> None:
        self._file = file
        self._left = size
        self._checksum = 0

    def read(self, size: int) -> bytes:
        piece: bytes = self._file.read(min(size, self._left))
        self._left -= len(piece)
        self._checksum = zlib.crc32(piece, self._checksum)
        return piece

    def is_whole(self, checksum: int | None) -> bool:
        """Return whether all of it was read, and has a checksum, unless that is not known."""
        return not self._left and checksum in (None, self._checksum)


def _value(page: zstandard.ZstdDecompressionReader, size: int) -> bytes | None:
    """Return the value of a page of so many bytes; None if it has another size, or not one value."""
    start = page.read(_HEAD)
    at = count = 0
    for _ in range(3):  # the lengths of a block, its parts, and how many lengths there are
        count, at = read_varint(start, at, len(start))
    length, at = read_varint(start, at, len(start))
    if count != 1 or length != (size - at) << 1:
        return None
    value = BytesIO()
    value.write(memoryview(start)[at:])
    while value.tell() <= size and (piece := page.read(_PIECE)):
        value.write(piece)
    return value.getvalue() if value.tell() == size - at else None


def _page(head: bytes) -> _Page | None:
    """Read the header of a page, a struct in Thrift's compact protocol. None unless it is one that `_value` reads."""
    fields, start = _struct(head, 0)
    values = fields.get(5)
    if fields.get(1) != _DATA_PAGE or not isinstance(values, dict) or values.get(2) != _DELTA_LENGTH_BYTE_ARRAY:
        return None
    size, stored, checksum = (fields.get(number) for number in (2, 3, 4))
    if not isinstance(size, int) or not isinstance(stored, int) or isinstance(checksum, dict):
        return None
    return _Page(start, stored, size, None if checksum is None else checksum & 0xFFFF_FFFF)


_Fields = dict[int, "int | _Fields"]


def _struct(data: bytes, at: int) -> tuple[_Fields, int]:
    """Read a struct of integers and structs, and return its fields by number. Raises FieldError for any other."""
    fields: _Fields = {}
    number = 0
    while head := data[at]:
        kind, step = head & 15, head >> 4
        number += step
        if not step or kind not in (5, 12):
            raise FieldError("a field of another kind")
        if kind == 12:
            fields[number], at = _struct(data, at + 1)
        else:
            value, at = read_varint(data, at + 1, len(data))
            fields[number] = (value >> 1) ^ -(value & 1)
    return fields, at + 1
