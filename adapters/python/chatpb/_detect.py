"""Detect which document of the contract unnamed data is.

Rules: every root document is a candidate. The candidate that fits best wins; of equals, the first in DOCUMENTS.

- JSON is scored member by member, LEVELS objects deep. A name that the candidate has counts for it if the value is of a
  suitable type, and against it if not. A known string of an enum counts most. Names that the candidate does not have,
  and required members that are missing, count against it.
- An object may also be what the only member of a candidate holds: vLLM and others send an error without the object
  around it. So do web frameworks, whose names for it count as much as a known string.
- Wire bytes are read as each candidate. Fields and enum numbers that the candidate does not have count most against it,
  then required members that are missing in the outermost message.
- Messages share field numbers, so bytes may fit several candidates equally well. A guess could then show members under
  wrong names, so this is an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final, TypeVar

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from chatpb._contract.documents import DOCUMENTS
from chatpb._contract.schema import KINDS, Field, Member, MessageSchema, schema_of
from chatpb._errors import WireError
from chatpb._json.long_strings import LongStrings
from chatpb._runtimes import runtime_of
from chatpb._tree.message import MessageTree
from chatpb._tree.read import wire_to_tree

__all__ = ["descriptor_of", "detect_json", "detect_object", "detect_wires", "json_object", "wire_fit"]

LEVELS: Final = 3
"""Levels of objects that are scored."""
ITEMS: Final = 3
"""Items of each array that are scored."""

_ERROR_NAMES: Final = frozenset(("detail", "errors", "error_message", "error_msg", "msg"))
"""Members that web frameworks and servers have in the body of an error, instead of those of the contract."""

_FITS, _IS_ENUM_STRING = 1.0, 3.0
_MISFITS, _UNKNOWN, _MISSING = -2.0, -1.0, -0.5
_NOT_IN_CONTRACT = -1000.0

T = TypeVar("T")


def descriptor_of(message_type: type[Message]) -> Descriptor:
    """Return the descriptor of a message class of any runtime."""
    return runtime_of(message_type).descriptor(message_type)


def detect_object(obj: dict[str, Any], before: type[Message] | None = None) -> type[Message]:
    """Return the document that a JSON object is, given the dict that `json.loads` returns.

    `before` is the type of the record before it. It wins if no other fits better, since some chunks of a stream have
    too few members to be detected.
    """
    return _best([obj], _object_fit, before)


def detect_json(texts: Iterable[bytes]) -> type[Message]:
    """Return the document that JSON texts are, all of one type. Texts that are not JSON objects do not count."""
    objects = (json_object(LongStrings(text).text) for text in texts)
    return _best([obj for obj in objects if obj is not None], _object_fit)


def detect_wires(wires: Iterable[bytes]) -> type[Message]:
    """Return the document that encoded messages are, all of one type. Raises ValueError if several fit equally well."""
    samples = list(wires)
    totals = {candidate: _total(samples, wire_fit, candidate) for candidate in DOCUMENTS.values()}
    best = max(totals.values())
    alike = [candidate for candidate, total in totals.items() if total == best]
    if best[0] and len(alike) > 1:
        names = " and ".join(candidate.DESCRIPTOR.name for candidate in alike)
        raise ValueError(f"these bytes are {names} alike")
    return alike[0]


def _best(
    samples: list[T], fit: Callable[[T, type[Message]], float | None], before: type[Message] | None = None
) -> type[Message]:
    candidates = dict.fromkeys([before, *DOCUMENTS.values()] if before else DOCUMENTS.values())
    return max(candidates, key=lambda candidate: _total(samples, fit, candidate))


def _total(
    samples: list[T], fit: Callable[[T, type[Message]], float | None], candidate: type[Message]
) -> tuple[int, float]:
    """Return how many samples a candidate can be, and how well it fits them."""
    fits = [score for sample in samples if (score := fit(sample, candidate)) is not None]
    return len(fits), sum(fits)


def json_object(text: bytes) -> dict[str, Any] | None:
    """Return a JSON object; None if the text is not one."""
    try:
        obj = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return obj if isinstance(obj, dict) else None


def wire_fit(wire: bytes, candidate: type[Message]) -> float | None:
    """Return how well bytes fit a candidate, or None if they are not its message, or have no typed members."""
    try:
        tree = wire_to_tree(wire, descriptor_of(candidate))
    except WireError:
        return None
    if not (tree.values or tree.null_fields or tree.empty_fields):
        return None
    missing = sum(not tree.has(member) for member in tree.schema.members.values() if member.first.required)
    return _NOT_IN_CONTRACT * sum(map(_not_in_contract, tree.messages())) + _MISSING * missing


def _not_in_contract(message: MessageTree) -> int:
    """Count the fields and the enum numbers of a message that the contract does not have."""
    singular = ((field.enum, message.values.get(field.number)) for field in message.schema.fields() if field.enum)
    return sum(message.unknown_fields.values()) + sum(
        isinstance(n, int) and n not in enum.string_of for enum, n in singular if enum
    )


def _object_fit(obj: dict[str, Any], candidate: type[Message]) -> float | None:
    """Return how well a JSON object fits a candidate, or None if the candidate has none of its names."""
    schema = schema_of(descriptor_of(candidate))
    fits = [_message_fit(obj, schema, LEVELS)] if obj.keys() & schema.members.keys() else []
    if inner := _only_message(schema):
        names = obj.keys() & _ERROR_NAMES
        if names or obj.keys() & inner.members.keys():
            known = {name: value for name, value in obj.items() if name not in names}
            fits.append(_MISSING + len(names) * _IS_ENUM_STRING + _message_fit(known, inner, LEVELS))
    return max(fits, default=None)


def _only_message(schema: MessageSchema) -> MessageSchema | None:
    """Return the type of the only member of a type, None if it has more or holds no message."""
    (first, *more) = schema.fields()
    return first.schema if first.kind == "message" and not more else None


def _message_fit(obj: dict[str, Any], schema: MessageSchema, levels: int) -> float:
    score = len(schema.required - obj.keys()) * _MISSING
    for name, value in obj.items():
        member = schema.members.get(name)
        score += _member_fit(value, member, levels) if member else _UNKNOWN
    return score


def _member_fit(value: Any, member: Member, levels: int) -> float:
    if value is None:
        return _FITS if member.first.nullable else _MISFITS
    return max(_field_fit(value, field, levels) for field in member.alternatives)


def _field_fit(value: Any, field: Field, levels: int) -> float:
    if field.map_key:
        return _FITS if isinstance(value, dict) else _MISFITS
    if field.repeated:
        return _array_fit(value, field, levels)
    return _value_fit(value, field, levels)


def _array_fit(value: Any, field: Field, levels: int) -> float:
    if not isinstance(value, list):
        return _MISFITS
    return _FITS + sum(_value_fit(item, field, levels) for item in islice(value, ITEMS))


def _value_fit(value: Any, field: Field, levels: int) -> float:
    if type(value) not in KINDS[field.kind].json_types:
        return _MISFITS
    if field.enum:
        return _IS_ENUM_STRING if value in field.enum.number_of else _UNKNOWN
    if field.kind == "list":
        return _array_fit(value, field.item, levels)
    if field.kind == "message" and levels > 1:
        return _FITS + _message_fit(value, field.schema, levels - 1)
    return _FITS
