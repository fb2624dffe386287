"""Both engines on generated and mutated documents and wire strings: equal results, and equal errors.

    python tests/differential.py --count 1000000
    CHATPB_CORPUS=FOLDER python tests/differential.py --truncate

The second cuts every recorded document, and its wire bytes, at every byte. A short run of both is in
tests/test_engines.py. Cases come from a seed alone; a difference prints the seed of its case. Besides the contract's
messages there is one made up here that has every kind of field in every shape and contains itself.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, struct_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from chatcompletion import v1
from chatcompletion.v1 import options_pb2
from chatpb._engine import Codec, PythonCodec, native_codec
from chatpb._errors import JsonError, WireError
from chatpb._schema import Field, Schema, schema_of

MESSAGES = (
    "ChatCompletion",
    "ChatCompletionChunk",
    "CreateChatCompletionRequest",
    "ErrorResponse",
    "ChatCompletionRecord",
    "Everything",
)
KINDS = ("int32", "int64", "uint32", "uint64", "double", "bool", "string", "bytes", "enum", "message")
HOMES = {"empty_fields": 13, "null_fields": 14, "additional_properties": 15, "verbatim_properties": 16}
RECORDINGS = {"ChatCompletion": "completion", "ChatCompletionChunk": "chunk", "CreateChatCompletionRequest": "request"}
LONG = 20_000
"""Bytes of a document up to which it is cut everywhere."""

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
def codecs(name: str) -> tuple[Codec, Codec]:
    return PythonCodec(descriptor(name)), native_codec(descriptor(name))


@cache
def corpus(name: str) -> list[bytes]:
    """Recorded documents, where a folder of them is named by CHATPB_CORPUS."""
    path = Path(os.environ.get("CHATPB_CORPUS", "nowhere"), f"{RECORDINGS.get(name)}.jsonl.gz")
    return gzip.decompress(path.read_bytes()).splitlines() if path.exists() else []


# Documents.

NUMBERS = (
    "0", "-0", "1", "-1", "42", "127", "128", "255", "256", "-128", "2147483647", "2147483648", "-2147483648",
    "-2147483649", "4294967295", "4294967296", "9007199254740991", "9007199254740992", "9007199254740993",
    "-9007199254740992", "-9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
    "-9223372036854775809", "18446744073709551615", "18446744073709551616", "9999999999999999999",
    "99999999999999999999", "-99999999999999999999", "100000000000000000000000", "1.0", "-1.0", "1.5", "0.0", "-0.0",
    "1e2", "1E+2", "1e-2", "1.50", "255.0", "256.0", "3e0", "1e400", "-1e400", "1e-400", "-1e-400", "5e-324",
    "2.2250738585072014e-308", "1.7976931348623157e308", "1.7976931348623159e308", "0.1", "1e-5", "9.9e-6", "1e-7",
    "1e15", "1e16", "123456789012345678", "1.2345678901234567e17", "9007199254740994.0", "9007199254740992.0",
    "0.00001234", "-1.5e-9", "1e22", "1e23", "4.35", "0.3", "2.5e-5", "6.02214076e23", "1234567890.12345678901234567",
)  # fmt: skip
STRINGS = (
    "", "a", "stop", "assistant", "chat.completion", "red", 'gr"ün', "far", "unspecified", "AAAA", "AA==", "AB==", "AAA=",
    "QUJD", "QUI=", "QQ==", "Q===", "====", "é", "日本", "\U0001f353", "a\nb", 'q"q', "b\\b", "\t\r\b\f", "\x00", "\x1f",
    "\x7f", "\ud83d", "\ude00", "x\ud83d", "\ude00\ud83d", "/", "~", "line \u2028", "0123456789abcdef", "A" * 31, "é" * 40,
    "x" * 127, "x" * 128, "\n" * 70, "long " * 60, "z" * 20000,
)  # fmt: skip
NAMES = (
    "", "a", "b", "ab", "id", "x_extra", "null_fields", "additional_properties", "cost", "provider", "é", "日", "a/b",
    "~", '"', "\n", "\ud800", "union_string", "extra_0123456789_0123456789_0123456789",
)  # fmt: skip


def number_text(rng: Random) -> str:
    roll = rng.random()
    if roll < 0.6:
        return rng.choice(NUMBERS)
    if roll < 0.8:
        return repr(rng.uniform(-1, 1) * 10 ** rng.randint(-30, 30))
    if roll < 0.9:
        return str(rng.randint(-(10 ** rng.randint(0, 22)), 10 ** rng.randint(0, 22)))
    mantissa = rng.choice(("1", "1.5", "-7", "0.001", "12345.678"))
    return f"{mantissa}e{rng.choice(('', '+', '-'))}{rng.randint(0, 330)}"


class Writer:
    """Writes values as JSON text in one of the many ways."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.spaced = rng.random() < 0.2
        self.escaped = rng.choice((0.0, 0.0, 0.05, 0.5))

    def space(self) -> str:
        return self.rng.choice(("", " ", "\n", "\t", "\r\n  ")) if self.spaced else ""

    def string(self, value: str) -> str:
        out = []
        for char in value:
            code = ord(char)
            if self.escaped and self.rng.random() < self.escaped and code < 0x10000:
                out.append(f"\\u{code:04x}" if self.rng.random() < 0.5 else f"\\u{code:04X}")
            elif 0xD800 <= code < 0xE000 or code < 0x20:
                out.append(f"\\u{code:04x}")
            elif char in '"\\':
                out.append("\\" + char)
            elif code > 0xFFFF and self.escaped:
                out.append(json.dumps(char)[1:-1])
            else:
                out.append(char)
        return '"' + "".join(out) + '"'

    def object(self, members: list[tuple[str, str]]) -> str:
        s = self.space
        return "{" + s() + ",".join(f"{s()}{self.string(k)}{s()}:{s()}{v}{s()}" for k, v in members) + "}"

    def array(self, items: list[str]) -> str:
        s = self.space
        return "[" + ",".join(f"{s()}{item}{s()}" for item in items) + s() + "]"


class Documents:
    """Makes JSON text for a schema."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.writer = Writer(rng)
        self.wrong = rng.choice((0.0, 0.02, 0.1, 0.3))
        self.lone = rng.random() < 0.2
        self.budget = 120

    def string(self, choices: tuple[str, ...]) -> str:
        value = self.rng.choice(choices)
        if not self.lone and any(0xD800 <= ord(char) < 0xE000 for char in value):
            return "q"
        if len(value) > 1000 and self.rng.random() < 0.9:
            return "w"
        return value

    def names(self, most: int) -> list[str]:
        names = [self.string(NAMES) for _ in range(self.rng.randint(0, most))]
        if self.rng.random() < 0.02:
            names += [f"n{n}" for n in range(self.rng.randint(10, 40))]
        return names if self.rng.random() < 0.02 else list(dict.fromkeys(names))

    def open(self, depth: int = 0) -> str:
        rng = self.rng
        self.budget -= 1
        roll = rng.random()
        if depth > 5 or self.budget < 0 or roll < 0.6:
            return rng.choice(
                (
                    lambda: number_text(rng),
                    lambda: self.writer.string(self.string(STRINGS)),
                    lambda: rng.choice(("true", "false", "null", "null", "[]", "{}")),
                    lambda: rng.choice(("NaN", "Infinity", "-Infinity")) if rng.random() < 0.1 else "null",
                )
            )()
        if roll < 0.62:
            levels = rng.choice((3, 22, 23, 24, 25, 26, 100, 195, 199, 200, 201, 250))
            return ("[" * levels + "]" * levels) if rng.random() < 0.5 else '{"k":' * levels + "1" + "}" * levels
        if roll < 0.8:
            return self.writer.array([self.open(depth + 1) for _ in range(rng.randint(0, 4))])
        return self.writer.object([(name, self.open(depth + 1)) for name in self.names(4)])

    def message(self, schema: Schema, depth: int = 0) -> str:
        rng = self.rng
        members = []
        present = rng.choice((0.1, 0.3, 0.6)) if depth < 3 else 0.05
        for member in schema.members.values():
            if rng.random() < present and self.budget > 0:
                members.append((member.name, self.member(rng.choice(member.alternatives), depth)))
                if rng.random() < 0.002:
                    members.append(members[-1])
        members += [(name, self.open()) for name in self.names(3)]
        rng.shuffle(members)
        return self.writer.object(members if rng.random() < 0.03 else list(dict(members).items()))

    def member(self, field: Field, depth: int) -> str:
        rng = self.rng
        if rng.random() < self.wrong:
            return self.open()
        if rng.random() < 0.1:
            return "null"
        if field.map_key:
            return self.writer.object([(name, self.value(field.map_value, depth + 1)) for name in self.names(3)])
        if field.repeated:
            return self.writer.array([self.value(field, depth + 1) for _ in range(rng.choice((0, 1, 1, 2, 3, 20)))])
        return self.value(field, depth)

    def value(self, field: Field, depth: int) -> str:
        rng = self.rng
        self.budget -= 1
        if rng.random() < self.wrong / 2:
            return self.open()
        match field.kind:
            case "message":
                return self.message(field.schema, depth + 1) if self.budget > 0 else "{}"
            case "list":
                return self.writer.array([self.value(field.item, depth + 1) for _ in range(rng.randint(0, 3))])
            case "string":
                return self.writer.string(self.string(STRINGS))
            case "bytes":
                return self.writer.string(rng.choice(("", "AAAA", "QQ==", "QUI=", "QUJD", "QUJDREVG" * 30)))
            case "byte_array":
                return self.writer.array([str(rng.randint(0, 255)) for _ in range(rng.randint(0, 9))])
            case "bool":
                return rng.choice(("true", "false"))
            case "text":
                return self.open()
            case "enum":
                assert field.enum
                return self.writer.string(rng.choice([*field.enum.number_of, "other"]))
            case "double":
                return number_text(rng)
        return rng.choice(("0", "1", "5", "127", "128", "300", "1700000000", number_text(rng)))


TOKENS = (
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"null", b"tru", b"NaN", b"-", b"-I", b"Infinity", b"0", b"1e", b".",
    b"\\u", b"\\ud800", b"\\x", b"\x00", b"\n", b" ", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x80", b"01",
    b'"a":1,', b"\xf0\x9f\x98\x80", b"\x1f", b"\x7f",
)  # fmt: skip


def mutate(rng: Random, data: bytes, tokens: tuple[bytes, ...] = TOKENS) -> bytes:
    """The bytes with a few cut, doubled, changed or put in."""
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at = rng.randint(0, len(data))
        end = min(len(data), at + rng.choice((1, 1, 2, 5, 30)))
        roll = rng.random()
        if roll < 0.2:
            data = data[:at]
        elif roll < 0.4:
            data = data[:at] + data[end:]
        elif roll < 0.5:
            data = data[:end] + data[at:]
        elif roll < 0.8:
            data = data[:at] + rng.choice(tokens) + data[rng.choice((at, end)) :]
        elif at < len(data):
            data = data[:at] + bytes([data[at] ^ 1 << rng.randint(0, 7)]) + data[at + 1 :]
    return data


def document(rng: Random, name: str) -> bytes:
    recorded = corpus(name)
    if recorded and rng.random() < 0.15:
        data = rng.choice(recorded)
    elif name == "Everything" and rng.random() < 0.02:
        # A message that contains itself, about as deep as the limit.
        levels = rng.choice((50, 180, 198, 199, 200, 201))
        inner = rng.choice(
            ('"text":[[1]]', '"rows":[[1.5]]', '"octets":[1]', '"q":[{}]', '"many_int32":[1]', '"x":1e999')
        )
        data = ('{"one_message":' * (levels - 1) + "{" + inner + "}" + "}" * (levels - 1)).encode()
    else:
        data = Documents(rng).message(schema_of(descriptor(name))).encode()
    if rng.random() < 0.02:
        data = rng.choice((b"\xef\xbb\xbf", b" \n", b"\xef\xbb\xbf\n ")) + data + rng.choice((b"", b"\n", b" x"))
    return data


# Wire strings.


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


class Messages:
    """Makes wire bytes for a schema: any encoding, not only that of a writer."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.budget = 60
        self.odd = rng.choice((0.0, 0.01, 0.1))

    def padded(self, value: int) -> bytes:
        """A varint, sometimes longer than it need be."""
        data = varint(value)
        if self.rng.random() < self.odd / 10:
            more = self.rng.choice((1, 1, 2, 3, 4, 5, 8))
            data = data[:-1] + bytes([data[-1] | 128]) + b"\x80" * (more - 1) + b"\x00"
        return data

    def delimited(self, number: int, payload: bytes) -> bytes:
        return self.padded(number << 3 | 2) + self.padded(len(payload)) + payload

    def varint(self) -> bytes:
        rng = self.rng
        if rng.random() < 0.02:
            return b"\x80" * rng.randint(1, 10) + rng.choice((b"\x00", b"\x01", b"\x02", b"\x7f"))
        return varint(rng.choice((0, 1, 2, 3, 5, 127, 128, 2**31 - 1, 2**31, 2**32 + 1, 2**63, 2**64 - 1, 2**64 - 2)))

    def string(self) -> bytes:
        value = self.rng.choice(STRINGS).encode("utf-8", "surrogatepass" if self.rng.random() < self.odd else "replace")
        return value if len(value) < 1000 else b"w"

    def double(self) -> bytes:
        import struct

        rng = self.rng
        if rng.random() < 0.1:
            return rng.randbytes(8)
        special = (float("nan"), float("inf"), -float("inf")) if rng.random() < self.odd else (0.0, -0.0)
        return struct.pack(
            "<d", rng.choice((0.0, -0.0, 1.0, 0.5, 1e16, 1e15, 2.0**53, 2.0**53 + 2, 1e-5, 1e-7, *special))
        )

    def unknown(self) -> bytes:
        rng = self.rng
        number = rng.choice((1, 2, 13, 15, 62, 63, 64, 1000, 2**29 - 1))
        group = varint(number << 3 | 3) + b"\x08\x01" + varint((number + (rng.random() < 0.1)) << 3 | 4)
        return rng.choice(
            (
                self.delimited(number, b"abc"),
                varint(number << 3) + b"\x05",
                varint(number << 3 | 1) + b"\x00" * 8,
                varint(number << 3 | 5) + b"\x00" * 4,
                group,
                varint(number << 3 | 3) * 101,
                varint(number << 3 | rng.randint(4, 7)),
            )
        )

    def open(self, depth: int = 0) -> bytes:
        rng = self.rng
        self.budget -= 1
        choices: list[Callable[[], bytes]] = [
            lambda: b"",
            lambda: b"\x08" + self.varint(),
            lambda: b"\x11" + self.double(),
            lambda: self.delimited(3, self.string()),
            lambda: b"\x20" + self.varint(),
        ]
        if self.budget > 0 and depth < 6:
            choices += [
                lambda: self.delimited(5, self.struct(depth + 1)),
                lambda: self.delimited(
                    6, b"".join(self.delimited(1, self.open(depth + 1)) for _ in range(rng.randint(0, 3)))
                ),
            ]
        if rng.random() < 0.003:
            value = b"\x08\x00"
            for _ in range(rng.choice((100, 190, 199, 200, 201))):
                value = self.delimited(6, self.delimited(1, value))
            return value
        value = rng.choice(choices)()
        if rng.random() < self.odd:
            value += rng.choice(choices)() if rng.random() < 0.7 else self.unknown()
        return value

    def struct(self, depth: int) -> bytes:
        entries = []
        for _ in range(self.rng.choice((0, 1, 2, 3, 3, 20))):
            key = self.delimited(1, self.name())
            entries.append(self.delimited(1, self.shuffled([key, self.delimited(2, self.open(depth))])))
        return self.shuffled(entries, False)

    def name(self) -> bytes:
        name = self.rng.choice((*NAMES, *(f"n{n}" for n in range(30))))
        return name.encode("utf-8", "replace")

    def shuffled(self, parts: list[bytes], entry: bool = True) -> bytes:
        if self.rng.random() < self.odd:
            self.rng.shuffle(parts)
            if parts and self.rng.random() < 0.5:
                parts = parts[: self.rng.randint(0, len(parts))] + parts[-1:]
            if self.rng.random() < 0.3:
                parts.insert(self.rng.randint(0, len(parts)), self.unknown())
        return b"".join(parts)

    def text(self) -> bytes:
        text = Documents(self.rng).open().encode("utf-8")
        return mutate(self.rng, text) if self.rng.random() < self.odd else text

    def message(self, schema: Schema, depth: int = 0) -> bytes:
        rng = self.rng
        parts: list[bytes] = []
        present = rng.choice((0.1, 0.3, 0.5)) if depth < 3 else 0.05
        for member in schema.members.values():
            if rng.random() < present and self.budget > 0:
                alternatives = member.alternatives if rng.random() < self.odd else [rng.choice(member.alternatives)]
                for field in alternatives:
                    parts += self.field(field, depth)
        if not schema.is_list:
            bits = sum(1 << number for number in range(64) if rng.random() < 0.1)
            for number in (13, 14):
                if rng.random() < 0.3:
                    parts.append(varint(number << 3) + varint(bits))
            if rng.random() < 0.3:
                parts.append(self.delimited(15, self.struct(depth)))
            for _ in range(rng.choice((0, 0, 1, 3))):
                entry = [self.delimited(1, self.name()), self.delimited(2, self.text())]
                parts.append(self.delimited(16, self.shuffled(entry)))
        return self.shuffled(parts, False)

    def field(self, field: Field, depth: int) -> Iterator[bytes]:
        rng = self.rng
        number = field.number
        if field.map_key:
            for _ in range(rng.choice((1, 2, 3, 15))):
                value = field.map_value
                entry = [
                    self.delimited(1, self.name()),
                    self.padded(2 << 3 | value.wire_type) + self.value(value, depth + 1),
                ]
                yield self.delimited(number, self.shuffled(entry))
        elif field.repeated:
            items = [self.value(field, depth + 1) for _ in range(rng.choice((0, 1, 2, 5)))]
            if field.is_packable and rng.random() < 0.7:
                yield self.delimited(number, b"".join(items))
            else:
                yield from (self.padded(number << 3 | field.wire_type) + item for item in items)
        else:
            for _ in range(2 if rng.random() < self.odd else 1):
                yield self.padded(number << 3 | field.wire_type) + self.value(field, depth)

    def value(self, field: Field, depth: int) -> bytes:
        self.budget -= 1
        match field.kind:
            case "message" | "list":
                payload = self.message(field.schema, depth + 1) if self.budget > 0 else b""
            case "string":
                payload = self.string()
            case "bytes" | "byte_array":
                payload = self.rng.randbytes(self.rng.choice((0, 1, 2, 3, 40)))
            case "text":
                payload = self.text()
            case "double":
                return self.double()
            case _:
                return self.varint()
        return self.padded(len(payload)) + payload


WIRE_TOKENS = (
    b"\x00",
    b"\xff",
    b"\x80",
    b"\x0a",
    b"\x12\x00",
    b"\x7a\x00",
    b"\x68\x02",
    b"\x0b\x0c",
    b"\x80\x80\x80\x80\x10",
    b"\x07",
)


def wire(rng: Random, name: str) -> bytes:
    native = codecs(name)[1]
    if rng.random() < 0.5:
        try:
            data = native.json_to_wire(document(rng, name), rng.random() < 0.3, False)
        except JsonError:
            data = b""
    else:
        data = Messages(rng).message(schema_of(descriptor(name)))
    if rng.random() < 0.05:
        data += Messages(rng).message(schema_of(descriptor(name)))
    return mutate(rng, data, WIRE_TOKENS) if rng.random() < 0.3 else data


# The comparison.


def outcome(function: Callable[..., bytes], *arguments: Any) -> object:
    """What a call returned, or all that its error says."""
    try:
        return function(*arguments)
    except JsonError as error:
        return (error.path, error.line, error.column, error.offset, error.reason)
    except WireError as error:
        return (error.path, error.offset, error.reason)


def difference(seed: int) -> str | None:
    """How the engines differ on a case, or None."""
    rng = Random(seed)
    name = rng.choice(MESSAGES)
    python, native = codecs(name)
    if rng.random() < 0.5:
        data: Any = document(rng, name)
        if rng.random() < 0.4:
            data = mutate(rng, data)
        canonical, nonfinite = rng.random() < 0.3, rng.random() < 0.3
        given = data
        form = rng.random()
        if form < 0.1:
            given = data.decode("utf-8", "replace")
            if form < 0.01:
                given = given[: rng.randint(0, len(given))] + rng.choice("\ud83d\udfff") + given
        elif form < 0.15:
            given = bytearray(data)
        elif form < 0.2:
            given = memoryview(data)
        if rng.random() < 0.05:
            lines = b"\n".join([data, b" ", document(rng, name).replace(b"\n", b" ")])
            a = outcome(python.json_lines_to_wire, lines, canonical, nonfinite, 1)
            b = outcome(native.json_lines_to_wire, lines, canonical, nonfinite, 2)
        else:
            a = outcome(python.json_to_wire, given, canonical, nonfinite)
            b = outcome(native.json_to_wire, given, canonical, nonfinite)
    else:
        data = wire(rng, name)
        fill, refuse, nonfinite = rng.random() < 0.2, rng.random() < 0.3, rng.random() < 0.3
        if rng.random() < 0.05:
            stream = varint(len(data)) + data + b"\x00" + rng.choice((b"", varint(len(data) + 1) + data, b"\xff" * 11))
            a = outcome(python.wire_to_json_lines, stream, fill, refuse, nonfinite, 1)
            b = outcome(native.wire_to_json_lines, stream, fill, refuse, nonfinite, 2)
        else:
            a = outcome(python.wire_to_json, data, fill, refuse, nonfinite)
            b = outcome(native.wire_to_json, data, fill, refuse, nonfinite)
    if a == b:
        return None
    return f"seed {seed}, {name}\ninput  {data!r}\npython {a!r}\nnative {b!r}"


def truncations(name: str, text: bytes) -> Iterator[str]:
    """How the engines differ on a document cut at every byte, and on its wire bytes cut at every byte."""
    native = codecs(name)[1]
    message = native.json_to_wire(text, False, False)
    for at in _cuts(len(text)):
        yield from _disagreement(name, text[:at], "json_to_wire", False, False)
    for at in _cuts(len(message)):
        yield from _disagreement(name, message[:at], "wire_to_json", False, False, False)


def _cuts(size: int) -> Iterator[int]:
    """Every position; in a document so long that it would take hours, from LONG on only a thousand."""
    yield from range(min(size, LONG))
    yield from range(LONG, size, max(1, (size - LONG) // 1000))


def _disagreement(name: str, data: bytes, function: str, *options: bool) -> Iterator[str]:
    python, native = (outcome(getattr(codec, function), data, *options) for codec in codecs(name))
    if python != native:
        yield f"{name}\ninput  {data!r}\npython {python!r}\nnative {native!r}"


def _share(share: range) -> list[str]:
    return [found for seed in share if (found := difference(seed))]


def _cut(name: str, text: bytes) -> list[str]:
    return list(truncations(name, text))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="seed of the first case")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument(
        "--truncate", metavar="MESSAGE", nargs="*", help="instead, cut recorded documents: of these messages, or of all"
    )
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.jobs) as pool:
        if arguments.truncate is not None:
            names = arguments.truncate or list(RECORDINGS)
            cases = [(name, text) for name in names for text in corpus(name)]
            if not cases:
                parser.error(f"no recorded documents of {' or '.join(names)}: name a folder of them in CHATPB_CORPUS")
            # Documents that are alike cut alike.
            pending = [pool.submit(_cut, *case) for case in dict.fromkeys(cases)]
            return _report((each.result() for each in pending), len(pending), 1, "documents")
        size = 2000
        end = arguments.seed + arguments.count
        shares = [range(start, min(start + size, end)) for start in range(arguments.seed, end, size)]
        return _report(pool.map(_share, shares), arguments.count, size, "cases")


def _report(results: Iterable[list[str]], total: int, size: int, things: str) -> int:
    """Print the first differences, the progress and the sum. The exit status."""
    count = 0
    for done, texts in enumerate(results, 1):
        for text in texts[: max(0, 20 - count)]:
            print(text, flush=True)
        count += len(texts)
        if done * size % 50_000 == 0 or (size == 1 and done % 500 == 0):
            print(f"{done * size} {things}, {count} differences", file=sys.stderr, flush=True)
    print(f"{total} {things}, {count} differences")
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main())
