"""google.protobuf.Struct wire bytes to open JSON values."""

from __future__ import annotations

from math import isfinite
from struct import unpack_from
from typing import Any, Final

from chatpb._limits import MAX_DEPTH, MAX_EXACT_INTEGER
from chatpb._python.wire import (
    FIXED64,
    LEN,
    PAST_END,
    VARINT,
    Bad,
    read_span,
    read_string,
    read_tag,
    read_varint,
    skip_field,
)

KEY: Final = 1 << 3 | LEN
"""Tag of a map entry's key, of Struct.fields and of ListValue.values."""
VALUE: Final = 2 << 3 | LEN
_NULL_VALUE: Final = 1 << 3 | VARINT
_NUMBER_VALUE: Final = 2 << 3 | FIXED64
_STRING_VALUE: Final = 3 << 3 | LEN
_BOOL_VALUE: Final = 4 << 3 | VARINT
_STRUCT_VALUE: Final = 5 << 3 | LEN
_LIST_VALUE: Final = 6 << 3 | LEN

TOO_DEEP: Final = f"nesting deeper than {MAX_DEPTH} levels"


def read_double(buffer: bytes, at: int, end: int, nonfinite: bool) -> tuple[int | float, int]:
    """A double; an int where that is how it prints. Raises Bad for NaN and the infinities unless `nonfinite`."""
    if at + 8 > end:
        raise Bad(PAST_END)
    value: float = unpack_from("<d", buffer, at)[0]
    if -MAX_EXACT_INTEGER <= value <= MAX_EXACT_INTEGER and value == int(value):
        return value if not value and str(value) == "-0.0" else int(value), at + 8
    if not nonfinite and not isfinite(value):
        raise Bad("a number that is NaN or infinite, which is not JSON; nonfinite='allow' writes it")
    return value, at + 8


class StructReader:
    """Reads Structs for one choice of options. `depth` is the nesting level of the object read into."""

    def __init__(self, refuse_unknown: bool, nonfinite: bool) -> None:
        self.refuse_unknown = refuse_unknown
        self.nonfinite = nonfinite

    def struct(self, into: dict[str, Any], buffer: bytes, at: int, end: int, depth: int) -> None:
        """Read a google.protobuf.Struct."""
        while at < end:
            tag, at = read_tag(buffer, at, end)
            if tag != KEY:
                at = self.skip(tag, buffer, at, end)
                continue
            at, stop = read_span(buffer, at, end)
            key, value = "", None
            while at < stop:
                tag, at = read_tag(buffer, at, stop)
                if tag == KEY:
                    key, at = read_string(buffer, at, stop)
                elif tag == VALUE:
                    at, inner = read_span(buffer, at, stop)
                    value = self.value(value, buffer, at, inner, depth)
                    at = inner
                else:
                    at = self.skip(tag, buffer, at, stop)
            into[key] = value

    def value(self, value: Any, buffer: bytes, at: int, end: int, depth: int) -> Any:
        """Read a google.protobuf.Value over an earlier one of the same field. One of no kind is null."""
        while at < end:
            tag, at = read_tag(buffer, at, end)
            if tag == _STRING_VALUE:
                value, at = read_string(buffer, at, end)
            elif tag == _NUMBER_VALUE:
                value, at = read_double(buffer, at, end, self.nonfinite)
            elif tag == _BOOL_VALUE:
                number, at = read_varint(buffer, at, end)
                value = number != 0
            elif tag == _NULL_VALUE:
                _, at = read_varint(buffer, at, end)
                value = None
            elif tag in (_STRUCT_VALUE, _LIST_VALUE):
                if depth == MAX_DEPTH:
                    raise Bad(TOO_DEEP)
                at, stop = read_span(buffer, at, end)
                if tag == _STRUCT_VALUE:
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
        """Read a google.protobuf.ListValue."""
        while at < end:
            tag, at = read_tag(buffer, at, end)
            if tag == KEY:
                at, stop = read_span(buffer, at, end)
                into.append(self.value(None, buffer, at, stop, depth))
                at = stop
            else:
                at = self.skip(tag, buffer, at, end)

    def skip(self, tag: int, buffer: bytes, at: int, end: int) -> int:
        if self.refuse_unknown:
            raise Bad(f"field {tag >> 3}, which google.protobuf.Struct does not have")
        return skip_field(tag, buffer, at, end)
