"""List every way in which a message breaks the contract.

docs/mapping.md lists the rules by id. The sentences name types and members but no values, since those may be private.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor

from chatpb._contract.schema import KINDS, Field, Member
from chatpb._errors import STACK_IS_FULL, JsonError, Violation, WireError
from chatpb._inputs import Wire
from chatpb._json.check import check_value
from chatpb._json.pointer import pointer
from chatpb._limits import MAX_VIOLATION_PATHS, MAX_VIOLATIONS
from chatpb._tree.message import MessageTree
from chatpb._tree.read import wire_to_tree

__all__ = ["validate_wire"]


def validate_wire(wire: Wire, descriptor: Descriptor, *, strict: bool) -> list[Violation]:
    """Return every violation in an encoded message, up to the limits. Raises WireError if it cannot be read.

    With `strict` only what breaks a typed reader. A required member that is missing but may be null does not: such a
    reader takes its absence as null.
    """
    violations = _message(wire_to_tree(wire, descriptor))
    try:
        return _listed(each for each in violations if not strict or each.rule != "required_nullable")
    except RecursionError:
        raise WireError("", 0, STACK_IS_FULL) from None


def _listed(violations: Iterable[Violation]) -> list[Violation]:
    """Return violations as a list, which ends at the limits."""
    found: list[Violation] = []
    paths = 0
    for violation in violations:
        if len(found) == MAX_VIOLATIONS or paths > MAX_VIOLATION_PATHS:
            return [*found, Violation("", "more", "there are more violations; the list ends here")]
        found.append(violation)
        paths += len(violation.path.encode())
    return found


def _message(message: MessageTree, path: str = "") -> Iterator[Violation]:
    """Yield every violation in a message and those inside it, in the contract's order."""
    set_bits = message.null_fields | message.empty_fields | sum(1 << number for number in message.values)
    for member in message.schema.members.values():
        name = member.name
        # Most messages lack most members, and may: the test skips those quickly.
        if member.bits & set_bits or member.first.required or name in message.additional or name in message.verbatim:
            yield from _member(message, member, path + pointer(name))
    if (message.null_fields | message.empty_fields) & ~message.schema.known_bits:
        yield Violation(path, "unknown_bit", "null_fields or empty_fields names a field that does not exist")
    if message.unknown_fields:
        yield Violation(
            path, "unknown_field", f"{sum(message.unknown_fields.values())} fields that the contract does not have"
        )
    for name, text in message.verbatim.items():
        if name in message.additional:
            yield Violation(path + pointer(name), "conflict", "both an additional and a verbatim property")
        yield from _text(text, path + pointer(name))


def _member(message: MessageTree, member: Member, path: str) -> Iterator[Violation]:
    homes = 0
    for field in member.alternatives:
        if not message.has_typed(field):
            continue
        homes += 1
        for where, one in _each(field, message.values[field.number], path):
            yield from _value(field.map_value if field.map_key else field, one, where)
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
        if member.first.nullable:
            yield Violation(path, "required_nullable", f"{member.name} is missing but may be null")
        else:
            yield Violation(path, "required", f"{member.name} is missing")


def _misfit(message: MessageTree, member: Member, path: str) -> Violation:
    """Return the reason why a member of the contract is not in its typed field."""
    value = message.additional.get(member.name)
    if isinstance(value, str) and any(field.enum and not field.repeated for field in member.alternatives):
        return Violation(path, "enum", f"{member.name} is a string that is not one of {_strings(member)}")
    return Violation(path, "type", f"{member.name} is not {_expected(member)}")


def _value(field: Field, value: Any, path: str) -> Iterator[Violation]:
    if isinstance(value, MessageTree):
        yield from _message(value, path)
    elif field.kind == "list":
        for where, one in _each(field.item, value, path):
            yield from _value(field.item, one, where)
    elif field.kind == "text":
        yield from _text(value, path)
    elif field.enum and value not in field.enum.string_of:
        if value:
            yield Violation(path, "enum", f"{value} is not a number of {field.enum.name}")
        else:
            yield Violation(path, "unspecified", f"the zero value of {field.enum.name} has no JSON string")


def _each(field: Field, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the path and the value of each item of an array or a map, or of the field itself."""
    if field.map_key:
        for key, one in value.items():
            yield path + pointer(key), one
    elif field.repeated:
        for index, one in enumerate(value):
            yield path + pointer(index), one
    else:
        yield path, value


def _text(text: str, path: str) -> Iterator[Violation]:
    try:
        check_value(text, nonfinite=True)
    except JsonError as error:
        yield Violation(path, "json_text", f"text that is not a JSON value: {error.reason}")


def _expected(member: Member) -> str:
    if member.first.map_key:
        return "an object whose members fit"
    if member.first.repeated:
        return "an array whose items fit"
    return " or ".join(KINDS[field.kind].noun for field in member.alternatives)


def _strings(member: Member) -> str:
    return ", ".join(string for field in member.alternatives if field.enum for string in field.enum.number_of)
