"""Read columns of values from the wire bytes of many messages, into buffers in Arrow's layout.

Rules: a column has sources; each is a singular field at the end of a path of messages.

- Of a column's sources, the one of lowest rank that has a value counts. If it has several values, the last one counts.
  A zero or an empty string, as the last chunks of some streams have, counts only where there is nothing else.
- A column of type "strings" takes all values of all its sources, except empty ones.
- Where the message of a source lacks the field, a member of its JSON name in `additional_properties` takes its place:
  a string, or for a source of integers a number without a fraction. A source of numbers may be such a member alone.
- A field of another wire type than the source's is skipped, as every protobuf parser does.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from struct import unpack_from
from typing import Final

from google.protobuf.descriptor import Descriptor

from chatpb._contract.schema import ADDITIONAL_PROPERTIES, MessageSchema, schema_of
from chatpb._engine.codec import Column, ColumnBuffers, ColumnValue, Wire
from chatpb._engine.reference.batch.arrow_rows import rows_of
from chatpb._errors import WireError
from chatpb._limits import MAX_EXACT_INTEGER
from chatpb._wire import LEN
from chatpb._wire.read import FieldError, read_span, read_string, read_tag, read_varint, skip_field
from chatpb._wire.struct_tags import ENTRY_KEY, ENTRY_VALUE, NUMBER_VALUE, STRING_VALUE, STRUCT_FIELDS

_ADDITIONAL: Final = ADDITIONAL_PROPERTIES << 3 | LEN


@dataclass(frozen=True)
class _Source:
    """A place in a message from which a column takes its values.

    Attributes:
        column: the place of its column.
        rank: its place among the column's sources; the lowest that has a value counts.
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


_KINDS: Final = {
    "integer": ("int32", "int64"),
    "number": ("double",),
    "string": ("string", "enum"),
    "strings": ("string", "enum"),
    "present": ("message",),
}
"""By type of a column, the kinds of field that have such values."""

_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "string": str,
    "enum": str,
    "int32": int,
    "int64": int,
    "double": (int, float),
    "open": (int, float),
}
"""By kind of a source, the types of a member that may stand in for its field."""


def _source(index: int, column: Column, rank: int, path: str, schema: MessageSchema) -> _Source:
    *above, name = path.split(".")
    tags = []
    for step in above:
        field = schema.members[step].first if step in schema.members else None
        if field is None or field.kind != "message" or field.map_key:
            raise ValueError(f"not a source: {path}")
        tags.append(field.tag)
        schema = field.schema
    field = schema.members[name].first if name in schema.members else None
    if field is None and column.type == "number":
        return _Source(index, rank, "open", tuple(tags), 0, name, {})  # no field has this tag
    if field is None or field.map_key or field.kind not in _KINDS[column.type]:
        raise ValueError(f"not a source: {path}")
    kind = "present" if column.type == "present" else field.kind
    return _Source(index, rank, kind, tuple(tags), field.tag, name, field.enum.string_of if field.enum else {})


@dataclass
class _Node:
    """The sources in one message type of the path, and the messages inside that lead to others.

    Attributes:
        inside: by tag of a field, the node of the message in it.
        sources: the sources by tag.
        names: the sources that may also be among the additional members, by JSON name.

    """

    inside: dict[int, _Node] = field(default_factory=dict)
    sources: dict[int, list[_Source]] = field(default_factory=dict)
    names: dict[str, list[_Source]] = field(default_factory=dict)


@dataclass
class _Row:
    """The values that one message gives: for each column the value, or a list, and the rank of its source."""

    ranks: list[int]
    values: list[ColumnValue]

    def take(self, source: _Source, value: str | float) -> None:
        """Use the value for the source's column, unless a source of lower rank gave one, or it alone is empty."""
        found = self.values[source.column]
        if isinstance(found, list):
            if isinstance(value, str) and value:
                found.append(value)
        elif (not value, source.rank) <= (not found, self.ranks[source.column]):
            self.ranks[source.column] = source.rank
            self.values[source.column] = value


class ReferenceColumnReader:
    """Reads columns from messages. The sources are a tree of nodes, so that each message is read once."""

    def __init__(self, descriptor: Descriptor, columns: Sequence[Column]) -> None:
        schema = schema_of(descriptor)
        sources = [
            _source(index, column, rank, path, schema)
            for index, column in enumerate(columns)
            for rank, path in enumerate(column.sources)
        ]
        self._types = [column.type for column in columns]
        self._sources = len(sources)
        self._root = _Node()
        for source in sources:
            node = self._root
            for tag in source.above:
                node = node.inside.setdefault(tag, _Node())
            node.sources.setdefault(source.tag, []).append(source)
            if source.kind != "present":
                node.names.setdefault(source.name, []).append(source)

    def of_messages(self, messages: Sequence[bytes], /) -> list[ColumnBuffers]:
        """Return the columns of messages. Raises WireError; its path is the place of the message at fault."""
        rows = []
        for index, message in enumerate(messages):
            try:
                rows.append(self._row(message))
            except WireError as error:
                raise WireError(f"/{index}", error.offset, error.reason) from None
        return [_buffers(each, [row[column] for row in rows]) for column, each in enumerate(self._types)]

    def of_array(self, data: Wire, offsets: Wire, threads: int, /) -> list[ColumnBuffers]:
        """Return the columns of the messages in an Arrow array, given its bytes and 64-bit offsets.

        Raises WireError as `of_messages` does, and ValueError for offsets that do not fit the data.
        """
        return self.of_messages(rows_of(data, offsets))

    def _row(self, message: bytes) -> list[ColumnValue]:
        row = _Row([self._sources] * len(self._types), [[] if each == "strings" else None for each in self._types])
        _walk(self._root, message, 0, len(message), row)
        return row.values


def _walk(node: _Node, buffer: bytes, at: int, end: int, row: _Row) -> None:
    """Take the values of a node's sources from the message between two positions."""
    typed: set[int] = set()
    additional: list[tuple[str, str | float]] = []
    while at < end:
        start = at
        try:
            tag, at = read_tag(buffer, at, end)
            if inside := node.inside.get(tag):
                first, stop = read_span(buffer, at, end)
                _walk(inside, buffer, first, stop, row)
            for source in node.sources.get(tag, ()):
                value = _value(source, buffer, at, end)
                if value is not None:
                    typed.add(tag)
                    row.take(source, value)
            if tag == _ADDITIONAL and node.names:
                first, stop = read_span(buffer, at, end)
                additional += _additional_members(node, buffer, first, stop)
            at = skip_field(tag, buffer, at, end)
        except FieldError as error:
            raise WireError("", start, str(error)) from None
    for name, value in additional:
        for source in node.names[name]:
            if source.tag not in typed and isinstance(value, _TYPES[source.kind]):
                row.take(source, value)


def _value(source: _Source, buffer: bytes, at: int, end: int) -> str | float | None:
    """Read the value of a source's field. None stands for an enum value without a JSON string."""
    match source.kind:
        case "present":
            return 1
        case "string":
            return read_string(buffer, at, end)[0]
        case "double":
            skip_field(source.tag, buffer, at, end)
            number: float = unpack_from("<d", buffer, at)[0]
            return number
    value = read_varint(buffer, at, end)[0]
    if source.kind == "int64":
        return value - (value >> 63 << 64)
    value &= 0xFFFF_FFFF
    signed = value - (value >> 31 << 32)
    return source.strings.get(signed) if source.kind == "enum" else signed


def _additional_members(node: _Node, buffer: bytes, at: int, end: int) -> Iterator[tuple[str, str | float]]:
    """Yield the members of a Struct that are strings or numbers and have a name of a source."""
    while at < end:
        tag, at = read_tag(buffer, at, end)
        if tag == STRUCT_FIELDS:
            start, stop = read_span(buffer, at, end)
            name, value = _entry(buffer, start, stop)
            if name in node.names and value is not None:
                yield name, value
        at = skip_field(tag, buffer, at, end)


def _entry(buffer: bytes, at: int, end: int) -> tuple[str, str | float | None]:
    name = ""
    value: str | float | None = None
    while at < end:
        tag, at = read_tag(buffer, at, end)
        if tag == ENTRY_KEY:
            name = read_string(buffer, at, end)[0]
        elif tag == ENTRY_VALUE:
            start, stop = read_span(buffer, at, end)
            value = _scalar(buffer, start, stop)
        at = skip_field(tag, buffer, at, end)
    return name, value


def _scalar(buffer: bytes, at: int, end: int) -> str | float | None:
    """Read a google.protobuf.Value. Return the string or number that it is, None for anything else."""
    value: str | float | None = None
    while at < end:
        tag, at = read_tag(buffer, at, end)
        after = skip_field(tag, buffer, at, end)
        value = None
        if tag == STRING_VALUE:
            value = read_string(buffer, at, end)[0]
        elif tag == NUMBER_VALUE:
            number: float = unpack_from("<d", buffer, at)[0]
            value = int(number) if number.is_integer() and abs(number) <= MAX_EXACT_INTEGER else number
        at = after
    return value


def _buffers(column_type: str, column: list[ColumnValue]) -> ColumnBuffers:
    """Return the values of a column in Arrow's layout."""
    bits = bytearray((len(column) + 7) // 8)
    for row, value in enumerate(column):
        bits[row >> 3] |= (value is not None) << (row & 7)
    if column_type == "number":
        numbers = array("d", [value if isinstance(value, int | float) else 0.0 for value in column])
        return bytes(bits), b"", numbers.tobytes(), b""
    if column_type in ("integer", "present"):
        integers = array("q", [value if isinstance(value, int) else 0 for value in column])
        return bytes(bits), b"", integers.tobytes(), b""
    rows = [value if isinstance(value, list) else [value] if isinstance(value, str) else [""] for value in column]
    strings = [string.encode() for row in rows for string in row]
    offsets = array("i", accumulate(map(len, strings), initial=0))
    if column_type == "strings":
        lists = array("i", accumulate(map(len, rows), initial=0))
        return b"", lists.tobytes(), offsets.tobytes(), b"".join(strings)
    return bytes(bits), b"", offsets.tobytes(), b"".join(strings)
