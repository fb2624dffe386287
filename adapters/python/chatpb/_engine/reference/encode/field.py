"""Encode single JSON values as the wire bytes of a scalar field that holds them exactly.

Rules: a field has an encoder for each Python type that its JSON values may have: str, bool, int, NumberText (a number
with a fraction or an exponent, or a long integer) and float (NaN and the infinities). An integer fits if the field's
range has it, a double if it loses nothing, bytes if the text is the one base64 spelling of them. Anything else raises
DoesNotFit.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from struct import pack
from typing import Any

from chatpb._contract.schema import INTEGER_RANGES, Field
from chatpb._engine.reference.encode.open_values import encode_string
from chatpb._json.number import DoesNotFit, NumberText, exact_double, exact_integer
from chatpb._wire.write import delimited, signed_varint

ValueEncoder = Callable[[Any, int], bytes]
"""Encodes a JSON value of one Python type: (value, nesting level of the object or array around it) -> wire bytes.
Raises DoesNotFit where the field cannot hold the value exactly."""


def scalar_encoders(field: Field, prefix: bytes) -> dict[type, ValueEncoder]:
    """Return the encoders of one value of a scalar field, by Python type. They write the prefix before the value."""
    match field.kind:
        case "enum":
            assert field.enum
            return {str: _enum_encoder(prefix, field.enum.number_of)}
        case "int32" | "int64" | "uint32" | "uint64":
            return _integer_encoders(prefix, *INTEGER_RANGES[field.kind])
        case "string":
            return {str: lambda value, depth: delimited(prefix, encode_string(value))}
        case "bytes":
            return {str: lambda value, depth: delimited(prefix, _decode_base64(value))}
        case "bool":
            return {bool: lambda value, depth: prefix + (b"\x01" if value else b"\x00")}
        case "double":
            return dict.fromkeys(
                (int, NumberText, float), lambda value, depth: prefix + pack("<d", exact_double(value))
            )
    raise AssertionError(f"{field.kind} is no scalar")


def _enum_encoder(prefix: bytes, number_of: dict[str, int]) -> ValueEncoder:
    encoded = {string: prefix + signed_varint(number) for string, number in number_of.items()}

    def encode(value: str, depth: int) -> bytes:
        if value not in encoded:
            raise DoesNotFit
        return encoded[value]

    return encode


def _integer_encoders(prefix: bytes, low: int, high: int) -> dict[type, ValueEncoder]:
    small = [prefix + signed_varint(number) for number in range(128)]

    def encode(value: int, depth: int) -> bytes:
        if 0 <= value < 128:
            return small[value]
        if low <= value <= high:
            return prefix + signed_varint(value)
        raise DoesNotFit

    return {int: encode, NumberText: lambda value, depth: encode(exact_integer(value), depth)}


def encode_byte_array(values: list[Any]) -> bytes:
    """Return an array of integers 0-255 as bytes. Raises DoesNotFit for other items."""
    integers = [exact_integer(value) if type(value) is NumberText else value for value in values]
    if not all(type(value) is int and 0 <= value <= 255 for value in integers):
        raise DoesNotFit
    return bytes(integers)


def _decode_base64(value: str) -> bytes:
    """Decode standard base64 with padding (RFC 4648, section 4), in the one spelling that its bytes have."""
    try:
        data = b64decode(value, validate=True)
    except ValueError:
        raise DoesNotFit from None
    if b64encode(data).decode() != value:
        raise DoesNotFit
    return data
