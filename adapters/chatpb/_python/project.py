"""Read columns of values from the wire bytes of many messages, without their objects: into buffers as Arrow has them.

Rules: a leaf is a singular field at the end of a path of messages. Of a column's leaves the one of lowest rank that
has a value counts, and of its values the last in the bytes; a column of strings has all values of all leaves. Where a
leaf's own message lacks the field, a string (or, for integers, an integral number) of its JSON name among the
`additional_properties` counts in its place. A field of another wire type is skipped, as by any parser.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from struct import unpack_from
from typing import Final

from chatpb._errors import WireError
from chatpb._limits import MAX_EXACT_INTEGER
from chatpb._python.rows import rows_of
from chatpb._python.wire import FIXED64, LEN, Bad, read_span, read_string, read_tag, read_varint, skip_field
from chatpb._schema import ADDITIONAL_PROPERTIES

Data = bytes | bytearray | memoryview
Value = str | int | list[str] | None
Buffers = tuple[bytes, bytes, bytes, bytes]
"""A column as Arrow lays it out: validity, a bit for each row; of a list of strings, the offsets of each row's first
string; integers of 64 bits, or the offsets of strings; the strings' UTF-8. Offsets have 32 bits and end with the end.
What a type has no use for is empty: strings in lists are never missing."""

_OPEN: Final = ADDITIONAL_PROPERTIES << 3 | LEN
# Tags of Struct.fields, of an entry's key and value, and of Value's number_value and string_value.
_ENTRY, _KEY, _VALUE, _NUMBER, _STRING = 10, 10, 18, 2 << 3 | FIXED64, 3 << 3 | LEN


@dataclass(frozen=True)
class Leaf:
    """A source of a column.

    Attributes:
        column: the place of its column.
        rank: its place among the column's sources.
        kind: that of the field, or "present": the field, a message, counts as 1.
        above: the tags of the fields that lead to it.
        tag: that of the field.
        name: its JSON name.
        strings: of an enum, the strings by number.

    """

    column: int
    rank: int
    kind: str
    above: tuple[int, ...]
    tag: int
    name: str
    strings: dict[int, str]


@dataclass
class _Node:
    """What is looked for in a message: by tag, messages to enter and leaves; by name, leaves among the open members."""

    inside: dict[int, _Node] = field(default_factory=dict)
    leaves: dict[int, list[Leaf]] = field(default_factory=dict)
    names: dict[str, list[Leaf]] = field(default_factory=dict)


@dataclass
class _Row:
    """The values of one message: of each column the rank of its source and the value, or a list."""

    ranks: list[int]
    values: list[Value]

    def take(self, leaf: Leaf, value: str | int) -> None:
        found = self.values[leaf.column]
        if isinstance(found, list):
            if isinstance(value, str):
                found.append(value)
        elif leaf.rank <= self.ranks[leaf.column]:
            self.ranks[leaf.column] = leaf.rank
            self.values[leaf.column] = value


class PythonProjection:
    """Reads columns from messages."""

    def __init__(self, types: Sequence[str], leaves: Sequence[Leaf]) -> None:
        self._types = list(types)
        self._sources = len(leaves)
        self._root = _Node()
        for leaf in leaves:
            node = self._root
            for tag in leaf.above:
                node = node.inside.setdefault(tag, _Node())
            node.leaves.setdefault(leaf.tag, []).append(leaf)
            if leaf.kind != "present":
                node.names.setdefault(leaf.name, []).append(leaf)

    def of_messages(self, messages: Sequence[bytes], /) -> list[Buffers]:
        """The columns of messages. Raises WireError; its path is the place of the message at fault."""
        rows = []
        for index, message in enumerate(messages):
            try:
                rows.append(self._row(message))
            except _BadAt as bad:
                raise WireError(f"/{index}", bad.at, bad.reason) from None
        return [_buffers(kind, [row[column] for row in rows]) for column, kind in enumerate(self._types)]

    def of_array(self, data: Data, offsets: Data, threads: int, /) -> list[Buffers]:
        """The columns of the messages of an Arrow array: its bytes, and its offsets as 64-bit integers."""
        return self.of_messages(rows_of(data, offsets))

    def _row(self, message: bytes) -> list[Value]:
        row = _Row([self._sources] * len(self._types), [[] if kind == "strings" else None for kind in self._types])
        _walk(self._root, message, 0, len(message), row)
        return row.values


class _BadAt(Exception):
    def __init__(self, at: int, reason: str) -> None:
        self.at = at
        self.reason = reason


def _walk(node: _Node, buffer: bytes, at: int, end: int, row: _Row) -> None:
    """Take what a node looks for from the message between two places."""
    typed: set[int] = set()
    others: list[tuple[str, str | int]] = []
    while at < end:
        start = at
        try:
            tag, at = read_tag(buffer, at, end)
            if inside := node.inside.get(tag):
                first, stop = read_span(buffer, at, end)
                _walk(inside, buffer, first, stop, row)
            for leaf in node.leaves.get(tag, ()):
                value = _value(leaf, buffer, at, end)
                if value is not None:
                    typed.add(tag)
                    row.take(leaf, value)
            if tag == _OPEN and node.names:
                first, stop = read_span(buffer, at, end)
                others += _open_members(node, buffer, first, stop)
            at = skip_field(tag, buffer, at, end)
        except Bad as bad:
            raise _BadAt(start, str(bad)) from None
    for name, value in others:
        for leaf in node.names[name]:
            if leaf.tag not in typed and isinstance(value, int) == leaf.kind.startswith("int"):
                row.take(leaf, value)


def _value(leaf: Leaf, buffer: bytes, at: int, end: int) -> str | int | None:
    match leaf.kind:
        case "present":
            return 1
        case "string":
            return read_string(buffer, at, end)[0]
    value = read_varint(buffer, at, end)[0]
    if leaf.kind == "int64":
        return value - (value >> 63 << 64)
    value &= 0xFFFF_FFFF
    signed = value - (value >> 31 << 32)
    return leaf.strings.get(signed) if leaf.kind == "enum" else signed


def _open_members(node: _Node, buffer: bytes, at: int, end: int) -> Iterator[tuple[str, str | int]]:
    """The strings and integers of a Struct whose names are looked for."""
    while at < end:
        tag, at = read_tag(buffer, at, end)
        if tag == _ENTRY:
            start, stop = read_span(buffer, at, end)
            name, value = _entry(buffer, start, stop)
            if name in node.names and value is not None:
                yield name, value
        at = skip_field(tag, buffer, at, end)


def _entry(buffer: bytes, at: int, end: int) -> tuple[str, str | int | None]:
    name = ""
    value: str | int | None = None
    while at < end:
        tag, at = read_tag(buffer, at, end)
        if tag == _KEY:
            name = read_string(buffer, at, end)[0]
        elif tag == _VALUE:
            start, stop = read_span(buffer, at, end)
            value = _scalar(buffer, start, stop)
        at = skip_field(tag, buffer, at, end)
    return name, value


def _scalar(buffer: bytes, at: int, end: int) -> str | int | None:
    """The string or the integer that a Value is."""
    value: str | int | None = None
    while at < end:
        tag, at = read_tag(buffer, at, end)
        after = skip_field(tag, buffer, at, end)
        value = None
        if tag == _STRING:
            value = read_string(buffer, at, end)[0]
        elif tag == _NUMBER:
            number: float = unpack_from("<d", buffer, at)[0]
            if number.is_integer() and abs(number) <= MAX_EXACT_INTEGER:
                value = int(number)
        at = after
    return value


def _buffers(kind: str, column: list[Value]) -> Buffers:
    bits = bytearray((len(column) + 7) // 8)
    for row, value in enumerate(column):
        bits[row >> 3] |= (value is not None) << (row & 7)
    if kind in ("integer", "present"):
        integers = array("q", [value if isinstance(value, int) else 0 for value in column])
        return bytes(bits), b"", integers.tobytes(), b""
    rows = [value if isinstance(value, list) else [value] if isinstance(value, str) else [""] for value in column]
    strings = [string.encode() for row in rows for string in row]
    offsets = array("i", accumulate(map(len, strings), initial=0))
    if kind == "strings":
        lists = array("i", accumulate(map(len, rows), initial=0))
        return b"", lists.tobytes(), offsets.tobytes(), b"".join(strings)
    return bytes(bits), b"", offsets.tobytes(), b"".join(strings)
