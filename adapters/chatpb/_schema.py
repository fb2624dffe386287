"""Compile a message descriptor into the tables that both directions of the mapping are driven by.

Rules: a schema is made once for each descriptor and never changes. It speaks of JSON *members*: a member is one field,
or one oneof, whose alternatives are told apart by the kind of the JSON value. Nothing here knows the contract's names
but those of the four fields that every message has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Final

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

from chatcompletion.v1 import options_pb2

EMPTY_FIELDS: Final = 13
NULL_FIELDS: Final = 14
ADDITIONAL_PROPERTIES: Final = 15
VERBATIM_PROPERTIES: Final = 16
HOME_FIELDS: Final = {
    "empty_fields": EMPTY_FIELDS,
    "null_fields": NULL_FIELDS,
    "additional_properties": ADDITIONAL_PROPERTIES,
    "verbatim_properties": VERBATIM_PROPERTIES,
}
"""The fields that hold what the typed fields do not, alike in every message that mirrors a JSON object."""

_VARINT, _FIXED64, _LEN = 0, 1, 2

_KINDS: Final = {
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_UINT64: "uint64",
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_ENUM: "enum",
    FieldDescriptor.TYPE_MESSAGE: "message",
}

INTEGER_RANGES: Final = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}


@dataclass(frozen=True)
class EnumTable:
    """The JSON strings of an enum. The zero value has none: it stands for absence."""

    name: str
    number_of: dict[str, int]
    string_of: dict[int, str]


@dataclass(frozen=True, eq=False)
class Field:
    """One field of a message.

    `kind` is the protobuf type's name, or one that an option makes of it: "text" for a string that carries JSON text,
    "byte_array" for bytes written as an array of integers, "list" for a message that stands for a JSON array.
    """

    name: str
    number: int
    kind: str
    repeated: bool
    nullable: bool
    required: bool
    oneof: str | None
    enum: EnumTable | None
    descriptor: FieldDescriptor

    @property
    def is_packable(self) -> bool:
        """Whether values are of fixed or varint form, so that an array of them is packed, as proto3 does by default."""
        return self.kind in INTEGER_RANGES or self.kind in ("double", "bool", "enum")

    @property
    def wire_type(self) -> int:
        """The wire type of one value that is not packed."""
        return _FIXED64 if self.kind == "double" else _VARINT if self.is_packable else _LEN

    @cached_property
    def schema(self) -> Schema:
        """Schema of the message that the field holds."""
        return schema_of(self.descriptor.message_type)

    @property
    def item(self) -> Field:
        """The items of a field of kind "list"."""
        return self.schema.members["items"].first

    @cached_property
    def map_key(self) -> Field | None:
        """The key field of the map's entries, or None where the field is no map."""
        entry = self.descriptor.message_type
        return _field(entry.fields_by_name["key"]) if entry and entry.GetOptions().map_entry else None

    @cached_property
    def map_value(self) -> Field:
        """The value field of the map's entries."""
        entry = self.descriptor.message_type
        assert entry
        return _field(entry.fields_by_name["value"])


@dataclass(frozen=True, eq=False)
class Member:
    """One member of a JSON object: a field, or the alternatives of a oneof in number order."""

    name: str
    alternatives: tuple[Field, ...]

    @property
    def first(self) -> Field:
        """The alternative that carries the member's options and its null and empty bits."""
        return self.alternatives[0]

    @property
    def bit(self) -> int:
        return 1 << self.first.number

    @cached_property
    def bits(self) -> int:
        """The bits of all alternatives: any of them is read, the first is written."""
        return sum(1 << alternative.number for alternative in self.alternatives)

    @property
    def empty_form(self) -> str:
        """What the empty bit stands for: "[]", "{}", or "" where the member has no empty bit."""
        if not self.first.repeated:
            return ""
        return "{}" if self.first.map_key else "[]"


@dataclass(frozen=True, eq=False)
class Schema:
    """A message type: its members in number order."""

    name: str
    full_name: str
    members: dict[str, Member]
    descriptor: Descriptor = field(repr=False)

    @property
    def is_list(self) -> bool:
        """Whether the message stands for a JSON array, by the one field that it has."""
        return _is_list(self.descriptor)

    @cached_property
    def known_bits(self) -> int:
        """The bits that name a field of the message."""
        return sum(member.bits for member in self.members.values())

    @cached_property
    def required(self) -> frozenset[str]:
        """Names of the members that the contract requires."""
        return frozenset(name for name, member in self.members.items() if member.first.required)

    def fields(self) -> Iterator[Field]:
        """Every field, those inside oneofs too."""
        for member in self.members.values():
            yield from member.alternatives


@cache
def schema_of(descriptor: Descriptor) -> Schema:
    """Schema of a message type.

    Raises TypeError for a type that the mapping cannot hold: a field of an unsupported type, a field numbered above
    63, or a message without the four fields that give every JSON member a home.
    """
    fields = sorted((f for f in descriptor.fields if f.name not in HOME_FIELDS), key=lambda f: f.number)
    members: dict[str, Member] = {}
    for each in map(_field, fields):
        name = each.oneof or each.name
        before = members[name].alternatives if name in members else ()
        members[name] = Member(name, (*before, each))
    schema = Schema(descriptor.name, descriptor.full_name, members, descriptor)
    if not schema.is_list:
        _require_homes(descriptor)
    return schema


def _require_homes(descriptor: Descriptor) -> None:
    numbers = {name: f.number for name, f in descriptor.fields_by_name.items() if name in HOME_FIELDS}
    if numbers != HOME_FIELDS:
        raise TypeError(
            f"{descriptor.full_name} cannot be mapped without loss: it needs the fields "
            + ", ".join(f"{name} = {number}" for name, number in HOME_FIELDS.items())
        )
    if max(f.number for f in descriptor.fields) > 63:
        raise TypeError(f"{descriptor.full_name} has a field numbered above 63, which has no null bit")


def _field(descriptor: FieldDescriptor) -> Field:
    options = descriptor.GetOptions()
    proto = _protos(descriptor.containing_type)[descriptor.number]
    oneof = None if proto.proto3_optional else descriptor.containing_oneof
    return Field(
        name=descriptor.name,
        number=descriptor.number,
        kind=_kind(descriptor),
        repeated=proto.label == FieldDescriptorProto.LABEL_REPEATED,
        nullable=options.Extensions[options_pb2.nullable],
        required=field_behavior_pb2.REQUIRED in options.Extensions[field_behavior_pb2.field_behavior],
        oneof=oneof.name if oneof else None,
        enum=_enum(descriptor.enum_type) if descriptor.enum_type else None,
        descriptor=descriptor,
    )


@cache
def _protos(descriptor: Descriptor) -> dict[int, FieldDescriptorProto]:
    """The fields of a message, by number, in the form that tells `repeated` and `optional` in every release."""
    proto = DescriptorProto()
    descriptor.CopyToProto(proto)
    return {field.number: field for field in proto.field}


def _kind(descriptor: FieldDescriptor) -> str:
    form = descriptor.GetOptions().Extensions[options_pb2.json_form]
    kind = _KINDS.get(descriptor.type)
    if kind == "string" and form == options_pb2.JSON_FORM_TEXT:
        return "text"
    if kind == "bytes" and form == options_pb2.JSON_FORM_BYTE_ARRAY:
        return "byte_array"
    if kind is None or form != options_pb2.JSON_FORM_UNSPECIFIED:
        raise TypeError(f"{descriptor.full_name} has a type or a json_form that the mapping does not know")
    if descriptor.message_type and _is_list(descriptor.message_type):
        return "list"
    return kind


def _is_list(descriptor: Descriptor) -> bool:
    return [f.name for f in descriptor.fields] == ["items"] and _field(descriptor.fields[0]).repeated


@cache
def _enum(descriptor: EnumDescriptor) -> EnumTable:
    # FOO_BAR_UNSPECIFIED = 0 gives the prefix FOO_BAR_.
    zero = descriptor.values_by_number[0].name
    prefix = zero.removesuffix("UNSPECIFIED")
    string_of = {
        value.number: value.GetOptions().Extensions[options_pb2.json_value] or value.name.removeprefix(prefix).lower()
        for value in descriptor.values
        if value.number != 0
    }
    return EnumTable(descriptor.name, {string: number for number, string in string_of.items()}, string_of)
