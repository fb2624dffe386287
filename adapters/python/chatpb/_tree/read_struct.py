"""Read open JSON values from the wire bytes of google.protobuf.Struct.

Rules: any valid encoding is read as protobuf's own parsers read it. Of the alternatives of a Value the last one counts;
an object or array that follows another one is merged into it. A Value without an alternative is null as an item of an
array. As a member it holds nothing, so it is none: several runtimes insert it where a program merely reads.
"""

from __future__ import annotations

from math import isfinite
from struct import unpack_from
from typing import Any, Final

from chatpb._limits import MAX_DEPTH
from chatpb._wire.read import PAST_END, FieldError, read_span, read_string, read_tag, read_varint, skip_field
from chatpb._wire.struct_tags import (
    BOOL_VALUE,
    ENTRY_KEY,
    ENTRY_VALUE,
    LIST_VALUE,
    LIST_VALUES,
    NULL_VALUE,
    NUMBER_VALUE,
    STRING_VALUE,
    STRUCT_FIELDS,
    STRUCT_VALUE,
)

_NOTHING: Final = object()
"""What a Value without an alternative is read as."""

SKIPPED: Final = "; unknown_fields='skip' leaves it out"

TOO_DEEP: Final = f"nesting deeper than {MAX_DEPTH} levels"


def read_double(buffer: bytes, at: int, end: int, nonfinite: bool) -> tuple[float, int]:
    """Read a double. Raises FieldError for NaN and infinities unless `nonfinite`."""
    if at + 8 > end:
        raise FieldError(PAST_END)
    value: float = unpack_from("<d", buffer, at)[0]
    if not nonfinite and not isfinite(value):
        raise FieldError("a number that is NaN or infinite, which is not JSON; nonfinite='allow' writes it")
    return value, at + 8


class StructReader:
    """Reads Structs with one choice of options. `depth` is the nesting level of the object or array read into."""

    def __init__(self, refuse_unknown: bool, nonfinite: bool) -> None:
        self.refuse_unknown = refuse_unknown
        self.nonfinite = nonfinite

    def struct(self, into: dict[str, Any], buffer: bytes, at: int, end: int, depth: int) -> None:
        """Read the members of a google.protobuf.Struct into a dict."""
        while at < end:
            tag, at = read_tag(buffer, at, end)
            if tag != STRUCT_FIELDS:
                at = self.skip(tag, buffer, at, end)
                continue
            at, stop = read_span(buffer, at, end)
            key, value = "", _NOTHING
            while at < stop:
                tag, at = read_tag(buffer, at, stop)
                if tag == ENTRY_KEY:
                    key, at = read_string(buffer, at, stop)
                elif tag == ENTRY_VALUE:
                    at, inner = read_span(buffer, at, stop)
                    value = self.value(value, buffer, at, inner, depth)
                    at = inner
                else:
                    at = self.skip(tag, buffer, at, stop)
            if value is _NOTHING:
                into.pop(key, None)
            else:
                into[key] = value

    def value(self, value: Any, buffer: bytes, at: int, end: int, depth: int) -> Any:
        """Read a google.protobuf.Value, given the value that the field had before it."""
        while at < end:
            tag, at = read_tag(buffer, at, end)
            if tag == STRING_VALUE:
                value, at = read_string(buffer, at, end)
            elif tag == NUMBER_VALUE:
                value, at = read_double(buffer, at, end, self.nonfinite)
            elif tag == BOOL_VALUE:
                number, at = read_varint(buffer, at, end)
                value = number != 0
            elif tag == NULL_VALUE:
                _, at = read_varint(buffer, at, end)
                value = None
            elif tag in (STRUCT_VALUE, LIST_VALUE):
                if depth == MAX_DEPTH:
                    raise FieldError(TOO_DEEP)
                at, stop = read_span(buffer, at, end)
                if tag == STRUCT_VALUE:
                    value = value if isinstance(value, dict) else {}
                    self.struct(value, buffer, at, stop, depth + 1)
                else:
                    value = value if isinstance(value, list) else []
                    self.list(value, buffer, at, stop, depth + 1)
                at = stop
            else:
                at = self.skip(tag, buffer, at, end)
        return value

    def list(self, into: Any, buffer: bytes, at: int, end: int, depth: int) -> None:
        """Read the items of a google.protobuf.ListValue into a list."""
        while at < end:
            tag, at = read_tag(buffer, at, end)
            if tag == LIST_VALUES:
                at, stop = read_span(buffer, at, end)
                value = self.value(_NOTHING, buffer, at, stop, depth)
                into.append(None if value is _NOTHING else value)
                at = stop
            else:
                at = self.skip(tag, buffer, at, end)

    def skip(self, tag: int, buffer: bytes, at: int, end: int) -> int:
        """Skip an unknown field, or refuse it."""
        if self.refuse_unknown:
            raise FieldError(f"field {tag >> 3}, which google.protobuf.Struct does not have{SKIPPED}")
        return skip_field(tag, buffer, at, end)
