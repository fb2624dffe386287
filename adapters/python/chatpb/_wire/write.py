"""Write the protobuf wire format: varints, tags and length-delimited fields."""

from __future__ import annotations

from typing import Final

_ONE_BYTE: Final = [bytes([n]) for n in range(128)]


def varint(value: int) -> bytes:
    """Return a non-negative integer below 2^64 as a varint."""
    if value < 128:
        return _ONE_BYTE[value]
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def signed_varint(value: int) -> bytes:
    """Return an integer of an int32, int64, uint32, uint64, bool or enum field as a varint.

    A negative integer is written as the two's complement of 64 bits.
    """
    return varint(value & 0xFFFF_FFFF_FFFF_FFFF)


def tag(number: int, wire_type: int) -> bytes:
    """Return the bytes of the tag that starts a field."""
    return varint(number << 3 | wire_type)


def delimited(prefix: bytes, payload: bytes) -> bytes:
    """Return a length-delimited field: the prefix, which is its tag or nothing, the payload's length, the payload."""
    size = len(payload)
    return prefix + (_ONE_BYTE[size] if size < 128 else varint(size)) + payload
