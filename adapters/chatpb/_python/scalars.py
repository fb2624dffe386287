"""Single JSON values to the wire bytes of a typed field that holds them exactly.

A field has an encoder for each Python type that its JSON values may have: str, int, Spelled (a number with a fraction
or an exponent), float (NaN and the infinities) or bool.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from math import copysign
from struct import pack
from typing import Any

from chatpb._limits import MAX_EXACT_INTEGER
from chatpb._python.open_values import Spelled, Unfit, encode_string, exact_double
from chatpb._python.wire import delimited, signed_varint
from chatpb._schema import INTEGER_RANGES, Field

Encode = Callable[[Any, int], bytes]
"""(a JSON value of the type it is for, depth of the container around it) -> field bytes, or none for an empty array or
map. Raises Unfit where the field cannot hold the value exactly."""


def scalar(field: Field, prefix: bytes) -> dict[type, Encode]:
    """By type of the JSON value: the encoder of one value of a scalar field, after a prefix."""
    if field.enum:
        return {str: _enum(prefix, field.enum.number_of)}
    if field.kind in INTEGER_RANGES:
        return _integer(prefix, *INTEGER_RANGES[field.kind])
    match field.kind:
        case "string":
            return {str: lambda value, depth: delimited(prefix, encode_string(value))}
        case "bytes":
            return {str: lambda value, depth: delimited(prefix, _decode_base64(value))}
        case "bool":
            return {bool: lambda value, depth: prefix + (b"\x01" if value else b"\x00")}
        case "double":
            return dict.fromkeys((int, Spelled, float), lambda value, depth: prefix + pack("<d", exact_double(value)))
    raise AssertionError(f"{field.kind} is no scalar")


def _enum(prefix: bytes, number_of: dict[str, int]) -> Encode:
    encoded = {string: prefix + signed_varint(number) for string, number in number_of.items()}

    def encode(value: str, depth: int) -> bytes:
        if value not in encoded:
            raise Unfit
        return encoded[value]

    return encode


def _integer(prefix: bytes, low: int, high: int) -> dict[type, Encode]:
    small = [prefix + signed_varint(number) for number in range(128)]

    def encode(value: int, depth: int) -> bytes:
        if 0 <= value < 128:
            return small[value]
        if low <= value <= high:
            return prefix + signed_varint(value)
        raise Unfit

    return {int: encode, Spelled: lambda value, depth: encode(integral(value), depth)}


def byte_array(values: list[Any]) -> bytes:
    """An array of integers 0-255 as bytes."""
    integers = [integral(value) if type(value) is Spelled else value for value in values]
    if not all(type(value) is int and 0 <= value <= 255 for value in integers):
        raise Unfit
    return bytes(integers)


def integral(value: Spelled) -> int:
    """The integer that a number is: any written as one, or a double up to 2^53 but minus zero."""
    if value.lstrip("-").isdigit():
        # Twenty characters hold every 64-bit integer.
        return int(value[:21])
    double = exact_double(value)
    if abs(double) > MAX_EXACT_INTEGER or double != int(double) or (not double and copysign(1, double) < 0):
        raise Unfit
    return int(double)


def _decode_base64(value: str) -> bytes:
    """Standard base64 with padding (RFC 4648, section 4), in the one spelling that its bytes have."""
    try:
        data = b64decode(value, validate=True)
    except ValueError:
        raise Unfit from None
    if b64encode(data).decode() != value:
        raise Unfit
    return data
