"""Read the protobuf wire format: varints, tags, lengths, strings, and whole fields.

A reader takes the buffer, a position, and the end of the message around it, and returns the position after what it
read as its last result. It raises FieldError, which only says what is wrong: the caller knows where the field starts
and which message it is in, and raises WireError with both.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from chatpb._errors import WireError
from chatpb._limits import MAX_GROUP_DEPTH
from chatpb._wire import END_GROUP, FIXED32, FIXED64, LEN, START_GROUP, VARINT

PAST_END: Final = "a field that runs past the end of its message"
NO_GROUP: Final = "the end of a group that was not begun"


class FieldError(Exception):
    """What is wrong with the field being read."""


def read_varint(buffer: bytes, at: int, end: int) -> tuple[int, int]:
    """Read an unsigned integer of 64 bits. Bits beyond them are dropped, as protobuf's own parser does."""
    if at >= end:
        raise FieldError(PAST_END)
    byte = buffer[at]
    at += 1
    if byte < 128:
        return byte, at
    value = byte & 127
    for shift in range(7, 70, 7):
        if at >= end:
            raise FieldError(PAST_END)
        byte = buffer[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise FieldError("a varint of more than ten bytes")


def read_tag(buffer: bytes, at: int, end: int) -> tuple[int, int]:
    """Read a tag: `number << 3 | wire type`."""
    value, after = read_varint(buffer, at, end)
    if value >> 32 or after - at > 5:
        raise FieldError("a tag of more than 32 bits")
    if value < 8:
        raise FieldError("a field numbered 0")
    return value, after


def read_span(buffer: bytes, at: int, end: int) -> tuple[int, int]:
    """Read a length. Return the positions where the payload after it starts and stops."""
    size, at = read_varint(buffer, at, end)
    if size > end - at:
        raise FieldError(PAST_END)
    return at, at + size


def read_string(buffer: bytes, at: int, end: int) -> tuple[str, int]:
    """Read a length and that many bytes of UTF-8."""
    at, stop = read_span(buffer, at, end)
    try:
        # The quicker way copies the bytes first, which of a long text would take as much memory again.
        if stop - at < 4096:
            return buffer[at:stop].decode(), stop
        return str(memoryview(buffer)[at:stop], "utf-8"), stop
    except UnicodeDecodeError:
        raise FieldError("a string that is not valid UTF-8") from None


def skip_field(tag: int, buffer: bytes, at: int, end: int, depth: int = 0) -> int:
    """Return the position after the value of a field, given the position after its tag.

    `depth` is the number of groups around the field.
    """
    wire_type = tag & 7
    if wire_type == VARINT:
        return read_varint(buffer, at, end)[1]
    if wire_type == LEN:
        return read_span(buffer, at, end)[1]
    if wire_type in (FIXED64, FIXED32):
        at += 8 if wire_type == FIXED64 else 4
        if at > end:
            raise FieldError(PAST_END)
        return at
    if wire_type == START_GROUP:
        return _skip_group(tag >> 3, buffer, at, end, depth)
    raise FieldError(NO_GROUP if wire_type == END_GROUP else f"wire type {wire_type}, which does not exist")


def _skip_group(number: int, buffer: bytes, at: int, end: int, depth: int) -> int:
    if depth == MAX_GROUP_DEPTH:
        raise FieldError(f"groups nested deeper than {MAX_GROUP_DEPTH} levels")
    while True:
        tag, at = read_tag(buffer, at, end)
        if tag & 7 != END_GROUP:
            at = skip_field(tag, buffer, at, end, depth + 1)
        elif tag >> 3 == number:
            return at
        else:
            raise FieldError(NO_GROUP)


class WireField(NamedTuple):
    """One field as it stands on the wire."""

    tag: int
    buffer: bytes
    """What it was read from, which is not copied: a field may be nearly all of it."""
    at: int
    stop: int
    """Where it starts there, with its tag, and where it stops."""
    base: int
    """Offset of the buffer from the start of the input."""

    @property
    def data(self) -> bytes:
        """The bytes of the field, its tag included."""
        return self.buffer[self.at : self.stop]

    @property
    def start(self) -> int:
        """Offset of the field from the start of the input."""
        return self.base + self.at

    @property
    def payload(self) -> bytes:
        """The bytes after the length, of a field that has one."""
        return self.buffer[self._payload_at() : self.stop]

    @property
    def payload_start(self) -> int:
        """Offset of the payload from the start of the input."""
        return self.base + self._payload_at()

    def _payload_at(self) -> int:
        _, at = read_tag(self.buffer, self.at, self.stop)
        return read_span(self.buffer, at, self.stop)[0]


def fields_of(buffer: bytes, path: str = "", base: int = 0) -> list[WireField]:
    """Return the outermost fields of a message that starts at offset `base` of the input.

    Raises WireError, with the path given.
    """
    fields = []
    at = 0
    while at < len(buffer):
        start = at
        try:
            tag, at = read_tag(buffer, at, len(buffer))
            at = skip_field(tag, buffer, at, len(buffer))
        except FieldError as error:
            raise WireError(path, base + start, str(error)) from None
        fields.append(WireField(tag, buffer, start, at, base))
    return fields
