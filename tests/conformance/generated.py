"""Messages from pseudo-random numbers, equal in every language. This module is the reference; the programs follow it.

Numbers come from splitmix64, started at `seed + index`. `below(n)` is the next number's upper 31 bits modulo n.
A message is filled field by field, in the order of their numbers:

1. `below(2)`: 0 leaves the field out. From depth 6 on, a field that holds messages (also as map values) is left out too.
2. A map gets `1 + below(2)` entries, a list `1 + below(2)` items. Entry i has the key `k<i>`.
3. A bool is `below(2) == 1`; an enum the value with the index `below(number of values)`, in declaration order. A string
   is `WORDS[below(len(WORDS))]`. The other types take one whole number: an int32 its upper half, a 64-bit integer all of
   it; both are then shifted right, with their sign, by `below(32)` or `below(64)`. A double has the number's bits without
   bit 62, so that it is finite. Bytes are the number's eight bytes, least significant first, cut to `below(9)`.
4. A message is filled at depth + 1. A google.protobuf.Struct or ListValue gets `below(3)` entries or items; a Value gets
   the alternative with the index `below(6)`, or `below(4)` from depth 8 on.

A later alternative of a oneof replaces an earlier one. Words are JSON texts, because some fields hold nothing else.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

WORDS: Final = [
    "0",
    '""',
    '"h\u00e9 \U0001f600"',
    "18446744073709551616",
    '{"z":1,"a":[null]}',
    "true",
    "1e400",
    '"\\ud83d"',
]

_MASK = 2**64 - 1


def generate(message_type: type[Any], seed: int, index: int) -> Any:
    """Return message number `index`."""
    message = message_type()
    _Generator(seed + index).fill(message, 0)
    return message


class _Generator:
    def __init__(self, state: int) -> None:
        self.state = state & _MASK

    def next(self) -> int:
        self.state = (self.state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self.state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)

    def below(self, count: int) -> int:
        return (self.next() >> 33) % count

    def fill(self, message: Any, depth: int) -> None:
        name = message.DESCRIPTOR.full_name
        fields = fields_of(message.DESCRIPTOR)
        if name == "google.protobuf.Value":
            self._fill_value(message, fields, depth)
        elif name in ("google.protobuf.Struct", "google.protobuf.ListValue"):
            self._put(message, fields[0], self.below(3), depth)
        else:
            for field in fields:
                if self.below(2) and not (depth >= 6 and _holds_messages(field)):
                    self._put(message, field, 1 + self.below(2) if is_repeated(field) else 1, depth)

    def _fill_value(self, message: Any, fields: list[FieldDescriptor], depth: int) -> None:
        field = fields[self.below(4 if depth >= 8 else 6)]
        self._put(message, field, 1, depth)

    def _put(self, message: Any, field: FieldDescriptor, count: int, depth: int) -> None:
        target = getattr(message, field.name)
        if entry := entry_of(field):
            value = entry.fields_by_name["value"]
            for index in range(count):
                if value.message_type:
                    self.fill(target[f"k{index}"], depth + 1)
                else:
                    target[f"k{index}"] = self._scalar(value)
        elif is_repeated(field):
            for _ in range(count):
                if field.message_type:
                    self.fill(target.add(), depth + 1)
                else:
                    target.append(self._scalar(field))
        elif field.message_type:
            target.SetInParent()
            self.fill(target, depth + 1)
        else:
            setattr(message, field.name, self._scalar(field))

    def _scalar(self, field: FieldDescriptor) -> Any:
        kind = field.type
        if kind == FieldDescriptor.TYPE_BOOL:
            return self.below(2) == 1
        if kind == FieldDescriptor.TYPE_ENUM:
            assert field.enum_type
            return field.enum_type.values[self.below(len(field.enum_type.values))].number
        if kind == FieldDescriptor.TYPE_STRING:
            return WORDS[self.below(len(WORDS))]
        number = self.next()
        if kind == FieldDescriptor.TYPE_INT32:
            return _signed(number >> 32, 32) >> self.below(32)
        if kind == FieldDescriptor.TYPE_INT64:
            return _signed(number, 64) >> self.below(64)
        if kind == FieldDescriptor.TYPE_UINT64:
            return number >> self.below(64)
        if kind == FieldDescriptor.TYPE_DOUBLE:
            return struct.unpack("<d", struct.pack("<Q", number & ~(1 << 62)))[0]
        assert kind == FieldDescriptor.TYPE_BYTES
        return struct.pack("<Q", number)[: self.below(9)]


@cache
def fields_of(descriptor: Descriptor) -> list[FieldDescriptor]:
    """Return the fields of a message type in the order of their numbers."""
    return sorted(descriptor.fields, key=lambda field: field.number)


@cache
def is_repeated(field: FieldDescriptor) -> bool:
    """Return whether a field is a list or a map."""
    proto = DescriptorProto()
    assert field.containing_type
    field.containing_type.CopyToProto(proto)
    labels = {each.number: each.label for each in proto.field}
    return labels[field.number] == FieldDescriptorProto.LABEL_REPEATED


@cache
def entry_of(field: FieldDescriptor) -> Descriptor | None:
    """Return the entry type of a map field, or None for another field."""
    found = field.message_type
    return found if found and found.GetOptions().map_entry else None


@cache
def _holds_messages(field: FieldDescriptor) -> bool:
    entry = entry_of(field)
    return bool((entry.fields_by_name["value"] if entry else field).message_type)


def _signed(number: int, bits: int) -> int:
    """Return the signed number whose two's complement of `bits` bits is `number`."""
    return number - (1 << bits) if number >> (bits - 1) else number
