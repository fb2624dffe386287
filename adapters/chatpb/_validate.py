"""Does a message keep the contract? A walk over its tree that collects every violation.

docs/mapping.md lists the rules by id. Messages name types and members, never values, since those may be private.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor

from chatpb._errors import JsonError, Violation
from chatpb._python.text import check, pointer
from chatpb._python.wire_to_tree import Message, wire_to_tree
from chatpb._schema import Field, Member

__all__ = ["validate_tree", "validate_wire"]


def validate_wire(wire: bytes, descriptor: Descriptor) -> list[Violation]:
    """Every violation in an encoded message. Raises WireError if it cannot be read."""
    return list(validate_tree(wire_to_tree(wire, descriptor)))


def validate_tree(message: Message, path: str = "") -> Iterator[Violation]:
    """Every violation in a message and those inside it, in the contract's order."""
    set_bits = message.null_fields | message.empty_fields | sum(1 << number for number in message.values)
    for member in message.schema.members.values():
        name = member.name
        # Most members of most messages are absent and may be.
        if member.bits & set_bits or member.first.required or name in message.additional or name in message.verbatim:
            yield from _member(message, member, path + pointer(name))
    if (message.null_fields | message.empty_fields) & ~message.schema.known_bits:
        yield Violation(path, "unknown_bit", "null_fields or empty_fields names a field that does not exist")
    if message.unknown_fields:
        yield Violation(path, "unknown_field", f"{message.unknown_fields} fields that the contract does not have")
    for name, text in message.verbatim.items():
        if name in message.additional:
            yield Violation(path + pointer(name), "conflict", "both an additional and a verbatim property")
        yield from _text(text, path + pointer(name))


def _member(message: Message, member: Member, path: str) -> Iterator[Violation]:
    homes = 0
    for field in member.alternatives:
        value = message.values.get(field.number)
        if value is None or (field.repeated and not value):
            continue
        homes += 1
        for where, one in _each(field, value, path):
            yield from _value(_element(field), one, where, field.repeated)
    is_null = bool(message.null_fields & member.bits)
    is_empty = bool(message.empty_fields & member.bits)
    is_open = member.name in message.additional or member.name in message.verbatim
    homes += is_null + is_empty + is_open
    if homes > 1:
        yield Violation(path, "conflict", f"{member.name} is in {homes} homes that disagree; the first of them prints")
    if is_null and not member.first.nullable:
        yield Violation(path, "not_nullable", f"{member.name} is null, which the contract does not allow")
    if is_empty and not member.empty_form:
        yield Violation(path, "unknown_bit", f"empty_fields names {member.name}, which is neither an array nor a map")
    if is_open:
        yield _misfit(message, member, path)
    if not homes and member.first.required:
        yield Violation(path, "required", f"{member.name} is missing")


def _misfit(message: Message, member: Member, path: str) -> Violation:
    """Why a member of the contract is among the open ones."""
    value = message.additional.get(member.name)
    if isinstance(value, str) and any(field.enum and not field.repeated for field in member.alternatives):
        return Violation(path, "enum", f"{member.name} is a string that is not one of {_strings(member)}")
    return Violation(path, "type", f"{member.name} is not {_expected(member)}")


def _value(field: Field, value: Any, path: str, in_array: bool) -> Iterator[Violation]:
    if isinstance(value, Message):
        yield from validate_tree(value, path)
    elif field.kind == "list":
        for where, one in _each(field.item, value, path):
            yield from _value(field.item, one, where, True)
    elif field.kind == "text":
        yield from _text(value, path)
    elif field.enum and value not in field.enum.string_of:
        if value:
            yield Violation(path, "enum", f"{value} is not a number of {field.enum.name}")
        else:
            yield Violation(path, "unspecified", f"the zero value of {field.enum.name} has no JSON string")


def _each(field: Field, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The single values of a field, with their paths."""
    if field.map_key:
        for key, one in value.items():
            yield path + pointer(key), one
    elif field.repeated:
        for index, one in enumerate(value):
            yield path + pointer(index), one
    else:
        yield path, value


def _element(field: Field) -> Field:
    return field.map_value if field.map_key else field


def _text(text: str, path: str) -> Iterator[Violation]:
    try:
        check(text, nonfinite=True, whole=False)
    except JsonError as error:
        yield Violation(path, "json_text", f"text that is not a JSON value: {error.reason}")


_NOUNS = {
    "message": "an object",
    "list": "an array that fits",
    "string": "a string",
    "enum": "a string",
    "bytes": "a string in base64",
    "byte_array": "an array of integers 0-255",
    "bool": "true or false",
    "double": "a number",
    "text": "a JSON value",
}


def _expected(member: Member) -> str:
    if member.first.map_key:
        return "an object whose members fit"
    if member.first.repeated:
        return "an array whose items fit"
    nouns = (_NOUNS.get(field.kind, f"an integer of {field.kind}") for field in member.alternatives)
    return " or ".join(nouns)


def _strings(member: Member) -> str:
    return ", ".join(string for field in member.alternatives if field.enum for string in field.enum.number_of)
