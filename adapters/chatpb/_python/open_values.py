"""Open JSON values: reading them, their google.protobuf.Struct wire bytes, and printing them.

A Struct holds a value exactly unless it has a number that is not a double of its own, a lone surrogate, or more than
MAX_STRUCT_DEPTH levels of nesting. Then `Unfit` is raised and the value goes to `verbatim_properties`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from json import JSONDecoder
from math import isinf
from struct import pack
from typing import Any

from chatpb._limits import MAX_EXACT_INTEGER, MAX_STRUCT_DEPTH
from chatpb._python.text import number_text, string_text
from chatpb._python.wire import LEN, delimited, tag

KEY_TAG = tag(1, LEN)
VALUE_TAG = tag(2, LEN)

_NULL = b"\x08\x00"  # null_value = 1
_NUMBER = b"\x11"  # number_value = 2
_STRING = tag(3, LEN)
_TRUE = b"\x20\x01"  # bool_value = 4
_FALSE = b"\x20\x00"
_STRUCT = tag(5, LEN)
_LIST = tag(6, LEN)
_FIELDS = tag(1, LEN)  # Struct.fields and ListValue.values


class Malformed(Exception):
    """The text is wrong somewhere; `text.check` says what and where."""


class Unfit(Exception):
    """The value has no exact form in the home that was tried."""


class Spelled(str):
    """A number as it is written: one with a fraction or an exponent, or an integer of twenty characters and more."""


@cache
def parser(nonfinite: bool) -> Callable[[str], Any]:
    """A parser of JSON text that keeps the spelling of numbers and refuses duplicate members.

    It raises Malformed, or what Python's own parser raises, for text that is wrong.
    """
    return JSONDecoder(
        object_pairs_hook=_members,
        parse_int=_integer,
        parse_float=Spelled,
        parse_constant=float if nonfinite else _refuse,
    ).decode


def _integer(text: str) -> int | Spelled:
    return int(text) if len(text) < 20 else Spelled(text)


def _refuse(constant: str) -> float:
    raise Malformed


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Malformed
    return members


def encode_value(value: Any, canonical: bool, level: int = 0) -> bytes:
    """A JSON value as the payload of a google.protobuf.Value. Raises Unfit."""
    kind = type(value)
    if kind is str:
        return delimited(_STRING, encode_string(value))
    if kind is dict or kind is list:
        if level == MAX_STRUCT_DEPTH:
            raise Unfit
        if kind is dict:
            entries = [(encode_string(name), encode_value(item, canonical, level + 1)) for name, item in value.items()]
            return delimited(_STRUCT, join_entries(_FIELDS, entries, canonical))
        items = [delimited(_FIELDS, encode_value(item, canonical, level + 1)) for item in value]
        return delimited(_LIST, b"".join(items))
    if value is None:
        return _NULL
    if kind is bool:
        return _TRUE if value else _FALSE
    return _NUMBER + pack("<d", exact_double(value))


def exact_double(value: float | Spelled) -> float:
    """The double that a number is. Raises Unfit for an integer that a double may round, and for what overflows one."""
    if type(value) is Spelled:
        double = float(value)
        if isinf(double) or value.lstrip("-").isdigit():
            raise Unfit
        return double
    if type(value) is int and abs(value) > MAX_EXACT_INTEGER:
        raise Unfit
    return float(value)


def join_entries(prefix: bytes, entries: list[tuple[bytes, bytes]], canonical: bool) -> bytes:
    """Map entries of (key, payload of a length-delimited value), in their order or in the canonical one."""
    if canonical:
        entries = sorted(entries, key=canonical_order)
    return b"".join([delimited(prefix, delimited(KEY_TAG, k) + delimited(VALUE_TAG, v)) for k, v in entries])


def canonical_order(entry: tuple[bytes, bytes]) -> bytes:
    """Sort key of a map entry: its key's bytes, a longer key before one that begins it.

    That is the order of protobuf's own deterministic serialization (upb). 0xFF is in no UTF-8 text.
    """
    return entry[0] + b"\xff"


def encode_string(value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise Unfit from None


def nesting(value: Any) -> int:
    """Levels of arrays and objects in a JSON value: 0 for a scalar."""
    if type(value) is dict:
        return 1 + max(map(nesting, value.values()), default=0)
    if type(value) is list:
        return 1 + max(map(nesting, value), default=0)
    return 0


def print_value(value: Any) -> str:
    """The JSON text of any value, members in their order, numbers as they were written."""
    kind = type(value)
    if kind is str:
        return string_text(value)
    if kind is dict:
        return print_object({name: print_value(item) for name, item in value.items()})
    if kind is list:
        return "[" + ",".join([print_value(item) for item in value]) + "]"
    if kind is float:
        return number_text(value)
    return "null" if value is None else "true" if value is True else "false" if value is False else str(value)


def print_object(members: Mapping[str, str]) -> str:
    """The JSON text of an object, from that of its members."""
    return "{" + ",".join([f"{string_text(name)}:{text}" for name, text in members.items()]) + "}"


def canonical_text(value: Any) -> str:
    """The JSON text of any value, members sorted by name, each number in the one spelling that it prints in."""
    return print_value(_canonical(value))


def _canonical(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        names = sorted(value, key=lambda name: name.encode("utf-8", "surrogatepass"))
        return {name: _canonical(value[name]) for name in names}
    if kind is list:
        return [_canonical(item) for item in value]
    if kind is Spelled:
        try:
            return exact_double(value)
        except Unfit:
            pass
    return value
