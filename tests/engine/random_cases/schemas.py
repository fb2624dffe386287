"""The message types of random cases: the contract's, one with every kind of field in every shape, and an envelope."""

from __future__ import annotations

import gzip
import os
import random
from functools import cache
from pathlib import Path
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, struct_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from chatcompletion import v1
from chatcompletion.v1 import options_pb2
from chatpb._contract.schema import HOME_FIELDS
from tests import support

KINDS = ("int32", "int64", "uint32", "uint64", "double", "bool", "string", "bytes", "enum", "message")
RECORDINGS = {name: kind for kind, name in support.RECORDINGS.items()}
Random = random.Random


@cache
def everything() -> Descriptor:
    """Return the descriptor of a message with every kind of field in every shape.

    Its file also has an envelope, which lacks the home fields: each holds the other, and itself.
    """
    file = descriptor_pb2.FileDescriptorProto(name="everything.proto", package="everything", syntax="proto3")
    imported = struct_pb2, options_pb2, field_behavior_pb2
    file.dependency.extend(each.DESCRIPTOR.name for each in imported)
    color = file.enum_type.add(name="Color")
    for number, name in enumerate(("COLOR_UNSPECIFIED", "COLOR_RED", "COLOR_GREEN")):
        color.value.add(name=name, number=number)
    color.value.add(name="COLOR_FAR", number=-1)
    color.value[2].options.Extensions[options_pb2.json_value] = 'gr"ün'
    message = file.message_type.add(name="Everything")
    envelope = file.message_type.add(name="Envelope")
    free = [number for number in range(1, 64) if number not in HOME_FIELDS.values()]
    numbers = {message.name: iter(free), envelope.name: iter(free)}

    def add(name: str, kind: str, label: int = FieldDescriptorProto.LABEL_OPTIONAL, into: Any = message) -> Any:
        field = into.field.add(name=name, label=label, number=next(numbers[into.name]) if into.name in numbers else 1)
        field.type = getattr(FieldDescriptorProto, f"TYPE_{kind.upper()}")
        if kind == "enum":
            field.type_name = ".everything.Color"
        elif kind == "message":
            field.type_name = ".everything.Everything"
        return field

    def add_optional(name: str, kind: str, into: Any = message) -> Any:
        field = add(name, kind, into=into)
        field.proto3_optional = True
        field.oneof_index = len(into.oneof_decl)
        into.oneof_decl.add(name=f"_{name}")
        return field

    for kind in KINDS:
        (add if kind == "message" else add_optional)(f"one_{kind}", kind)
        add(f"many_{kind}", kind, FieldDescriptorProto.LABEL_REPEATED)
        entry = message.nested_type.add(name=f"MapOf{kind.capitalize()}Entry")
        entry.options.map_entry = True
        add("key", "string", into=entry)
        add("value", kind, into=entry).number = 2
        of = add(f"map_of_{kind}", "message", FieldDescriptorProto.LABEL_REPEATED)
        of.type_name = f".everything.Everything.{entry.name}"
    for name, label in (("text", 1), ("texts", 3)):
        add(name, "string", label).options.Extensions[options_pb2.json_form] = options_pb2.JSON_FORM_TEXT
    for octets in add_optional("octets", "bytes"), add("many_octets", "bytes", FieldDescriptorProto.LABEL_REPEATED):
        octets.options.Extensions[options_pb2.json_form] = options_pb2.JSON_FORM_BYTE_ARRAY
    for kind in ("string", "message", "double"):
        items = file.message_type.add(name=f"ListOf{kind.capitalize()}")
        add("items", kind, FieldDescriptorProto.LABEL_REPEATED, items)
    add("rows", "message", FieldDescriptorProto.LABEL_REPEATED).type_name = ".everything.ListOfDouble"
    message.oneof_decl.add(name="union")
    for kind in ("double", "string", "bool", "message"):
        add(f"union_{kind}", kind).oneof_index = len(message.oneof_decl) - 1
    union = add("union_list", "message")
    union.type_name, union.oneof_index = ".everything.ListOfMessage", len(message.oneof_decl) - 1
    add("strings", "message").type_name = ".everything.ListOfString"
    add("envelope", "message").type_name = ".everything.Envelope"
    add("envelopes", "message", FieldDescriptorProto.LABEL_REPEATED).type_name = ".everything.Envelope"
    for kind in ("int64", "string", "bool", "enum", "double"):
        add_optional(f"one_{kind}", kind, envelope)
    add("everything", "message", into=envelope)
    add("many_string", "string", FieldDescriptorProto.LABEL_REPEATED, envelope)
    add("many_everything", "message", FieldDescriptorProto.LABEL_REPEATED, envelope)
    add("envelope", "message", into=envelope).type_name = ".everything.Envelope"
    add("envelopes", "message", FieldDescriptorProto.LABEL_REPEATED, envelope).type_name = ".everything.Envelope"
    add("rows", "message", FieldDescriptorProto.LABEL_REPEATED, envelope).type_name = ".everything.ListOfDouble"
    for kind in ("int64", "envelope"):
        entry = envelope.nested_type.add(name=f"MapOf{kind.capitalize()}Entry")
        entry.options.map_entry = True
        add("key", "string", into=entry)
        value = add("value", "message" if kind == "envelope" else kind, into=entry)
        value.number = 2
        if kind == "envelope":
            value.type_name = ".everything.Envelope"
        of = add(f"map_of_{kind}", "message", FieldDescriptorProto.LABEL_REPEATED, envelope)
        of.type_name = f".everything.Envelope.{entry.name}"
    # Real oneofs come first in a descriptor.
    last = len(message.oneof_decl) - 1
    message.oneof_decl.insert(0, message.oneof_decl.pop())
    for field in message.field:
        if field.HasField("oneof_index"):
            field.oneof_index = 0 if field.oneof_index == last else field.oneof_index + 1
    for field in message.field:
        field.options.Extensions[options_pb2.nullable] = field.number % 2 == 0
        if field.number % 7 == 0:
            field.options.Extensions[field_behavior_pb2.field_behavior].append(field_behavior_pb2.REQUIRED)
    for name, number in HOME_FIELDS.items():
        home = message.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
        home.type = FieldDescriptorProto.TYPE_UINT64 if number < 15 else FieldDescriptorProto.TYPE_MESSAGE
        if number == 12:
            home.type = FieldDescriptorProto.TYPE_BYTES
        if number == 15:
            home.type_name = ".google.protobuf.Struct"
    entry = message.nested_type.add(name="VerbatimPropertiesEntry")
    entry.options.map_entry = True
    add("key", "string", into=entry)
    add("value", "string", into=entry).number = 2
    message.field[-1].label = FieldDescriptorProto.LABEL_REPEATED
    message.field[-1].type_name = ".everything.Everything.VerbatimPropertiesEntry"
    pool = descriptor_pool.Default()
    pool.Add(file) if hasattr(pool, "Add") else pool.AddSerializedFile(file.SerializeToString())
    return pool.FindMessageTypeByName("everything.Everything")


@cache
def descriptor(name: str) -> Descriptor:
    made = everything().file.message_types_by_name
    return made[name] if name in made else getattr(v1, name).DESCRIPTOR


@cache
def corpus(name: str) -> list[bytes]:
    """Return the recorded documents of a type in the folder that CHATPB_CORPUS names, none without it."""
    path = Path(os.environ.get("CHATPB_CORPUS", "nowhere"), f"{RECORDINGS.get(name)}.jsonl.gz")
    return gzip.decompress(path.read_bytes()).splitlines() if path.exists() else []
