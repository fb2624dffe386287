"""Encode open JSON values as the wire bytes of google.protobuf.Struct.

Rules: a Struct holds a value exactly unless the value has an integer above 2^53, a number too large for a double, a
string with a lone surrogate, or more than MAX_STRUCT_DEPTH levels of nesting. Such a value raises DoesNotFit, and the
member goes to `verbatim_properties`.
"""

from __future__ import annotations

from struct import pack
from typing import Any, Final

from chatpb._json.number import DoesNotFit, exact_double
from chatpb._limits import MAX_STRUCT_DEPTH
from chatpb._wire import struct_tags
from chatpb._wire.write import delimited, varint

KEY: Final = varint(struct_tags.ENTRY_KEY)
_VALUE: Final = varint(struct_tags.ENTRY_VALUE)
FIELDS: Final = varint(struct_tags.STRUCT_FIELDS)
_VALUES: Final = varint(struct_tags.LIST_VALUES)
_NULL: Final = varint(struct_tags.NULL_VALUE) + b"\x00"
_NUMBER: Final = varint(struct_tags.NUMBER_VALUE)
_STRING: Final = varint(struct_tags.STRING_VALUE)
_TRUE: Final = varint(struct_tags.BOOL_VALUE) + b"\x01"
_FALSE: Final = varint(struct_tags.BOOL_VALUE) + b"\x00"
_STRUCT: Final = varint(struct_tags.STRUCT_VALUE)
_LIST: Final = varint(struct_tags.LIST_VALUE)


def encode_value(value: Any, canonical: bool, level: int = 0) -> bytes:
    """Return a JSON value as the payload of a google.protobuf.Value. Raises DoesNotFit."""
    json_type = type(value)
    if json_type is str:
        return delimited(_STRING, encode_string(value))
    if json_type is dict or json_type is list:
        if level == MAX_STRUCT_DEPTH:
            raise DoesNotFit
        if json_type is dict:
            entries = [(encode_string(name), encode_value(item, canonical, level + 1)) for name, item in value.items()]
            return delimited(_STRUCT, join_entries(FIELDS, entries, canonical))
        items = [delimited(_VALUES, encode_value(item, canonical, level + 1)) for item in value]
        return delimited(_LIST, b"".join(items))
    if value is None:
        return _NULL
    if json_type is bool:
        return _TRUE if value else _FALSE
    return _NUMBER + pack("<d", exact_double(value))


def join_entries(prefix: bytes, entries: list[tuple[bytes, bytes]], canonical: bool) -> bytes:
    """Return map entries, each given as a key and the payload of a value, in their order or in the canonical one."""
    if canonical:
        entries = sorted(entries, key=canonical_order)
    return b"".join([delimited(prefix, delimited(KEY, key) + delimited(_VALUE, value)) for key, value in entries])


def canonical_order(entry: tuple[bytes, bytes]) -> bytes:
    """Return the sort key of a map entry: its key's bytes, a longer key before one that begins it.

    That is the order of protobuf's own deterministic serialization (upb). 0xFF is in no UTF-8 text.
    """
    return entry[0] + b"\xff"


def encode_string(value: str) -> bytes:
    """Return a string as UTF-8. Raises DoesNotFit for a lone surrogate."""
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise DoesNotFit from None
