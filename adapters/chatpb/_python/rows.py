"""Columns of documents as Arrow has them: the bytes of all rows, and where each starts."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from itertools import pairwise

from chatpb._errors import JsonError, WireError


def rows_of(data: bytes | bytearray | memoryview, offsets: bytes | bytearray | memoryview) -> list[bytes]:
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
    data: bytes | bytearray | memoryview,
    offsets: bytes | bytearray | memoryview,
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
