"""Wire bytes to a tree of messages: the first half of printing, and all that validation and statistics look at.

Rules: any valid encoding is read as protobuf's own parsers read it. Fields come in any order; a singular field that
comes again replaces the value or, being a message, is merged into it; an alternative of a oneof clears the others;
repeated scalars are packed or not; an entry of a map replaces an earlier one of its key. A field of another wire type
than the contract's counts as unknown. Everything that printing could stumble over is checked here, at the field where
it stands, so that printing cannot fail: text fields hold valid JSON, numbers are finite, nesting keeps its limit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from json.decoder import JSONDecodeError
from typing import Any

from google.protobuf.descriptor import Descriptor

from chatpb._errors import JsonError, WireError
from chatpb._limits import MAX_DEPTH, MAX_SIZE
from chatpb._python.open_values import Malformed, nesting, parser, print_value
from chatpb._python.read_struct import KEY, TOO_DEEP, VALUE, StructReader, read_double
from chatpb._python.text import check, pointer
from chatpb._python.wire import LEN, VARINT, Bad, read_span, read_string, read_tag, read_varint, skip_field
from chatpb._schema import (
    ADDITIONAL_PROPERTIES,
    EMPTY_FIELDS,
    NULL_FIELDS,
    VERBATIM_PROPERTIES,
    Field,
    Schema,
    schema_of,
)

Handler = Callable[["Message", bytes, int, int, int], int]
"""(message to put the value in, buffer, position after the tag, end of the message, depth) -> position after it."""

Reader = Callable[[Any, bytes, int, int, int], tuple[Any, int]]
"""(value read before, buffer, position after the tag, end of the message, depth) -> (value, position after it)."""


@dataclass(eq=False)
class Message:
    """One message as it was read.

    `values` has, by field number, an int, bool, float, str, bytes or Message; a list of those for a repeated field and
    for a message that stands for an array; a dict for a map. Doubles that are integers up to 2^53 are ints.
    `unknown_fields` counts what the contract does not know.
    """

    schema: Schema
    values: dict[int, Any] = field(default_factory=dict)
    empty_fields: int = 0
    null_fields: int = 0
    additional: dict[str, Any] = field(default_factory=dict)
    verbatim: dict[str, str] = field(default_factory=dict)
    unknown_fields: int = 0


def wire_to_tree(
    wire: bytes | bytearray | memoryview,
    descriptor: Descriptor,
    *,
    refuse_unknown: bool = False,
    nonfinite: bool = True,
    texts: bool = False,
) -> Message:
    """Parse a message. Raises WireError.

    `texts` demands valid JSON in the fields that carry JSON text, and prints it anew.
    """
    buffer = wire if isinstance(wire, bytes) else bytes(memoryview(wire))
    if len(buffer) > MAX_SIZE:
        raise WireError("", 0, f"a message of more than {MAX_SIZE} bytes")
    message = Message(schema_of(descriptor))
    try:
        _parser(refuse_unknown, nonfinite, texts).parse(message, buffer, 0, len(buffer), 1)
    except RecursionError:
        raise WireError("", 0, "nesting deeper than Python's stack has room for") from None
    return message


@cache
def _parser(refuse_unknown: bool, nonfinite: bool, texts: bool) -> _Parser:
    return _Parser(refuse_unknown, nonfinite, texts)


def _inside(error: WireError, *keys: str | int) -> WireError:
    """The error as it is seen from the message around the one where it happened."""
    return WireError(pointer(*keys) + error.path, error.offset, error.reason)


class _Parser:
    """Compiles and keeps the handlers for one choice of options."""

    def __init__(self, refuse_unknown: bool, nonfinite: bool, texts: bool) -> None:
        self.refuse_unknown = refuse_unknown
        self.nonfinite = nonfinite
        self.texts = texts
        self.parse_text = parser(nonfinite)
        self.structs = StructReader(refuse_unknown, nonfinite)
        self.handlers: dict[Schema, dict[int, Handler]] = {}

    def parse(self, message: Message, buffer: bytes, at: int, end: int, depth: int) -> None:
        """Read the fields between two positions into a message of the given nesting level."""
        handlers = self.handlers.get(message.schema) or self.compile(message.schema)
        start = at
        try:
            if depth > MAX_DEPTH:
                raise Bad(TOO_DEEP)
            while at < end:
                start = at
                tag, at = read_tag(buffer, at, end)
                handler = handlers.get(tag)
                if handler:
                    at = handler(message, buffer, at, end, depth)
                else:
                    at = self.skip(message, tag, buffer, at, end)
        except Bad as bad:
            raise WireError("", start, str(bad)) from None

    def skip(self, message: Message, tag: int, buffer: bytes, at: int, end: int) -> int:
        at = skip_field(tag, buffer, at, end)
        if self.refuse_unknown:
            raise Bad(f"field {tag >> 3}, which {message.schema.full_name} does not have in this form")
        message.unknown_fields += 1
        return at

    def compile(self, schema: Schema) -> dict[int, Handler]:
        handlers = self.handlers[schema] = {}
        for each in schema.fields():
            handlers.update(self.field(schema, each))
        if not schema.is_list:
            handlers[EMPTY_FIELDS << 3 | VARINT] = self.bits("empty_fields", schema.known_bits)
            handlers[NULL_FIELDS << 3 | VARINT] = self.bits("null_fields", schema.known_bits)
            handlers[ADDITIONAL_PROPERTIES << 3 | LEN] = self.additional
            handlers[VERBATIM_PROPERTIES << 3 | LEN] = self.verbatim
        return handlers

    def bits(self, name: str, known: int) -> Handler:
        def read(message: Message, buffer: bytes, at: int, end: int, depth: int) -> int:
            bits, at = read_varint(buffer, at, end)
            if bits & ~known and self.refuse_unknown:
                raise Bad(f"{name} names a field that {message.schema.full_name} does not have")
            setattr(message, name, bits)
            return at

        return read

    def additional(self, message: Message, buffer: bytes, at: int, end: int, depth: int) -> int:
        at, stop = read_span(buffer, at, end)
        self.structs.struct(message.additional, buffer, at, stop, depth)
        return stop

    def verbatim(self, message: Message, buffer: bytes, at: int, end: int, depth: int) -> int:
        key, value, at = self.entry(message, VALUE, self.text_value, buffer, at, end, depth)
        message.verbatim[key] = self.text("") if value is None else value
        return at

    def entry(
        self, message: Message, value_tag: int, read: Reader, buffer: bytes, at: int, end: int, depth: int
    ) -> tuple[str, Any, int]:
        """The key and the value of a map entry, and the position after it. The value is None where it is not set."""
        at, stop = read_span(buffer, at, end)
        key, value = "", None
        while at < stop:
            tag, at = read_tag(buffer, at, stop)
            if tag == KEY:
                key, at = read_string(buffer, at, stop)
            elif tag == value_tag:
                value, at = read(value, buffer, at, stop, depth)
            else:
                at = self.skip(message, tag, buffer, at, stop)
        return key, value, stop

    def field(self, schema: Schema, each: Field) -> dict[int, Handler]:
        """The handlers of a field, by tag."""
        number = each.number
        if each.map_key:
            return {number << 3 | LEN: self.map(each)}
        read = self.value(each)
        rivals = [f.number for f in schema.fields() if each.oneof and f.oneof == each.oneof and f is not each]
        # A message that stands for an array is itself the array's level of nesting, and has no name in a path.
        keys, level = ((), 0) if schema.is_list else ((each.name,), 1)

        def put(message: Message, buffer: bytes, at: int, end: int, depth: int) -> int:
            try:
                value, at = read(message.values.get(number), buffer, at, end, depth)
            except WireError as error:
                raise _inside(error, each.oneof or each.name) from None
            for rival in rivals:
                message.values.pop(rival, None)
            message.values[number] = value
            return at

        def append(message: Message, buffer: bytes, at: int, end: int, depth: int) -> int:
            items = message.values.setdefault(number, [])
            try:
                item, at = read(None, buffer, at, end, depth + level)
            except WireError as error:
                raise _inside(error, *keys, len(items)) from None
            items.append(item)
            return at

        def extend(message: Message, buffer: bytes, at: int, end: int, depth: int) -> int:
            items = message.values.setdefault(number, [])
            at, stop = read_span(buffer, at, end)
            while at < stop:
                item, at = read(None, buffer, at, stop, depth)
                items.append(item)
            return at

        if not each.repeated:
            return {number << 3 | each.wire_type: put}
        if each.is_packable:
            return {number << 3 | each.wire_type: append, number << 3 | LEN: extend}
        return {number << 3 | LEN: append}

    def map(self, each: Field) -> Handler:
        value_tag = 2 << 3 | each.map_value.wire_type
        read_value = self.value(each.map_value)

        def read(message: Message, buffer: bytes, at: int, end: int, depth: int) -> int:
            try:
                key, value, at = self.entry(message, value_tag, read_value, buffer, at, end, depth + 1)
            except WireError as error:
                raise _inside(error, each.name) from None
            if value is None:
                value = self.default(each.map_value)
            message.values.setdefault(each.number, {})[key] = value
            return at

        return read

    def default(self, each: Field) -> Any:
        """What a map entry without a value holds."""
        if each.kind == "message":
            return Message(each.schema)
        if each.kind == "text":
            return self.text("")
        return {"list": [], "string": "", "bytes": b"", "byte_array": b"", "bool": False}.get(each.kind, 0)

    def value(self, each: Field) -> Reader:
        """The reader of one value of a field."""
        match each.kind:
            case "message":
                return self.message_value(each.schema)
            case "list":
                return self.list_value(each)
            case "text":
                return self.text_value
            case "string":
                return lambda earlier, buffer, at, end, depth: read_string(buffer, at, end)
            case "bytes" | "byte_array":
                return _read_bytes
            case "bool":
                return _read_bool
            case "double":
                return lambda earlier, buffer, at, end, depth: read_double(buffer, at, end, self.nonfinite)
        return _integer_reader(*_INTEGER_FORMS[each.kind])

    def message_value(self, schema: Schema) -> Reader:
        def read(earlier: Any, buffer: bytes, at: int, end: int, depth: int) -> tuple[Message, int]:
            message = Message(schema) if earlier is None else earlier
            at, stop = read_span(buffer, at, end)
            self.parse(message, buffer, at, stop, depth + 1)
            return message, stop

        return read

    def list_value(self, each: Field) -> Reader:
        number = each.item.number

        def read(earlier: Any, buffer: bytes, at: int, end: int, depth: int) -> tuple[list[Any], int]:
            message = Message(each.schema, {number: earlier or []})
            at, stop = read_span(buffer, at, end)
            self.parse(message, buffer, at, stop, depth + 1)
            items: list[Any] = message.values[number]
            return items, stop

        return read

    def text_value(self, earlier: Any, buffer: bytes, at: int, end: int, depth: int) -> tuple[str, int]:
        text, at = read_string(buffer, at, end)
        return self.text(text, depth), at

    def text(self, text: str, depth: int = 0) -> str:
        """Check the text of a JSON value inside an object of the given nesting level."""
        if not self.texts:
            return text
        try:
            value = self.parse_text(text)
            levels = nesting(value)
            if levels > MAX_DEPTH:
                raise Malformed
            if depth + levels > MAX_DEPTH:
                raise Bad(TOO_DEEP)
        except (Malformed, JSONDecodeError, RecursionError) as failure:
            try:
                check(text, self.nonfinite, whole=False)
            except JsonError as error:
                raise Bad(f"text that is not a JSON value ({error.reason})") from None
            raise AssertionError("the parser refused text that the checker accepts") from failure
        return print_value(value)


def _read_bytes(earlier: Any, buffer: bytes, at: int, end: int, depth: int) -> tuple[bytes, int]:
    at, stop = read_span(buffer, at, end)
    return buffer[at:stop], stop


def _read_bool(earlier: Any, buffer: bytes, at: int, end: int, depth: int) -> tuple[bool, int]:
    number, at = read_varint(buffer, at, end)
    return number != 0, at


_INTEGER_FORMS = {
    "int32": (32, True),
    "int64": (64, True),
    "uint32": (32, False),
    "uint64": (64, False),
    "enum": (32, True),
}


def _integer_reader(bits: int, signed: bool) -> Reader:
    mask, sign = (1 << bits) - 1, 1 << bits - 1 if signed else 0

    def read(earlier: Any, buffer: bytes, at: int, end: int, depth: int) -> tuple[int, int]:
        value, at = read_varint(buffer, at, end)
        # A varint is cut to the field's width, as every protobuf runtime does.
        return ((value & mask) ^ sign) - sign, at

    return read
