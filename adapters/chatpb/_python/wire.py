"""The protobuf wire format: tags, varints, lengths and strings, written and read.

Readers are given the buffer, a position, and the end of the message around it, and return a position last. They raise
Bad; the message's parser adds where.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from chatpb._errors import WireError
from chatpb._limits import MAX_GROUP_DEPTH

VARINT: Final = 0
FIXED64: Final = 1
LEN: Final = 2
START_GROUP: Final = 3
END_GROUP: Final = 4
FIXED32: Final = 5

PAST_END: Final = "a field that runs past the end of its message"

_ONE_BYTE: Final = [bytes([n]) for n in range(128)]


def varint(value: int) -> bytes:
    """A non-negative integer below 2^64 as a varint."""
    if value < 128:
        return _ONE_BYTE[value]
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def signed_varint(value: int) -> bytes:
    """An integer of an int32, int64, uint32, uint64, bool or enum field as a varint (two's complement of 64 bits)."""
    return varint(value & 0xFFFF_FFFF_FFFF_FFFF)


def tag(number: int, wire_type: int) -> bytes:
    """The tag that opens a field."""
    return varint(number << 3 | wire_type)


def delimited(prefix: bytes, payload: bytes) -> bytes:
    """A length-delimited field: its tag, the payload's length, the payload."""
    size = len(payload)
    return prefix + (_ONE_BYTE[size] if size < 128 else varint(size)) + payload


class Bad(Exception):
    """What is wrong with the field being read."""


def read_varint(buffer: bytes, at: int, end: int) -> tuple[int, int]:
    """An unsigned integer of 64 bits; bits of the tenth byte beyond them are dropped, as protobuf's own parser does."""
    if at >= end:
        raise Bad(PAST_END)
    byte = buffer[at]
    at += 1
    if byte < 128:
        return byte, at
    value = byte & 127
    for shift in range(7, 70, 7):
        if at >= end:
            raise Bad(PAST_END)
        byte = buffer[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise Bad("a varint of more than ten bytes")


def read_tag(buffer: bytes, at: int, end: int) -> tuple[int, int]:
    """A tag: field number << 3 | wire type."""
    value, after = read_varint(buffer, at, end)
    if value >> 32 or after - at > 5:
        raise Bad("a tag of more than 32 bits")
    if value < 8:
        raise Bad("a field numbered 0")
    return value, after


def read_span(buffer: bytes, at: int, end: int) -> tuple[int, int]:
    """A length: the positions where what it measures starts and stops."""
    size, at = read_varint(buffer, at, end)
    if size > end - at:
        raise Bad(PAST_END)
    return at, at + size


def read_string(buffer: bytes, at: int, end: int) -> tuple[str, int]:
    at, stop = read_span(buffer, at, end)
    try:
        return buffer[at:stop].decode(), stop
    except UnicodeDecodeError:
        raise Bad("a string that is not valid UTF-8") from None


def skip_field(tag: int, buffer: bytes, at: int, end: int, depth: int = 0) -> int:
    """Step over the value of a field of any kind."""
    match tag & 7:
        case 0:
            return read_varint(buffer, at, end)[1]
        case 1 | 5 as fixed:
            at += 8 if fixed == FIXED64 else 4
            if at > end:
                raise Bad(PAST_END)
            return at
        case 2:
            return read_span(buffer, at, end)[1]
        case 3:
            if depth == MAX_GROUP_DEPTH:
                raise Bad(f"groups nested deeper than {MAX_GROUP_DEPTH} levels")
            while True:
                inner, at = read_tag(buffer, at, end)
                if inner & 7 == END_GROUP:
                    break
                at = skip_field(inner, buffer, at, end, depth + 1)
            if inner >> 3 == tag >> 3:
                return at
            raise Bad("the end of a group that was not begun")
        case 4:
            raise Bad("the end of a group that was not begun")
    raise Bad(f"wire type {tag & 7}, which does not exist")


class Span(NamedTuple):
    """A field as it stands on the wire: its tag, its bytes with the tag, and where they start in the input."""

    tag: int
    data: bytes
    start: int


def fields_of(buffer: bytes, path: str = "", base: int = 0) -> list[Span]:
    """The outermost fields of a message that starts at `base` of the input. Raises WireError, with the path given."""
    out = []
    at = 0
    while at < len(buffer):
        start = at
        try:
            key, at = read_tag(buffer, at, len(buffer))
            at = skip_field(key, buffer, at, len(buffer))
        except Bad as bad:
            raise WireError(path, base + start, str(bad)) from None
        out.append(Span(key, buffer[start:at], base + start))
    return out


def payload_of(field: Span) -> bytes:
    """What a length-delimited field holds."""
    _, at = read_tag(field.data, 0, len(field.data))
    start, stop = read_span(field.data, at, len(field.data))
    return field.data[start:stop]


def payload_start(field: Span) -> int:
    """Where in the input that starts."""
    return field.start + len(field.data) - len(payload_of(field))
