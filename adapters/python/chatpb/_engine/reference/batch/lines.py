"""Convert many documents in one call: JSON lines to length-delimited messages, and back.

Rules: each line is a document of its own; a line of nothing but whitespace is skipped. Messages come each after their
length, a varint. The line and the offset of an error count from the start of the input; paths of violations
start with the place of the document.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from chatpb._engine.codec import JsonText, Wire
from chatpb._errors import ContractError, JsonError, WireError
from chatpb._limits import MAX_LENGTH_BYTES
from chatpb._wire.read import FieldError, read_varint
from chatpb._wire.write import delimited

_PAST_END: Final = "a message that runs past the end of the input"


def json_lines_to_wire(data: JsonText, encode: Callable[[bytes | str], bytes]) -> bytes:
    """Return the message of each line, which `encode` makes, after its length. Raises JsonError and ContractError."""
    is_str = isinstance(data, str)
    text = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(memoryview(data))
    out = []
    start = 0
    for count, line in enumerate(text.split(b"\n")):
        if line.strip(b" \t\r"):
            try:
                out.append(delimited(b"", encode(line.decode("utf-8", "surrogatepass") if is_str else line)))
            except JsonError as error:
                raise JsonError(
                    error.path, error.line + count, error.column, error.offset + start, error.reason
                ) from None
            except ContractError as error:
                found = [replace(each, path=f"/{len(out)}{each.path}") for each in error.violations]
                raise ContractError(found) from None
        start += len(line) + 1
    return b"".join(out)


def wire_to_json_lines(wire: Wire, print_message: Callable[[bytes], bytes]) -> bytes:
    """Return the JSON text of each message, which `print_message` makes, on a line of its own. Raises WireError."""
    buffer = bytes(memoryview(wire))
    out = []
    at = 0
    while at < len(buffer):
        start = at
        try:
            size, at = read_varint(buffer, at, len(buffer))
        except FieldError as error:
            reason = str(error) if start + 10 <= len(buffer) else _PAST_END
            raise WireError("", start, reason) from None
        if size > len(buffer) - at:
            raise WireError("", start, _PAST_END)
        try:
            out.append(print_message(buffer[at : at + size]) + b"\n")
        except WireError as error:
            raise WireError(error.path, error.offset + at, error.reason) from None
        at += size
    return b"".join(out)


def whole_messages(wire: Wire, limit: int, /) -> tuple[int, int]:
    """Return the count of whole messages, each after its length, that the bytes start with, and the end of the last.

    A length above `limit`, or of more than MAX_LENGTH_BYTES bytes, ends the count.
    """
    count = end = 0
    while end < len(wire):
        head = bytes(wire[end : end + MAX_LENGTH_BYTES])
        try:
            size, at = read_varint(head, 0, len(head))
        except FieldError:
            break
        if size > min(limit, len(wire) - end - at):
            break
        count, end = count + 1, end + at + size
    return count, end
