"""Encode JSON text as wire bytes.

Rules: each member of an object goes to the first of its homes that holds it exactly, so that nothing is lost.

1. null, of a member that the contract has, sets the member's bit in `null_fields`.
2. A value that fits a typed field of the member goes there. An empty array or object would leave no trace in a repeated
   field or a map, so it sets the member's bit in `empty_fields`.
3. Any other value goes to `additional_properties`, as does every member that the contract does not have.
4. A value that no Struct holds exactly goes to `verbatim_properties`, as JSON text.

An array or an object fits a repeated field or a map only if each of its items fits. An object fits a message unless one
of its names has a lone surrogate. A message is written in the order of its field numbers.

An envelope is a message that has typed fields alone, so an object fits it only if each member fits its typed field. If
the outermost message is one, an object that does not fit is an error.

The text is parsed with Python's own parser, and each message type is compiled once into a table of encoders by member
name and type of the value. If the parser or an encoder finds the text wrong, `check_document` reports what and where.
"""

from __future__ import annotations

from functools import cache
from json.decoder import JSONDecodeError
from typing import Any, Final

from google.protobuf.descriptor import Descriptor

from chatpb._contract.schema import (
    ADDITIONAL_PROPERTIES,
    EMPTY_FIELDS,
    MEMBER_ORDER,
    NULL_FIELDS,
    VERBATIM_PROPERTIES,
    Field,
    MessageSchema,
    schema_of,
)
from chatpb._engine.codec import JsonText
from chatpb._engine.reference.encode.field import ValueEncoder, encode_byte_array, scalar_encoders
from chatpb._engine.reference.encode.open_values import (
    FIELDS,
    KEY,
    canonical_order,
    encode_string,
    encode_value,
    join_entries,
)
from chatpb._errors import STACK_IS_FULL, JsonError
from chatpb._json import BOM
from chatpb._json.check import check_document, check_home, decode_document
from chatpb._json.member_order import member_order
from chatpb._json.number import DoesNotFit, NumberText
from chatpb._json.parse import MalformedJson, nesting, parser
from chatpb._json.print import print_canonical, print_value
from chatpb._limits import MAX_DEPTH, MAX_STRUCT_DEPTH
from chatpb._wire import LEN, VARINT
from chatpb._wire.write import delimited, tag, varint

_ORDER_TAG: Final = tag(MEMBER_ORDER, LEN)
_EMPTY_TAG: Final = tag(EMPTY_FIELDS, VARINT)
_NULL_TAG: Final = tag(NULL_FIELDS, VARINT)
_ADDITIONAL_TAG: Final = tag(ADDITIONAL_PROPERTIES, LEN)
_VERBATIM_TAG: Final = tag(VERBATIM_PROPERTIES, LEN)


def json_to_wire(data: JsonText, descriptor: Descriptor, *, canonical: bool, nonfinite: bool) -> bytes:
    """Return the wire bytes of the message that a JSON object stands for. Raises JsonError."""
    text = decode_document(data)
    try:
        value = parser(nonfinite)(text.removeprefix(BOM))
        if type(value) is not dict:
            raise MalformedJson
        return _encoders(canonical).message(schema_of(descriptor))(value, 0)
    except (MalformedJson, DoesNotFit, JSONDecodeError, RecursionError) as failure:
        check_document(text, nonfinite)
        if isinstance(failure, _NoHome):
            check_home(text, failure.path, failure.envelope)
        if isinstance(failure, RecursionError):
            raise JsonError("", 1, 1, 0, STACK_IS_FULL) from None
        raise AssertionError("the engine refused text that the checker accepts") from failure


class _NoHome(DoesNotFit):
    """A value fits no field of an envelope. `path` leads to the innermost such value from the object being encoded."""

    def __init__(self, path: tuple[str | int, ...], envelope: str) -> None:
        self.path = path
        self.envelope = envelope

    def within(self, key: str | int) -> _NoHome:
        """Return the failure as the object or array around sees it."""
        return _NoHome((key, *self.path), self.envelope)


@cache
def _encoders(canonical: bool) -> _Encoders:
    return _Encoders(canonical)


class _Encoders:
    """The encoders of message types with one choice of options. Each is made once, when first used."""

    def __init__(self, canonical: bool) -> None:
        self.canonical = canonical
        self.messages: dict[MessageSchema, ValueEncoder] = {}

    def message(self, schema: MessageSchema) -> ValueEncoder:
        """Return the encoder of an object as the payload of a message."""
        if schema not in self.messages:
            self.messages[schema] = self.compile(schema)
        return self.messages[schema]

    def compile(self, schema: MessageSchema) -> ValueEncoder:
        # By name: the member's bit; by type of the JSON value: the number of the field for it, and its encoder.
        members = {
            name: (
                member.bit,
                {
                    json_type: (field.number, encode)
                    for field in member.alternatives
                    for json_type, encode in self.field(field).items()
                },
            )
            for name, member in schema.members.items()
        }
        unknown: tuple[int, dict[type, tuple[int, ValueEncoder]]] = (0, {})

        def encode_message(value: dict[str, Any], depth: int) -> bytes:
            depth += 1
            # Structs and typed arrays do not check the depth. They can pass the limit only from this level on.
            if depth > MAX_DEPTH - MAX_STRUCT_DEPTH and depth - 1 + nesting(value) > MAX_DEPTH:
                raise MalformedJson
            parts: dict[int, bytes] = {}
            empty = null = 0
            additional: list[tuple[bytes, bytes]] = []
            verbatim: list[tuple[bytes, bytes]] = []
            ordered: dict[str, Any] = {}
            kept: list[str] = []
            for name, item in value.items():
                bit, typed = members.get(name, unknown)
                if item is None and bit and schema.has_homes:
                    null |= bit
                    continue
                if type(item) in typed:
                    number, encode = typed[type(item)]
                    try:
                        part = encode(item, depth)
                    except _NoHome as failure:
                        if not schema.has_homes:
                            raise failure.within(name) from None
                    except DoesNotFit:
                        pass
                    else:
                        if part:
                            parts[number] = part
                            continue
                        if schema.has_homes:
                            empty |= bit
                            continue
                if not schema.has_homes:
                    raise _NoHome((name,), schema.full_name)
                key = encode_string(name)
                try:
                    additional.append((key, encode_value(item, self.canonical)))
                    ordered[name] = item
                except DoesNotFit:
                    verbatim.append((key, self.verbatim_text(item, depth)))
                    kept.append(name)
            if not self.canonical and (order := member_order(ordered, kept)):
                parts[MEMBER_ORDER] = delimited(_ORDER_TAG, order)
            if empty:
                parts[EMPTY_FIELDS] = _EMPTY_TAG + varint(empty)
            if null:
                parts[NULL_FIELDS] = _NULL_TAG + varint(null)
            if additional:
                entries = join_entries(FIELDS, additional, self.canonical)
                parts[ADDITIONAL_PROPERTIES] = delimited(_ADDITIONAL_TAG, entries)
            if verbatim:
                parts[VERBATIM_PROPERTIES] = join_entries(_VERBATIM_TAG, verbatim, self.canonical)
            return b"".join([parts[number] for number in sorted(parts)])

        return encode_message

    def verbatim_text(self, value: Any, depth: int) -> bytes:
        """Return the JSON text of a value that no Struct holds."""
        if depth + nesting(value) > MAX_DEPTH:
            raise MalformedJson
        return (print_canonical(value) if self.canonical else print_value(value)).encode()

    def field(self, field: Field) -> dict[type, ValueEncoder]:
        """Return the encoders of a whole field, by type of the JSON value. They write nothing for [] and {}."""
        if field.map_key:
            return {dict: self.map(field)}
        if field.repeated:
            return {list: self.array(field)}
        return self.single(field, varint(field.tag))

    def single(self, field: Field, prefix: bytes) -> dict[type, ValueEncoder]:
        """Return the encoders of one value, by type of the JSON value. They write the prefix before it."""
        match field.kind:
            case "message":
                return {dict: self.submessage(field, prefix)}
            case "list":
                encode_items = self.array(field.item)
                return {list: lambda value, depth: delimited(prefix, encode_items(value, depth))}
            case "byte_array":
                return {list: lambda value, depth: delimited(prefix, encode_byte_array(value))}
            case "text":
                return dict.fromkeys((str, int, NumberText, float, bool, list, dict), self.text(prefix))
        return scalar_encoders(field, prefix)

    def submessage(self, field: Field, prefix: bytes) -> ValueEncoder:
        encode_message: ValueEncoder | None = None

        def encode(value: Any, depth: int) -> bytes:
            nonlocal encode_message
            # The inner type is compiled when first used, so that a message type may contain itself.
            encode_message = encode_message or self.message(field.schema)
            return delimited(prefix, encode_message(value, depth))

        return encode

    def text(self, prefix: bytes) -> ValueEncoder:
        def encode(value: Any, depth: int) -> bytes:
            if depth + nesting(value) > MAX_DEPTH:
                raise MalformedJson
            return delimited(prefix, print_value(value).encode())

        return encode

    def array(self, field: Field) -> ValueEncoder:
        if field.is_packable:
            prefix = tag(field.number, LEN)
            encode_items = _items(self.single(field, b""))
            return lambda value, depth: delimited(prefix, encode_items(value, depth)) if value else b""
        return _items(self.single(field, varint(field.tag)))

    def map(self, field: Field) -> ValueEncoder:
        prefix = varint(field.tag)
        encoders = self.single(field.map_value, varint(field.map_value.tag))

        def encode(value: dict[str, Any], depth: int) -> bytes:
            entries = [(encode_string(name), _encode(encoders, name, item, depth + 1)) for name, item in value.items()]
            if self.canonical:
                entries.sort(key=canonical_order)
            return b"".join([delimited(prefix, delimited(KEY, key) + encoded) for key, encoded in entries])

        return encode


def _items(encoders: dict[type, ValueEncoder]) -> ValueEncoder:
    """Return the encoder of an array's items, one after the other."""
    return lambda value, depth: b"".join(
        [_encode(encoders, index, item, depth + 1) for index, item in enumerate(value)]
    )


def _encode(encoders: dict[type, ValueEncoder], key: str | int, value: Any, depth: int) -> bytes:
    encode = encoders.get(type(value))
    if not encode:
        raise DoesNotFit
    try:
        return encode(value, depth)
    except _NoHome as failure:
        raise failure.within(key) from None
