"""Where JSON values end in a text, found by their brackets, without making objects of them."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["end_of_value"]

_CLOSING: Final = {b"{": b"}", b"[": b"]"}

# Strings of a large text are short, since marks stand for long ones: see `long_strings`. A repetition without a limit
# takes memory for each turn.
_STRING: Final = rb'"[^"\\]*(?:\\.[^"\\]*){0,1000000}"'
_TO_BRACKET: Final = re.compile(rb'(?:[^"\[\]{}]*%b){0,50}[^"\[\]{}]*([\[\]{}]?)' % _STRING, re.DOTALL)
_SCALAR: Final = re.compile(rb'%b|[^\s,:"\[\]{}]+' % _STRING, re.DOTALL)


def end_of_value(text: bytes, at: int) -> int | None:
    """Return where the JSON value ends that begins at a place; None if it does not end, or its brackets do not match.

    What stands between the brackets is not looked at.

    Examples:
        >>> end_of_value(b'[{"a": "]"}, 7]', 1)
        11

    """
    if text[at : at + 1] not in _CLOSING:
        found = _SCALAR.match(text, at)
        return found.end() if found else None
    expected: list[bytes] = []
    for found in _TO_BRACKET.finditer(text, at):
        bracket = found[1]
        if bracket in _CLOSING:
            expected.append(_CLOSING[bracket])
        elif bracket:
            if bracket != expected.pop():
                return None
            if not expected:
                return found.end()
        elif found.end() == found.start():
            return None
    return None
