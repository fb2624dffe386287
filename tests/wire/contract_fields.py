"""Fields of the contract's messages as wire bytes, by name."""

from __future__ import annotations

from chatcompletion import v1
from chatpb._wire import LEN, VARINT
from chatpb._wire.write import delimited, signed_varint, tag


def number_of(message: str, field: str) -> int:
    """Return the number of a field."""
    number: int = getattr(v1, message).DESCRIPTOR.fields_by_name[field].number
    return number


def delimited_field(message: str, field: str, payload: bytes) -> bytes:
    """Return a field that has a length, with its tag."""
    return delimited(tag(number_of(message, field), LEN), payload)


def varint_field(message: str, field: str, value: int) -> bytes:
    """Return a field that is a varint, with its tag."""
    return tag(number_of(message, field), VARINT) + signed_varint(value)


def deep_struct(levels: int) -> bytes:
    """Return a google.protobuf.Struct whose member `a` nests that many levels of objects."""
    struct = b""
    for _ in range(levels):
        struct = delimited(b"\x0a", b"\x0a\x01a" + delimited(b"\x12", delimited(b"\x2a", struct)))
    return struct
