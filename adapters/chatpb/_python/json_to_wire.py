"""JSON text to wire bytes: each member of an object goes to the first home that holds it exactly.

Rules: Python's own parser reads the text; where it finds it wrong, `text.check` says what and where. The values are
then walked beside the schema, which is compiled once into encoders. A value that does not fit its typed field goes to
`additional_properties`, or else to `verbatim_properties`. Fields are written in number order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from json.decoder import JSONDecodeError
from typing import Any

from google.protobuf.descriptor import Descriptor

from chatpb._limits import MAX_DEPTH, MAX_STRUCT_DEPTH
from chatpb._python.open_values import (
    KEY_TAG,
    Malformed,
    Spelled,
    Unfit,
    canonical_order,
    canonical_text,
    encode_string,
    encode_value,
    join_entries,
    nesting,
    parser,
    print_value,
)
from chatpb._python.scalars import Encode, byte_array, scalar
from chatpb._python.text import BOM, check, decode
from chatpb._python.wire import LEN, VARINT, delimited, tag, varint
from chatpb._schema import (
    ADDITIONAL_PROPERTIES,
    EMPTY_FIELDS,
    NULL_FIELDS,
    VERBATIM_PROPERTIES,
    Field,
    Schema,
    schema_of,
)

_EMPTY_TAG = tag(EMPTY_FIELDS, VARINT)
_NULL_TAG = tag(NULL_FIELDS, VARINT)
_ADDITIONAL_TAG = tag(ADDITIONAL_PROPERTIES, LEN)
_VERBATIM_TAG = tag(VERBATIM_PROPERTIES, LEN)


def json_to_wire(
    data: bytes | bytearray | memoryview | str, descriptor: Descriptor, *, canonical: bool, nonfinite: bool
) -> bytes:
    """Wire bytes of the message that a JSON object stands for. Raises JsonError."""
    text = decode(data)
    try:
        value = parser(nonfinite)(text.removeprefix(BOM))
        if type(value) is not dict:
            raise Malformed
        return _encoder(canonical).message(schema_of(descriptor))(value, 0)
    except (Malformed, Unfit, JSONDecodeError, RecursionError) as failure:
        check(text, nonfinite)
        raise AssertionError("the engine refused text that the checker accepts") from failure


@cache
def _encoder(canonical: bool) -> _Encoder:
    return _Encoder(canonical)


class _Encoder:
    """Compiles and keeps the encoders for one choice of options."""

    def __init__(self, canonical: bool) -> None:
        self.canonical = canonical
        self.spell: Callable[[Any], str] = canonical_text if canonical else print_value
        self.messages: dict[Schema, Encode] = {}

    def message(self, schema: Schema) -> Encode:
        """The encoder of an object as the payload of a message."""
        if schema not in self.messages:
            self.messages[schema] = self.compile(schema)
        return self.messages[schema]

    def compile(self, schema: Schema) -> Encode:
        # By name: the member's bit, and by type of the JSON value the number and the encoder of the field for it.
        members = {
            name: (
                member.bit,
                {kind: (f.number, encode) for f in member.alternatives for kind, encode in self.field(f).items()},
            )
            for name, member in schema.members.items()
        }
        unknown: tuple[int, dict[type, tuple[int, Encode]]] = (0, {})

        def encode_message(value: dict[str, Any], depth: int) -> bytes:
            depth += 1
            # Only below this depth can Structs and typed arrays, which keep no count of their own, pass the limit.
            if depth > MAX_DEPTH - MAX_STRUCT_DEPTH and depth - 1 + nesting(value) > MAX_DEPTH:
                raise Malformed
            parts: dict[int, bytes] = {}
            empty = null = 0
            additional: list[tuple[bytes, bytes]] = []
            verbatim: list[tuple[bytes, bytes]] = []
            for name, item in value.items():
                bit, typed = members.get(name, unknown)
                if item is None and bit:
                    null |= bit
                    continue
                kind = type(item)
                if kind in typed:
                    number, encode = typed[kind]
                    try:
                        part = encode(item, depth)
                    except Unfit:
                        pass
                    else:
                        if part:
                            parts[number] = part
                        else:
                            empty |= bit
                        continue
                key = encode_string(name)
                try:
                    additional.append((key, encode_value(item, self.canonical)))
                except Unfit:
                    verbatim.append((key, self.text(item, depth)))
            if empty:
                parts[EMPTY_FIELDS] = _EMPTY_TAG + varint(empty)
            if null:
                parts[NULL_FIELDS] = _NULL_TAG + varint(null)
            if additional:
                entries = join_entries(KEY_TAG, additional, self.canonical)
                parts[ADDITIONAL_PROPERTIES] = delimited(_ADDITIONAL_TAG, entries)
            if verbatim:
                parts[VERBATIM_PROPERTIES] = join_entries(_VERBATIM_TAG, verbatim, self.canonical)
            return b"".join([parts[number] for number in sorted(parts)])

        return encode_message

    def text(self, value: Any, depth: int) -> bytes:
        """JSON text of a value that no Struct holds."""
        if depth + nesting(value) > MAX_DEPTH:
            raise Malformed
        return self.spell(value).encode()

    def field(self, field: Field) -> dict[type, Encode]:
        """By type of the JSON value: the encoder of the whole field. No bytes stand for an empty array or map."""
        if field.map_key:
            return {dict: self.map(field)}
        if field.repeated:
            return {list: self.repeated(field)}
        return self.singular(field, tag(field.number, field.wire_type))

    def singular(self, field: Field, prefix: bytes) -> dict[type, Encode]:
        """By type of the JSON value: the encoder of one value, after a prefix."""
        match field.kind:
            case "message":
                return {dict: self.submessage(field, prefix)}
            case "list":
                encode_items = self.repeated(field.item)
                return {list: lambda value, depth: delimited(prefix, encode_items(value, depth))}
            case "byte_array":
                return {list: lambda value, depth: delimited(prefix, byte_array(value))}
            case "text":
                return dict.fromkeys((str, int, Spelled, float, bool, list, dict), self.json_text(prefix))
        return scalar(field, prefix)

    def submessage(self, field: Field, prefix: bytes) -> Encode:
        encode_message: Encode | None = None

        def encode(value: Any, depth: int) -> bytes:
            nonlocal encode_message
            # Compiled when first used, so that a message type may contain itself.
            encode_message = encode_message or self.message(field.schema)
            return delimited(prefix, encode_message(value, depth))

        return encode

    def json_text(self, prefix: bytes) -> Encode:
        def encode(value: Any, depth: int) -> bytes:
            if depth + nesting(value) > MAX_DEPTH:
                raise Malformed
            return delimited(prefix, print_value(value).encode())

        return encode

    def repeated(self, field: Field) -> Encode:
        if field.is_packable:
            prefix = tag(field.number, LEN)
            encode_items = _array(self.singular(field, b""))
            return lambda value, depth: delimited(prefix, encode_items(value, depth)) if value else b""
        return _array(self.singular(field, tag(field.number, LEN)))

    def map(self, field: Field) -> Encode:
        prefix = tag(field.number, LEN)
        typed = self.singular(field.map_value, tag(field.map_value.number, field.map_value.wire_type))

        def encode(value: dict[str, Any], depth: int) -> bytes:
            entries = [(encode_string(name), _typed(typed, item)(item, depth + 1)) for name, item in value.items()]
            if self.canonical:
                entries.sort(key=canonical_order)
            return b"".join([delimited(prefix, delimited(KEY_TAG, k) + v) for k, v in entries])

        return encode


def _array(typed: dict[type, Encode]) -> Encode:
    """The encoder of an array's items, one after the other."""
    return lambda value, depth: b"".join([_typed(typed, item)(item, depth + 1) for item in value])


def _typed(typed: dict[type, Encode], value: Any) -> Encode:
    encode = typed.get(type(value))
    if not encode:
        raise Unfit
    return encode
