"""Wire bytes to JSON text: the tree of a message, printed.

Rules: members print in the contract's order, each from its typed field, or else its null bit, or else its empty bit;
then the additional ones, then the verbatim ones, without those that a home before them already gave. No name prints
twice. A field that is present with the zero value of an enum prints as absent.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable
from functools import cache
from json.encoder import encode_basestring
from typing import Any

from google.protobuf.descriptor import Descriptor

from chatpb._python.open_values import print_object, print_value
from chatpb._python.wire_to_tree import Message, wire_to_tree
from chatpb._schema import Field, Member, Schema

Printer = Callable[[Any], str]


def wire_to_json(
    wire: bytes | bytearray | memoryview,
    descriptor: Descriptor,
    *,
    refuse_unknown: bool,
    nonfinite: bool,
    fill_required: bool,
) -> bytes:
    """JSON text, in UTF-8 and without insignificant whitespace, of an encoded message. Raises WireError."""
    tree = wire_to_tree(wire, descriptor, refuse_unknown=refuse_unknown, nonfinite=nonfinite, texts=True)
    return _message_printer(tree.schema, fill_required)(tree).encode()


@cache
def _message_printer(schema: Schema, fill_required: bool) -> Printer:
    members = [
        (
            name,
            encode_basestring(name) + ":",
            [(field.number, _field_printer(field, fill_required)) for field in member.alternatives],
            member.bits,
            member.empty_form,
            _filling(member) if fill_required else "",
        )
        for name, member in schema.members.items()
    ]

    def print_message(message: Message) -> str:
        parts = []
        names = set()
        values = message.values
        for name, prefix, alternatives, bits, empty_form, filling in members:
            text = ""
            for number, print_field in alternatives:
                if number in values:
                    text = print_field(values[number])
                    break
            if not text:
                if message.null_fields & bits:
                    text = "null"
                elif message.empty_fields & bits:
                    text = empty_form
            if not text and filling and name not in message.additional and name not in message.verbatim:
                text = filling
            if text:
                parts.append(prefix + text)
                names.add(name)
        for name, value in message.additional.items():
            if name not in names:
                parts.append(f"{encode_basestring(name)}:{print_value(value)}")
        for name, text in message.verbatim.items():
            if name not in names and name not in message.additional:
                parts.append(f"{encode_basestring(name)}:{text}")
        return "{" + ",".join(parts) + "}"

    return print_message


def _filling(member: Member) -> str:
    """What `fill_required` writes for the member when it is absent."""
    if not member.first.required:
        return ""
    return "null" if member.first.nullable else member.empty_form


def _field_printer(field: Field, fill_required: bool) -> Printer:
    """The printer of a field that is set; it gives "" where the value stands for absence."""
    if field.map_key:
        print_entry = _value_printer(field.map_value, fill_required)
        return lambda entries: print_object({key: print_entry(value) for key, value in entries.items()})
    print_one = _value_printer(field, fill_required)
    if field.repeated:
        return lambda items: _array(items, print_one) if items else ""
    if field.enum:
        return lambda number: print_one(number) if number else ""
    return print_one


def _value_printer(field: Field, fill_required: bool) -> Printer:
    """The printer of one value of a field."""
    match field.kind:
        case "message":
            # Looked up when first used, so that a message type may contain itself.
            return lambda message: _message_printer(message.schema, fill_required)(message)
        case "list":
            print_item = _value_printer(field.item, fill_required)
            return lambda items: _array(items, print_item)
        case "string":
            return encode_basestring
        case "text":
            return str
        case "bytes":
            return lambda data: f'"{b64encode(data).decode()}"'
        case "byte_array":
            return lambda data: _array(data, str)
        case "enum":
            assert field.enum
            spelled = {number: encode_basestring(string) for number, string in field.enum.string_of.items()}
            return lambda number: spelled.get(number) or str(number)
    return print_value


def _array(items: Iterable[Any], print_item: Printer) -> str:
    return "[" + ",".join([print_item(item) for item in items]) + "]"
