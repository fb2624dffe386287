"""Read wire bytes into a tree of messages: the first half of printing, and the input of validation and statistics.

Rules: any valid encoding is read as protobuf's own parsers read it.

- Fields come in any order. A field of another wire type than the contract's counts as unknown.
- A singular field that comes again replaces its earlier value. A message that comes again is merged into it.
- An alternative of a oneof clears the others.
- Repeated numbers, booleans and enums are packed or not.
- An entry of a map replaces an earlier entry with its key. A verbatim member with an empty text holds nothing, and is
  none.

Whatever could make printing fail is refused here, where the error can name the field at fault: JSON text that is not
valid, numbers that are not finite, nesting that is too deep. So printing cannot fail.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from json.decoder import JSONDecodeError
from typing import Any

from google.protobuf.descriptor import Descriptor

from chatpb._contract.schema import (
    ADDITIONAL_PROPERTIES,
    EMPTY_FIELDS,
    INTEGER_RANGES,
    MEMBER_ORDER,
    NULL_FIELDS,
    VERBATIM_PROPERTIES,
    Field,
    MessageSchema,
    schema_of,
)
from chatpb._errors import STACK_IS_FULL, JsonError, WireError
from chatpb._json.check import check_value
from chatpb._json.parse import MalformedJson, nesting, parser
from chatpb._json.pointer import pointer
from chatpb._json.print import print_value
from chatpb._limits import MAX_DEPTH, MAX_SIZE
from chatpb._tree.message import MessageTree
from chatpb._tree.read_struct import SKIPPED, TOO_DEEP, StructReader, read_double
from chatpb._wire import FIXED64, LEN, VARINT
from chatpb._wire.read import FieldError, read_span, read_string, read_tag, read_varint, skip_field
from chatpb._wire.struct_tags import ENTRY_KEY, ENTRY_VALUE

FieldReader = Callable[[MessageTree, bytes, int, int, int], int]
"""Reads a field into a message:
(message, buffer, position after the tag, end of the message, nesting level of the message) -> position after it."""

ValueReader = Callable[[Any, bytes, int, int, int], tuple[Any, int]]
"""Reads one value of a field:
(earlier value of the field or None, and the rest as a FieldReader takes it) -> (value, position after it)."""


def wire_to_tree(
    wire: bytes | bytearray | memoryview,
    descriptor: Descriptor,
    *,
    refuse_unknown: bool = False,
    nonfinite: bool = True,
    texts: bool = False,
) -> MessageTree:
    """Read a message.

    Args:
        refuse_unknown: whether a field that the contract does not have is an error.
        nonfinite: whether NaN and the infinities are accepted, as numbers and in JSON text.
        texts: whether fields that carry JSON text must be valid; they are then printed in the one spelling of values.

    Raises:
        WireError: the bytes are not a valid encoding, or hold what the options refuse.

    """
    buffer = wire if isinstance(wire, bytes) else bytes(memoryview(wire))
    if len(buffer) > MAX_SIZE:
        raise WireError("", 0, f"a message of more than {MAX_SIZE} bytes")
    message = MessageTree(schema_of(descriptor))
    try:
        _tree_reader(refuse_unknown, nonfinite, texts).parse(message, buffer, 0, len(buffer), 1)
    except RecursionError:
        raise WireError("", 0, STACK_IS_FULL) from None
    return message


@cache
def _tree_reader(refuse_unknown: bool, nonfinite: bool, texts: bool) -> _TreeReader:
    return _TreeReader(refuse_unknown, nonfinite, texts)


class _TextError(FieldError):
    """A field that carries JSON text holds something else.

    Attributes:
        name: the name of the member, if it is known.

    """

    name: str | None = None


def _inside(error: WireError, *keys: str | int) -> WireError:
    """Return an error of an inner message with its path from the message around it."""
    return WireError(pointer(*keys) + error.path, error.offset, error.reason)


class _TreeReader:
    """Reads messages with one choice of options. Each message type's field readers are made once, when first used."""

    def __init__(self, refuse_unknown: bool, nonfinite: bool, texts: bool) -> None:
        self.refuse_unknown = refuse_unknown
        self.nonfinite = nonfinite
        self.texts = texts
        self.parse_text = parser(nonfinite)
        self.structs = StructReader(refuse_unknown, nonfinite)
        self.readers: dict[MessageSchema, dict[int, FieldReader]] = {}

    def parse(self, message: MessageTree, buffer: bytes, at: int, end: int, depth: int) -> None:
        """Read the fields between two positions into a message."""
        readers = self.readers.get(message.schema) or self.compile(message.schema)
        start = at
        try:
            if depth > MAX_DEPTH:
                raise FieldError(TOO_DEEP)
            while at < end:
                start = at
                tag, at = read_tag(buffer, at, end)
                read_field = readers.get(tag)
                if read_field:
                    at = read_field(message, buffer, at, end, depth)
                else:
                    at = self.skip(message, tag, buffer, at, end)
        except FieldError as error:
            name = error.name if isinstance(error, _TextError) else None
            raise WireError("" if name is None else pointer(name), start, str(error)) from None

    def skip(self, message: MessageTree, tag: int, buffer: bytes, at: int, end: int) -> int:
        """Skip an unknown field and count it, or refuse it."""
        at = skip_field(tag, buffer, at, end)
        if self.refuse_unknown:
            raise FieldError(f"field {tag >> 3}, which {message.schema.full_name} does not have in this form{SKIPPED}")
        message.unknown_fields[tag >> 3] = message.unknown_fields.get(tag >> 3, 0) + 1
        return at

    def compile(self, schema: MessageSchema) -> dict[int, FieldReader]:
        """Return the readers of a message type's fields, by tag."""
        readers = self.readers[schema] = {}
        for each in schema.fields():
            readers.update(self.field_readers(schema, each))
        if schema.has_homes:
            readers[MEMBER_ORDER << 3 | LEN] = _read_member_order
            readers[EMPTY_FIELDS << 3 | VARINT] = self.bits_reader("empty_fields", schema.known_bits)
            readers[NULL_FIELDS << 3 | VARINT] = self.bits_reader("null_fields", schema.known_bits)
            readers[ADDITIONAL_PROPERTIES << 3 | LEN] = self.read_additional
            readers[VERBATIM_PROPERTIES << 3 | LEN] = self.read_verbatim
        return readers

    def bits_reader(self, name: str, known: int) -> FieldReader:
        def read(message: MessageTree, buffer: bytes, at: int, end: int, depth: int) -> int:
            bits, at = read_varint(buffer, at, end)
            if bits & ~known and self.refuse_unknown:
                raise FieldError(f"{name} names a field that {message.schema.full_name} does not have{SKIPPED}")
            setattr(message, name, bits)
            return at

        return read

    def read_additional(self, message: MessageTree, buffer: bytes, at: int, end: int, depth: int) -> int:
        at, stop = read_span(buffer, at, end)
        self.structs.struct(message.additional, buffer, at, stop, depth)
        return stop

    def read_verbatim(self, message: MessageTree, buffer: bytes, at: int, end: int, depth: int) -> int:
        key, text, at = self.read_entry(message, ENTRY_VALUE, _read_string, buffer, at, end, depth)
        if text:
            try:
                message.verbatim[key] = self.checked_text(text, depth)
            except _TextError as error:
                error.name = key
                raise
        else:
            message.verbatim.pop(key, None)
        return at

    def read_entry(
        self, message: MessageTree, value_tag: int, read: ValueReader, buffer: bytes, at: int, end: int, depth: int
    ) -> tuple[str, Any, int]:
        """Read the key and the value of a map entry. The value is None where the entry has none."""
        at, stop = read_span(buffer, at, end)
        key, value = "", None
        while at < stop:
            tag, at = read_tag(buffer, at, stop)
            if tag == ENTRY_KEY:
                key, at = read_string(buffer, at, stop)
            elif tag == value_tag:
                value, at = read(value, buffer, at, stop, depth)
            else:
                at = self.skip(message, tag, buffer, at, stop)
        return key, value, stop

    def field_readers(self, schema: MessageSchema, each: Field) -> dict[int, FieldReader]:
        """Return the readers of a field, by tag: a field whose values may be packed has two."""
        number = each.number
        if each.map_key:
            return {each.tag: self.map_reader(each)}
        read = self.value_reader(each)
        rivals = [f.number for f in schema.fields() if each.oneof and f.oneof == each.oneof and f is not each]
        # A message that stands for an array is itself the array's level of nesting, and has no name in a path.
        keys, level = ((), 0) if schema.is_list else ((each.name,), 1)

        def put(message: MessageTree, buffer: bytes, at: int, end: int, depth: int) -> int:
            try:
                value, at = read(message.values.get(number), buffer, at, end, depth)
            except WireError as error:
                raise _inside(error, each.oneof or each.name) from None
            except _TextError as error:
                error.name = each.oneof or each.name
                raise
            for rival in rivals:
                message.values.pop(rival, None)
            message.values[number] = value
            return at

        def append(message: MessageTree, buffer: bytes, at: int, end: int, depth: int) -> int:
            items = message.values.setdefault(number, [])
            try:
                item, at = read(None, buffer, at, end, depth + level)
            except WireError as error:
                raise _inside(error, *keys, len(items)) from None
            items.append(item)
            return at

        def extend(message: MessageTree, buffer: bytes, at: int, end: int, depth: int) -> int:
            items = message.values.setdefault(number, [])
            at, stop = read_span(buffer, at, end)
            while at < stop:
                item, at = read(None, buffer, at, stop, depth)
                items.append(item)
            return at

        if not each.repeated:
            return {each.tag: put}
        if each.is_packable:
            return {each.tag: append, number << 3 | LEN: extend}
        return {each.tag: append}

    def map_reader(self, each: Field) -> FieldReader:
        value_tag = each.map_value.tag
        read_value = self.value_reader(each.map_value)

        def read(message: MessageTree, buffer: bytes, at: int, end: int, depth: int) -> int:
            try:
                key, value, at = self.read_entry(message, value_tag, read_value, buffer, at, end, depth + 1)
            except WireError as error:
                raise _inside(error, each.name) from None
            if value is None:
                value = _default_value(each.map_value, read_value)
            message.values.setdefault(each.number, {})[key] = value
            return at

        return read

    def value_reader(self, each: Field) -> ValueReader:
        """Return the reader of one value of a field."""
        match each.kind:
            case "message":
                return self.message_reader(each.schema)
            case "list":
                return self.list_reader(each)
            case "text":
                return self.read_text
            case "string":
                return _read_string
            case "bytes" | "byte_array":
                return _read_bytes
            case "bool":
                return _read_bool
            case "double":
                return lambda earlier, buffer, at, end, depth: read_double(buffer, at, end, self.nonfinite)
        return _integer_reader(*INTEGER_RANGES[each.kind])

    def message_reader(self, schema: MessageSchema) -> ValueReader:
        def read(earlier: Any, buffer: bytes, at: int, end: int, depth: int) -> tuple[MessageTree, int]:
            message = MessageTree(schema) if earlier is None else earlier
            at, stop = read_span(buffer, at, end)
            self.parse(message, buffer, at, stop, depth + 1)
            return message, stop

        return read

    def list_reader(self, each: Field) -> ValueReader:
        number = each.item.number

        def read(earlier: Any, buffer: bytes, at: int, end: int, depth: int) -> tuple[list[Any], int]:
            message = MessageTree(each.schema, {number: earlier or []})
            at, stop = read_span(buffer, at, end)
            self.parse(message, buffer, at, stop, depth + 1)
            items: list[Any] = message.values[number]
            return items, stop

        return read

    def read_text(self, earlier: Any, buffer: bytes, at: int, end: int, depth: int) -> tuple[str, int]:
        text, at = read_string(buffer, at, end)
        return self.checked_text(text, depth), at

    def checked_text(self, text: str, depth: int = 0) -> str:
        """Check the text of a JSON value inside an object of a nesting level, and return it as `print_value` spells it.

        Text that need not be valid is returned as it is.
        """
        if not self.texts:
            return text
        try:
            value = self.parse_text(text)
            levels = nesting(value)
            if levels > MAX_DEPTH:
                raise MalformedJson
            if depth + levels > MAX_DEPTH:
                raise _TextError(TOO_DEEP)
        except (MalformedJson, JSONDecodeError, RecursionError) as failure:
            try:
                check_value(text, self.nonfinite)
            except JsonError as error:
                raise _TextError(f"text that is not a JSON value ({error.reason})") from None
            raise AssertionError("the quick parser refused text that the checker accepts") from failure
        return print_value(value)


def _read_string(earlier: Any, buffer: bytes, at: int, end: int, depth: int) -> tuple[str, int]:
    return read_string(buffer, at, end)


def _default_value(each: Field, read: ValueReader) -> Any:
    """Return the value of a map entry that has none: what zeros are read as."""
    zeros = bytes(8 if each.wire_type == FIXED64 else 1)
    return read(None, zeros, 0, len(zeros), 0)[0]


def _read_member_order(message: MessageTree, buffer: bytes, at: int, end: int, depth: int) -> int:
    message.member_order, at = _read_bytes(None, buffer, at, end, depth)
    return at


def _read_bytes(earlier: Any, buffer: bytes, at: int, end: int, depth: int) -> tuple[bytes, int]:
    at, stop = read_span(buffer, at, end)
    return buffer[at:stop], stop


def _read_bool(earlier: Any, buffer: bytes, at: int, end: int, depth: int) -> tuple[bool, int]:
    number, at = read_varint(buffer, at, end)
    return number != 0, at


def _integer_reader(low: int, high: int) -> ValueReader:
    mask, sign = high - low, -low

    def read(earlier: Any, buffer: bytes, at: int, end: int, depth: int) -> tuple[int, int]:
        value, at = read_varint(buffer, at, end)
        # A varint is cut to the field's width, as every protobuf runtime does.
        return ((value & mask) ^ sign) - sign, at

    return read
