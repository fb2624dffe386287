"""Compile message descriptors into schemas, which drive both directions of the mapping.

Rules: each descriptor has one schema, which never changes. A schema lists the *members* of a JSON object. A member is
a field, or a oneof: the type of the JSON value then chooses among the alternatives. The only names that this module
knows are those of the five fields that every message has, so that a new field of the contract needs no new code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Final, Literal, NamedTuple

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

from chatcompletion.v1 import options_pb2
from chatpb._wire import FIXED64, LEN, VARINT

MEMBER_ORDER: Final = 12
EMPTY_FIELDS: Final = 13
NULL_FIELDS: Final = 14
ADDITIONAL_PROPERTIES: Final = 15
VERBATIM_PROPERTIES: Final = 16
HOME_FIELDS: Final = {
    "member_order": MEMBER_ORDER,
    "empty_fields": EMPTY_FIELDS,
    "null_fields": NULL_FIELDS,
    "additional_properties": ADDITIONAL_PROPERTIES,
    "verbatim_properties": VERBATIM_PROPERTIES,
}
"""The fields that hold what the typed fields do not, and the order of that. Every message that stands for a JSON object
has them."""

FieldKind = Literal[
    "int32",
    "int64",
    "uint32",
    "uint64",
    "double",
    "bool",
    "enum",
    "string",
    "text",
    "bytes",
    "byte_array",
    "message",
    "list",
]
"""A protobuf type, or what an option makes of it: "text" is a string that carries JSON text, "byte_array" is bytes
written as an array of integers, "list" is a message that stands for a JSON array."""


class Kind(NamedTuple):
    """What the values of a kind of field are, in protobuf and in JSON.

    Attributes:
        proto_type: the type of the field in its descriptor.
        form: the option `json_form` of the field.
        wire_type: the wire type of one value that is not packed.
        shown_as: the type that people are shown.
        json_types: the Python types of the JSON values, as `json.loads` gives them.
        noun: what a JSON value must be, for an error.

    """

    proto_type: int
    form: int
    wire_type: int
    shown_as: str
    json_types: tuple[type, ...]
    noun: str


_DEFAULT, _TEXT = options_pb2.JSON_FORM_UNSPECIFIED, options_pb2.JSON_FORM_TEXT
_BYTE_ARRAY = options_pb2.JSON_FORM_BYTE_ARRAY
_NUMBER = (int, float)
_ANY = (str, int, float, bool, list, dict)
KINDS: Final[dict[FieldKind, Kind]] = {
    "int32": Kind(FieldDescriptor.TYPE_INT32, _DEFAULT, VARINT, "int32", _NUMBER, "an integer of int32"),
    "int64": Kind(FieldDescriptor.TYPE_INT64, _DEFAULT, VARINT, "int64", _NUMBER, "an integer of int64"),
    "uint32": Kind(FieldDescriptor.TYPE_UINT32, _DEFAULT, VARINT, "uint32", _NUMBER, "an integer of uint32"),
    "uint64": Kind(FieldDescriptor.TYPE_UINT64, _DEFAULT, VARINT, "uint64", _NUMBER, "an integer of uint64"),
    "double": Kind(FieldDescriptor.TYPE_DOUBLE, _DEFAULT, FIXED64, "double", _NUMBER, "a number"),
    "bool": Kind(FieldDescriptor.TYPE_BOOL, _DEFAULT, VARINT, "bool", (bool,), "true or false"),
    "enum": Kind(FieldDescriptor.TYPE_ENUM, _DEFAULT, VARINT, "enum", (str,), "a string"),
    "string": Kind(FieldDescriptor.TYPE_STRING, _DEFAULT, LEN, "string", (str,), "a string"),
    "text": Kind(FieldDescriptor.TYPE_STRING, _TEXT, LEN, "string of JSON text", _ANY, "a JSON value"),
    "bytes": Kind(FieldDescriptor.TYPE_BYTES, _DEFAULT, LEN, "bytes", (str,), "a string in base64"),
    "byte_array": Kind(FieldDescriptor.TYPE_BYTES, _BYTE_ARRAY, LEN, "bytes", (list,), "an array of integers 0-255"),
    "message": Kind(FieldDescriptor.TYPE_MESSAGE, _DEFAULT, LEN, "message", (dict,), "an object"),
    "list": Kind(FieldDescriptor.TYPE_MESSAGE, _DEFAULT, LEN, "list", (list,), "an array that fits"),
}

_KIND_OF: Final = {(each.proto_type, each.form): kind for kind, each in KINDS.items() if kind != "list"}
"""By type and form. A field of type message is a "list" where its message is one."""

MAX_ENUM_VALUES: Final = 254
"""Values of an enum but its zero: the native engine counts them in a byte."""

INTEGER_RANGES: Final[dict[str, tuple[int, int]]] = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
    "enum": (-(2**31), 2**31 - 1),
}
"""By kind, the integers that its varints stand for."""


@dataclass(frozen=True)
class EnumSchema:
    """The JSON strings of an enum. The zero value has none: it stands for absence."""

    name: str
    number_of: dict[str, int]
    string_of: dict[int, str]


@dataclass(frozen=True, eq=False)
class Field:
    """One field of a message."""

    name: str
    number: int
    kind: FieldKind
    repeated: bool
    nullable: bool
    required: bool
    oneof: str | None
    enum: EnumSchema | None
    descriptor: FieldDescriptor

    @property
    def is_packable(self) -> bool:
        """Whether an array of these values is packed: proto3 packs all numbers, booleans and enums."""
        return self.wire_type != LEN

    @property
    def wire_type(self) -> int:
        """The wire type of one value that is not packed."""
        return KINDS[self.kind].wire_type

    @property
    def tag(self) -> int:
        """The tag of one value that is not packed."""
        return self.number << 3 | self.wire_type

    @cached_property
    def schema(self) -> MessageSchema:
        """The schema of the message that the field holds."""
        return schema_of(self.descriptor.message_type)

    @property
    def item(self) -> Field:
        """The field that the items of a field of kind "list" are in."""
        return self.schema.members["items"].first

    @cached_property
    def map_key(self) -> Field | None:
        """The field of the keys of a map; None where the field is no map."""
        entry = self.descriptor.message_type
        return _field(entry.fields_by_name["key"]) if entry and entry.GetOptions().map_entry else None

    @cached_property
    def map_value(self) -> Field:
        """The field of the values of a map."""
        entry = self.descriptor.message_type
        assert entry
        return _field(entry.fields_by_name["value"])


@dataclass(frozen=True, eq=False)
class Member:
    """One member of a JSON object: a field, or the alternatives of a oneof in the order of their numbers."""

    name: str
    alternatives: tuple[Field, ...]

    @property
    def first(self) -> Field:
        """The alternative that carries the member's options, and whose number gives its null and empty bits."""
        return self.alternatives[0]

    @property
    def bit(self) -> int:
        """The bit that is written where the member is null or empty."""
        return 1 << self.first.number

    @cached_property
    def bits(self) -> int:
        """The bits that are read: those of all alternatives."""
        return sum(1 << alternative.number for alternative in self.alternatives)

    @property
    def empty_form(self) -> str:
        """The JSON text that the empty bit stands for: "[]", "{}", or "" for a member without an empty bit."""
        if not self.first.repeated:
            return ""
        return "{}" if self.first.map_key else "[]"


@dataclass(frozen=True, eq=False)
class MessageSchema:
    """A message type: its members by JSON name, in the order of their numbers.

    `has_homes` is whether it has the home fields. An *envelope* lacks them: it holds what its typed fields hold, and no
    more.
    """

    name: str
    full_name: str
    members: dict[str, Member]
    has_homes: bool
    descriptor: Descriptor = field(repr=False)

    @property
    def is_list(self) -> bool:
        """Whether the message stands for a JSON array: its only field is `items`."""
        return _is_list(self.descriptor)

    @cached_property
    def known_bits(self) -> int:
        """The null and empty bits that name a field of the message."""
        return sum(member.bits for member in self.members.values())

    @cached_property
    def required(self) -> frozenset[str]:
        """The names of the members that the contract requires."""
        return frozenset(name for name, member in self.members.items() if member.first.required)

    def fields(self) -> Iterator[Field]:
        """Yield every field, each alternative of a oneof too."""
        for member in self.members.values():
            yield from member.alternatives


@cache
def schema_of(descriptor: Descriptor) -> MessageSchema:
    """Return the schema of a message type.

    Raises TypeError for a type that the mapping cannot hold: a field of an unsupported type, a scalar whose zero is not
    told from absence, a field numbered above 63, a map whose keys are no strings, an enum whose JSON strings are not
    distinct, or a message with some of the home fields or other fields in their places.
    """
    has_homes = not _is_list(descriptor) and _has_homes(descriptor)
    fields = sorted((f for f in descriptor.fields if not (has_homes and f.name in HOME_FIELDS)), key=lambda f: f.number)
    if any(f.number > 63 for f in fields):
        raise TypeError(f"{descriptor.full_name} has a field numbered above 63, which has no null bit")
    members: dict[str, Member] = {}
    for each in map(_field, fields):
        name = each.oneof or each.name
        before = members[name].alternatives if name in members else ()
        members[name] = Member(name, (*before, each))
    return MessageSchema(descriptor.name, descriptor.full_name, members, has_homes, descriptor)


def require_mappable(descriptor: Descriptor) -> None:
    """Raise TypeError if a message type, or one that it contains, is one that the mapping cannot hold."""
    found = [descriptor]
    for each in found:
        for inner in schema_of(each).fields():
            held = (inner.map_value if inner.map_key else inner).descriptor.message_type
            if held and held not in found:
                found.append(held)


def _has_homes(descriptor: Descriptor) -> bool:
    """Return whether a message has the home fields. An envelope has none of their names and numbers."""
    numbers = {name: f.number for name, f in descriptor.fields_by_name.items() if name in HOME_FIELDS}
    if numbers == HOME_FIELDS:
        return True
    # The types of google.protobuf have JSON forms of their own, which are not those of their fields.
    taken = numbers or any(f.number in HOME_FIELDS.values() for f in descriptor.fields)
    if taken or descriptor.full_name.startswith("google.protobuf."):
        raise TypeError(
            f"{descriptor.full_name} cannot be mapped without loss: it needs the fields "
            + ", ".join(f"{name} = {number}" for name, number in HOME_FIELDS.items())
        )
    return False


def _field(descriptor: FieldDescriptor) -> Field:
    options = descriptor.GetOptions()
    proto = _protos(descriptor.containing_type)[descriptor.number]
    oneof = None if proto.proto3_optional else descriptor.containing_oneof
    kind = _kind(descriptor)
    repeated = proto.label == FieldDescriptorProto.LABEL_REPEATED
    is_entry = bool(descriptor.containing_type and descriptor.containing_type.GetOptions().map_entry)
    # The zero of an enum stands for absence already, and no JSON text is empty.
    if not (descriptor.has_presence or repeated or is_entry or kind in ("enum", "text")):
        raise TypeError(f"{descriptor.full_name} needs `optional`: without it, zero and absent are one")
    return Field(
        name=descriptor.name,
        number=descriptor.number,
        kind=kind,
        repeated=repeated,
        nullable=options.Extensions[options_pb2.nullable],
        required=field_behavior_pb2.REQUIRED in options.Extensions[field_behavior_pb2.field_behavior],
        oneof=oneof.name if oneof else None,
        enum=_enum(descriptor.enum_type) if descriptor.enum_type else None,
        descriptor=descriptor,
    )


@cache
def _protos(descriptor: Descriptor) -> dict[int, FieldDescriptorProto]:
    """Return the fields of a message by number, in the form that has `repeated` and `optional` in every release."""
    proto = DescriptorProto()
    descriptor.CopyToProto(proto)
    return {field.number: field for field in proto.field}


def _kind(descriptor: FieldDescriptor) -> FieldKind:
    kind = _KIND_OF.get((descriptor.type, descriptor.GetOptions().Extensions[options_pb2.json_form]))
    if kind is None:
        raise TypeError(f"{descriptor.full_name} has a type or a json_form that the mapping does not know")
    held = descriptor.message_type
    if held and held.GetOptions().map_entry and held.fields_by_name["key"].type != FieldDescriptor.TYPE_STRING:
        raise TypeError(f"{held.full_name} has keys that are no strings, as the names of JSON members are")
    return "list" if held and _is_list(held) else kind


def _is_list(descriptor: Descriptor) -> bool:
    return [f.name for f in descriptor.fields] == ["items"] and _field(descriptor.fields[0]).repeated


@cache
def _enum(descriptor: EnumDescriptor) -> EnumSchema:
    if 0 not in descriptor.values_by_number:
        raise TypeError(f"{descriptor.name} has no value numbered 0")
    # FOO_BAR_UNSPECIFIED = 0 gives the prefix FOO_BAR_ of the other values.
    prefix = descriptor.values_by_number[0].name.removesuffix("UNSPECIFIED")
    string_of = {
        value.number: value.GetOptions().Extensions[options_pb2.json_value] or value.name.removeprefix(prefix).lower()
        for value in descriptor.values
        if value.number != 0
    }
    if len(string_of) > MAX_ENUM_VALUES:
        raise TypeError(f"{descriptor.name} has more than {MAX_ENUM_VALUES} values")
    number_of = {string: number for number, string in string_of.items()}
    for number, string in string_of.items():
        if number_of[string] != number:
            raise TypeError(f"{descriptor.name} has two values whose JSON string is {json.dumps(string)}")
    return EnumSchema(descriptor.name, number_of, string_of)
