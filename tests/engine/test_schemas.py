"""Both engines compile the same schema from a descriptor, and refuse the same descriptors with the same words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from google.protobuf import struct_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, Edition, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from chatcompletion import v1
from chatcompletion.v1 import options_pb2
from chatpb._contract.schema import HOME_FIELDS, EnumSchema, Field, MessageSchema, schema_of
from tests.engine.engines import ENGINES
from tests.engine.random_cases.schemas import descriptor as random_type
from tests.engine.random_cases.schemas import everything

F = FieldDescriptorProto
MESSAGES = [each.DESCRIPTOR for each in vars(v1).values() if isinstance(each, type) and issubclass(each, Message)]
OBJECTS = [each for each in MESSAGES if not schema_of(each).is_list]
NUMBERS = count()


def described(root: MessageSchema) -> str:
    """Return the reference's schema as the native engine describes its own."""
    messages = [root]
    enums: list[EnumSchema] = []
    lines: list[str] = []

    def type_index(field: Field) -> int:
        if field.enum:
            if not any(each is field.enum for each in enums):
                enums.append(field.enum)
            return next(at for at, each in enumerate(enums) if each is field.enum)
        if field.kind not in ("message", "list"):
            return 0
        if field.schema not in messages:
            messages.append(field.schema)
        return messages.index(field.schema)

    for message in messages:
        lines.append(f"message {message.full_name} {'list' if message.is_list else 'object'}")
        for member in message.members.values():
            required, nullable = member.first.required, member.first.nullable
            filling = "" if not required else "null" if nullable else member.empty_form
            for field in member.alternatives:
                value = field.map_value if field.map_key else field
                kind = "".join(map(str.capitalize, value.kind.split("_")))
                cardinality = "Map" if field.map_key else "Repeated" if field.repeated else "Singular"
                quoted = f'"{filling}"'
                options = f"{required} {nullable}".lower()
                numbers = f"{field.number} {kind} {cardinality} {options} {quoted}"
                lines.append(f"field {numbers} {field.name} {field.oneof or '-'} {type_index(value)}")
    for enum in enums:
        lines.append(f"enum {enum.name}")
        lines.extend(f"value {number} {string}" for number, string in enum.string_of.items())
    return "\n".join(lines)


@pytest.mark.skipif("native" not in ENGINES, reason="the native engine is not built here")
@pytest.mark.parametrize(
    "descriptor", [*OBJECTS, everything(), random_type("Envelope")], ids=lambda descriptor: descriptor.name
)
def test_both_engines_compile_the_same_schema(descriptor: Descriptor) -> None:
    assert ENGINES["native"].codec(descriptor).describe() == described(schema_of(descriptor))


def homes(message: DescriptorProto) -> None:
    for name, number in HOME_FIELDS.items():
        field = message.field.add(name=name, number=number, label=F.LABEL_OPTIONAL, type=F.TYPE_UINT64)
        if name == "member_order":
            field.type = F.TYPE_BYTES
        elif name == "additional_properties":
            field.type, field.type_name = F.TYPE_MESSAGE, ".google.protobuf.Struct"
        elif name == "verbatim_properties":
            entry = message.nested_type.add(name="VerbatimPropertiesEntry")
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, label=F.LABEL_OPTIONAL, type=F.TYPE_STRING)
            entry.field.add(name="value", number=2, label=F.LABEL_OPTIONAL, type=F.TYPE_STRING)
            field.label, field.type, field.type_name = (
                F.LABEL_REPEATED,
                F.TYPE_MESSAGE,
                f".t.{message.name}.{entry.name}",
            )


def message(change: Callable[[FileDescriptorProto, DescriptorProto], None]) -> Descriptor:
    """Return the message t.M, which has the home fields, after a change."""
    file = FileDescriptorProto(name=f"t{next(NUMBERS)}.proto", package="t", syntax="proto3")
    file.dependency.extend([struct_pb2.DESCRIPTOR.name, options_pb2.DESCRIPTOR.name])
    made = file.message_type.add(name="M")
    homes(made)
    change(file, made)
    pool = DescriptorPool()
    for each in imports(options_pb2.DESCRIPTOR, struct_pb2.DESCRIPTOR):
        pool.AddSerializedFile(each)
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindMessageTypeByName("t.M")


def imports(*files: object) -> Iterator[bytes]:
    for file in files:
        yield from imports(*file.dependencies)  # type: ignore[attr-defined]
        yield file.serialized_pb  # type: ignore[attr-defined]


def with_field(**field: object) -> Callable[[FileDescriptorProto, DescriptorProto], None]:
    def change(file: FileDescriptorProto, made: DescriptorProto) -> None:
        made.field.add(**{"name": "a", "number": 1, "label": F.LABEL_OPTIONAL, **field})

    return change


def with_form(kind: int, form: int) -> Callable[[FileDescriptorProto, DescriptorProto], None]:
    def change(file: FileDescriptorProto, made: DescriptorProto) -> None:
        field = made.field.add(name="a", number=1, label=F.LABEL_OPTIONAL, type=kind)
        field.options.Extensions[options_pb2.json_form] = form  # type: ignore[misc]

    return change


def with_map(file: FileDescriptorProto, made: DescriptorProto) -> None:
    entry = made.nested_type.add(name="AEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=F.LABEL_OPTIONAL, type=F.TYPE_INT32)
    entry.field.add(name="value", number=2, label=F.LABEL_OPTIONAL, type=F.TYPE_STRING)
    made.field.add(name="a", number=1, label=F.LABEL_REPEATED, type=F.TYPE_MESSAGE, type_name=".t.M.AEntry")


def with_enum(*values: tuple[str, int, str]) -> Callable[[FileDescriptorProto, DescriptorProto], None]:
    def change(file: FileDescriptorProto, made: DescriptorProto) -> None:
        enum = file.enum_type.add(name="E")
        for name, number, string in values:
            value = enum.value.add(name=name, number=number)
            if string:
                value.options.Extensions[options_pb2.json_value] = string
        made.field.add(name="a", number=1, label=F.LABEL_OPTIONAL, type=F.TYPE_ENUM, type_name=".t.E")

    return change


def without_a_home(file: FileDescriptorProto, made: DescriptorProto) -> None:
    del made.field[2]


def with_a_field_in_a_home(file: FileDescriptorProto, made: DescriptorProto) -> None:
    del made.field[:]
    made.field.add(name="a", number=13, label=F.LABEL_OPTIONAL, type=F.TYPE_MESSAGE, type_name=".t.M")


def with_a_struct(file: FileDescriptorProto, made: DescriptorProto) -> None:
    made.field.add(name="a", number=1, label=F.LABEL_OPTIONAL, type=F.TYPE_MESSAGE, type_name=".google.protobuf.Struct")


def an_array(file: FileDescriptorProto, made: DescriptorProto) -> None:
    del made.field[:]
    made.field.add(name="items", number=1, label=F.LABEL_REPEATED, type=F.TYPE_STRING)


HOMES = ", ".join(f"{name} = {number}" for name, number in HOME_FIELDS.items())
NO_HOMES = f"cannot be mapped without loss: it needs the fields {HOMES}"
NO_PRESENCE = "t.M.a needs `optional`: without it, zero and absent are one"
UNKNOWN = "t.M.a has a type or a json_form that the mapping does not know"
REFUSED = {
    "no home": (without_a_home, f"t.M {NO_HOMES}"),
    "another field in a home": (with_a_field_in_a_home, f"t.M {NO_HOMES}"),
    "a type with a JSON form of its own": (with_a_struct, f"google.protobuf.Struct {NO_HOMES}"),
    "an integer without presence": (with_field(type=F.TYPE_INT32), NO_PRESENCE),
    "a string without presence": (with_field(type=F.TYPE_STRING), NO_PRESENCE),
    "an array of bytes without presence": (with_form(F.TYPE_BYTES, options_pb2.JSON_FORM_BYTE_ARRAY), NO_PRESENCE),
    "above 63": (with_field(number=64, type=F.TYPE_STRING), "t.M has a field numbered above 63, which has no null bit"),
    "sint32": (with_field(type=F.TYPE_SINT32), UNKNOWN),
    "float": (with_field(type=F.TYPE_FLOAT), UNKNOWN),
    "text of bytes": (with_form(F.TYPE_BYTES, options_pb2.JSON_FORM_TEXT), UNKNOWN),
    "array of a string": (with_form(F.TYPE_STRING, options_pb2.JSON_FORM_BYTE_ARRAY), UNKNOWN),
    "keys of integers": (with_map, "t.M.AEntry has keys that are no strings, as the names of JSON members are"),
    "a string twice": (with_enum(("E_UNSPECIFIED", 0, ""), ("E_A", 1, "x"), ("E_B", 2, "x")),
                       "E has two values whose JSON string is \"x\""),
    "many values": (with_enum(("E_UNSPECIFIED", 0, ""), *((f"E_{n}", n, "") for n in range(1, 256))),
                    "E has more than 254 values"),
    "an array": (an_array, "t.M stands for a JSON array, and a document is an object"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "reason"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_a_type_that_the_mapping_cannot_hold_is_refused(
    engine: object, change: Callable[[FileDescriptorProto, DescriptorProto], None], reason: str
) -> None:
    with pytest.raises(TypeError) as raised:
        engine.codec(message(change)).json_to_wire(b'{"a":1}', False, False)  # type: ignore[attr-defined]
    assert str(raised.value) == reason


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
@pytest.mark.parametrize(
    ("file_presence", "field_presence", "refused"),
    [(None, None, False), (2, None, True), (1, 2, True), (2, 1, False)],
    ids=["explicit", "implicit file", "implicit field", "explicit field"],
)
def test_editions_say_which_fields_lack_presence(
    engine: object, file_presence: int | None, field_presence: int | None, refused: bool
) -> None:
    def change(file: FileDescriptorProto, made: DescriptorProto) -> None:
        file.syntax, file.edition = "editions", Edition.EDITION_2023
        field = made.field.add(name="a", number=1, label=F.LABEL_OPTIONAL, type=F.TYPE_INT32)
        if file_presence:
            file.options.features.field_presence = file_presence  # type: ignore[assignment]
        if field_presence:
            field.options.features.field_presence = field_presence  # type: ignore[assignment]

    descriptor = message(change)
    if refused:
        with pytest.raises(TypeError, match="needs `optional`"):
            engine.codec(descriptor)  # type: ignore[attr-defined]
    else:
        assert engine.codec(descriptor).json_to_wire(b'{"a":0}', False, False) == b"\x08\x00"  # type: ignore[attr-defined]


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_names_with_a_backslash_are_read_alike(engine: object) -> None:
    strange = message(with_enum(("E_UNSPECIFIED", 0, ""), ("E_A", 1, "a\\tb\n")))
    wire = engine.codec(strange).json_to_wire(b'{"a":"a\\\\tb\\n"}', False, False)  # type: ignore[attr-defined]
    assert wire == b"\x08\x01"
