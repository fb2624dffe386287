"""Print JSON values: each in the one spelling that both engines give it."""

from __future__ import annotations

from collections.abc import Mapping
from json.encoder import encode_basestring
from math import isfinite
from typing import Any

from chatpb._json import SURROGATE
from chatpb._json.number import DoesNotFit, NumberText, exact_double
from chatpb._limits import MAX_EXACT_INTEGER


def print_double(value: float) -> str:
    """Return the JSON text of a double: an integer up to 2^53 without a fraction, else the shortest that reads back.

    From 1e-5 to below 1e16 the notation is plain, elsewhere it is scientific, with neither a plus sign nor leading
    zeros in the exponent. Not-a-number and the infinities print as Python and JavaScript name them.
    """
    if not isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if value == int(value) and abs(value) <= MAX_EXACT_INTEGER and (value or str(value) == "0.0"):
        return str(int(value))
    text = repr(value)
    mantissa, e, exponent = text.partition("e")
    if not e:
        return text
    if exponent == "-05":
        sign, digits = ("-", mantissa[1:]) if value < 0 else ("", mantissa)
        return f"{sign}0.0000{digits.replace('.', '')}"
    return f"{mantissa}e{int(exponent)}"


def print_string(value: str) -> str:
    """Return the JSON text of a string: as few escapes as RFC 8259 allows, and one for each lone surrogate."""
    text = encode_basestring(value)
    return text if text.isascii() else SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def print_value(value: Any) -> str:
    """Return the JSON text of any value: members in their order, numbers as they were written."""
    json_type = type(value)
    if json_type is str:
        return print_string(value)
    if json_type is dict:
        return print_object({name: print_value(item) for name, item in value.items()})
    if json_type is list:
        return "[" + ",".join([print_value(item) for item in value]) + "]"
    if json_type is float:
        return print_double(value)
    return "null" if value is None else "true" if value is True else "false" if value is False else str(value)


def print_object(members: Mapping[str, str]) -> str:
    """Return the JSON text of an object, given the text of each member."""
    return "{" + ",".join([f"{print_string(name)}:{text}" for name, text in members.items()]) + "}"


def print_canonical(value: Any) -> str:
    """Return the JSON text of any value: members sorted by name, each number in the spelling that its double has."""
    return print_value(_canonical(value))


def _canonical(value: Any) -> Any:
    json_type = type(value)
    if json_type is dict:
        names = sorted(value, key=lambda name: name.encode("utf-8", "surrogatepass"))
        return {name: _canonical(value[name]) for name in names}
    if json_type is list:
        return [_canonical(item) for item in value]
    if json_type is NumberText:
        try:
            return exact_double(value)
        except DoesNotFit:
            pass
    return value
