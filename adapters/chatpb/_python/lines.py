"""Batches of the Python engine: JSON lines to length-delimited messages and back.

Each line is a document of its own; lines of nothing but whitespace are skipped. Positions in errors count from the
start of the input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chatpb._errors import JsonError, WireError
from chatpb._python.wire import Bad, delimited, read_varint

MAX_LENGTH: Final = 5
"""Bytes of the length before a message, at most, in a file."""

_PAST_END = "a message that runs past the end of the input"


def json_lines_to_wire(data: bytes | bytearray | memoryview | str, convert: Callable[[bytes | str], bytes]) -> bytes:
    """Each line's wire bytes after their length. Raises JsonError."""
    is_str = isinstance(data, str)
    text = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(memoryview(data))
    out = []
    start = 0
    for count, line in enumerate(text.split(b"\n")):
        if line.strip(b" \t\r"):
            try:
                out.append(delimited(b"", convert(line.decode("utf-8", "surrogatepass") if is_str else line)))
            except JsonError as error:
                raise JsonError(
                    error.path, error.line + count, error.column, error.offset + start, error.reason
                ) from None
        start += len(line) + 1
    return b"".join(out)


def wire_to_json_lines(wire: bytes | bytearray | memoryview, convert: Callable[[bytes], bytes]) -> bytes:
    """The JSON text of each message, each on a line of its own. Raises WireError."""
    buffer = bytes(memoryview(wire))
    out = []
    at = 0
    while at < len(buffer):
        start = at
        try:
            size, at = read_varint(buffer, at, len(buffer))
        except Bad as bad:
            reason = str(bad) if start + 10 <= len(buffer) else _PAST_END
            raise WireError("", start, reason) from None
        if size > len(buffer) - at:
            raise WireError("", start, _PAST_END)
        try:
            out.append(convert(buffer[at : at + size]) + b"\n")
        except WireError as error:
            raise WireError(error.path, error.offset + at, error.reason) from None
        at += size
    return b"".join(out)


def whole_messages(wire: bytes | bytearray | memoryview, limit: int, /) -> tuple[int, int]:
    """How many whole messages, each after its length, the bytes begin with, and where the last of them ends.

    One of more than `limit` bytes ends the run, as does a length of more than five bytes.
    """
    count = end = 0
    while end < len(wire):
        head = bytes(wire[end : end + MAX_LENGTH])
        try:
            size, at = read_varint(head, 0, len(head))
        except Bad:
            break
        if size > min(limit, len(wire) - end - at):
            break
        count, end = count + 1, end + at + size
    return count, end
