"""Print wire bytes as JSON text: read them into a tree, then print the tree.

Rules: no name prints twice, so where the homes of a member disagree, the first of them counts.

1. The members that the contract has print in its order: each from its typed field, or else its null bit, or else its
   empty bit. The zero value of an enum counts as no value.
2. The members in `additional_properties` follow in the order that `member_order` gives them, without those printed by
   then.
3. The members in `verbatim_properties` come last, also without those printed by then.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable
from functools import cache
from json.encoder import encode_basestring
from typing import Any

from google.protobuf.descriptor import Descriptor

from chatpb._contract.schema import Field, Member, MessageSchema
from chatpb._engine.codec import Wire
from chatpb._errors import STACK_IS_FULL, WireError
from chatpb._json.print import print_object, print_value
from chatpb._tree.message import MessageTree
from chatpb._tree.read import wire_to_tree

ValuePrinter = Callable[[Any], str]
"""Returns the JSON text of one value of a field, or of a whole field."""


def wire_to_json(
    wire: Wire, descriptor: Descriptor, *, refuse_unknown: bool, nonfinite: bool, fill_required: bool
) -> bytes:
    """Return the JSON text of a message, in UTF-8 and without insignificant whitespace. Raises WireError."""
    tree = wire_to_tree(wire, descriptor, refuse_unknown=refuse_unknown, nonfinite=nonfinite, texts=True)
    try:
        return _tree_printer(tree.schema, fill_required)(tree).encode()
    except RecursionError:
        raise WireError("", 0, STACK_IS_FULL) from None


@cache
def _tree_printer(schema: MessageSchema, fill_required: bool) -> ValuePrinter:
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

    def print_tree(message: MessageTree) -> str:
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
        additional, verbatim = message.open_members()
        for name, value in additional.items():
            if name not in names:
                parts.append(f"{encode_basestring(name)}:{print_value(value)}")
        for name, text in verbatim.items():
            if name not in names and name not in additional:
                parts.append(f"{encode_basestring(name)}:{text}")
        return "{" + ",".join(parts) + "}"

    return print_tree


def _filling(member: Member) -> str:
    """Return the JSON text that `fill_required` writes for the member where it is absent, "" for none."""
    if not member.first.required:
        return ""
    return "null" if member.first.nullable else member.empty_form


def _field_printer(field: Field, fill_required: bool) -> ValuePrinter:
    """Return the printer of a whole field that is set. It returns "" where the value stands for an absent member."""
    if field.map_key:
        print_entry = _value_printer(field.map_value, fill_required)
        return lambda entries: print_object({key: print_entry(value) for key, value in entries.items()})
    print_one = _value_printer(field, fill_required)
    if field.repeated:
        return lambda items: _print_items(items, print_one) if items else ""
    if field.enum:
        return lambda number: print_one(number) if number else ""
    return print_one


def _value_printer(field: Field, fill_required: bool) -> ValuePrinter:
    """Return the printer of one value of a field."""
    match field.kind:
        case "message":
            # The inner printer is made when first used, so that a message type may contain itself.
            return lambda message: _tree_printer(message.schema, fill_required)(message)
        case "list":
            print_item = _value_printer(field.item, fill_required)
            return lambda items: _print_items(items, print_item)
        case "string":
            return encode_basestring
        case "text":
            return str
        case "bytes":
            return lambda data: f'"{b64encode(data).decode()}"'
        case "byte_array":
            return lambda data: _print_items(data, str)
        case "enum":
            assert field.enum
            texts = {number: encode_basestring(string) for number, string in field.enum.string_of.items()}
            return lambda number: texts.get(number) or str(number)
        case "int32" | "int64" | "uint32" | "uint64" | "double" | "bool":
            return print_value


def _print_items(items: Iterable[Any], print_item: ValuePrinter) -> str:
    return "[" + ",".join([print_item(item) for item in items]) + "]"
