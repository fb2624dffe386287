"""The message types that cases are made for: the contract's, and one with every kind of field in every shape."""

from __future__ import annotations

import gzip
import os
import random
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, struct_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from chatcompletion import v1
from chatcompletion.v1 import options_pb2

KINDS = ("int32", "int64", "uint32", "uint64", "double", "bool", "string", "bytes", "enum", "message")
HOMES = {"empty_fields": 13, "null_fields": 14, "additional_properties": 15, "verbatim_properties": 16}
RECORDINGS = {"ChatCompletion": "completion", "ChatCompletionChunk": "chunk", "CreateChatCompletionRequest": "request"}
Random = random.Random


@cache
def everything() -> Descriptor:
    """The descriptor of a message with every kind of field in every shape."""
    file = descriptor_pb2.FileDescriptorProto(name="everything.proto", package="everything", syntax="proto3")
    file.dependency.extend([struct_pb2.DESCRIPTOR.name, options_pb2.DESCRIPTOR.name])
    color = file.enum_type.add(name="Color")
    for number, name in enumerate(("COLOR_UNSPECIFIED", "COLOR_RED", "COLOR_GREEN")):
        color.value.add(name=name, number=number)
    color.value.add(name="COLOR_FAR", number=-1)
    color.value[2].options.Extensions[options_pb2.json_value] = 'gr"ün'
    message = file.message_type.add(name="Everything")
    numbers = iter([*range(1, 13), *range(17, 64)])

    def add(name: str, kind: str, label: int = FieldDescriptorProto.LABEL_OPTIONAL, into: Any = message) -> Any:
        field = into.field.add(name=name, label=label, number=next(numbers) if into is message else 1)
        field.type = getattr(FieldDescriptorProto, f"TYPE_{kind.upper()}")
        if kind == "enum":
            field.type_name = ".everything.Color"
        elif kind == "message":
            field.type_name = ".everything.Everything"
        return field

    for kind in KINDS:
        field = add(f"one_{kind}", kind)
        field.proto3_optional = kind != "message"
        if field.proto3_optional:
            field.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{field.name}")
        add(f"many_{kind}", kind, FieldDescriptorProto.LABEL_REPEATED)
        entry = message.nested_type.add(name=f"MapOf{kind.capitalize()}Entry")
        entry.options.map_entry = True
        add("key", "string", into=entry)
        add("value", kind, into=entry).number = 2
        of = add(f"map_of_{kind}", "message", FieldDescriptorProto.LABEL_REPEATED)
        of.type_name = f".everything.Everything.{entry.name}"
    for name, label in (("text", 1), ("texts", 3)):
        add(name, "string", label).options.Extensions[options_pb2.json_form] = options_pb2.JSON_FORM_TEXT
    for name, label in (("octets", 1), ("many_octets", 3)):
        add(name, "bytes", label).options.Extensions[options_pb2.json_form] = options_pb2.JSON_FORM_BYTE_ARRAY
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
    # Real oneofs come first in a descriptor.
    last = len(message.oneof_decl) - 1
    message.oneof_decl.insert(0, message.oneof_decl.pop())
    for field in message.field:
        if field.HasField("oneof_index"):
            field.oneof_index = 0 if field.oneof_index == last else field.oneof_index + 1
    for name, number in HOMES.items():
        home = message.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
        home.type = FieldDescriptorProto.TYPE_UINT64 if number < 15 else FieldDescriptorProto.TYPE_MESSAGE
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
    return everything() if name == "Everything" else getattr(v1, name).DESCRIPTOR


@cache
def corpus(name: str) -> list[bytes]:
    """Recorded documents, where a folder of them is named by CHATPB_CORPUS."""
    path = Path(os.environ.get("CHATPB_CORPUS", "nowhere"), f"{RECORDINGS.get(name)}.jsonl.gz")
    return gzip.decompress(path.read_bytes()).splitlines() if path.exists() else []
