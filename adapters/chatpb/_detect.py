"""Tell which document of the contract an unnamed one is.

Rules: every root document is a candidate, and the one that fits best wins; of equals, the first listed. JSON is
scored member by member, LEVELS objects deep: a name that the schema has counts for a candidate if the kind of its
value suits and against it if not; a known string of an enum counts most; unknown names and missing required members
count against. Wire bytes are read as each candidate; what the candidate has no field or enum value for counts most,
then missing required members of the outermost message. Bytes may leave it open what they are, since messages share
field numbers; a guess could then show members under other names, so there is none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final, TypeVar

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from chatcompletion import v1
from chatcompletion.v1 import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRecord,
    CreateChatCompletionRequest,
    ErrorResponse,
)
from chatpb._errors import WireError
from chatpb._python.wire_to_tree import Message as TreeMessage
from chatpb._python.wire_to_tree import wire_to_tree
from chatpb._runtimes import runtime_of
from chatpb._schema import INTEGER_RANGES, Field, Member, Schema, schema_of
from chatpb._validate import validate_tree
from chatpb._walk import messages

__all__ = ["ROOTS", "descriptor_of", "detect_object", "detect_objects", "detect_wires", "message_type", "wire_fit"]

ROOTS: Final[dict[str, type[Message]]] = {
    "completion": ChatCompletion,
    "chunk": ChatCompletionChunk,
    "request": CreateChatCompletionRequest,
    "error": ErrorResponse,
    "record": ChatCompletionRecord,
}
"""The root documents, by short name, in the order in which ties are broken."""

LEVELS: Final = 3
ITEMS: Final = 3
"""Levels of objects that are looked into, and items of each array."""

_FITS, _IS_ENUM_STRING = 1.0, 3.0
_MISFITS, _UNKNOWN, _MISSING = -2.0, -1.0, -0.5
_FOREIGN = -1000.0

T = TypeVar("T")


def message_type(name: str) -> type[Message]:
    """The message class of a short name, or of a message's own name. Raises ValueError if there is none."""
    if name in ROOTS:
        return ROOTS[name]
    found = getattr(v1, name.removeprefix("chatcompletion.v1."), None)
    if isinstance(found, type) and issubclass(found, Message) and not schema_of(found.DESCRIPTOR).is_list:
        return found
    raise ValueError(f"no message is called {name!r}: use {', '.join(ROOTS)}, or the name of a message of the contract")


def descriptor_of(message_type: type[Message]) -> Descriptor:
    return runtime_of(message_type).descriptor(message_type)


def detect_object(obj: dict[str, Any], before: type[Message] | None = None) -> type[Message]:
    """The document that a JSON object is, from what `json.loads` gives.

    `before` is the type of the record before it, which wins if others fit no better: some records of a stream say
    too little of themselves.
    """
    return _best([obj], _object_fit, before)


def detect_objects(texts: Iterable[bytes]) -> type[Message]:
    """The document that JSON texts are, being all of one kind. Texts that are not JSON objects count for none."""
    return _best([obj for obj in map(_object, texts) if obj is not None], _object_fit)


def detect_wires(wires: Iterable[bytes]) -> type[Message]:
    """The document that encoded messages are, being all of one kind. Raises ValueError if several fit alike."""
    samples = list(wires)
    totals = {candidate: _total(samples, wire_fit, candidate) for candidate in ROOTS.values()}
    best = max(totals.values())
    alike = [candidate for candidate, total in totals.items() if total == best]
    if best[0] and len(alike) > 1:
        names = " and ".join(candidate.DESCRIPTOR.name for candidate in alike)
        raise ValueError(f"these bytes are {names} alike")
    return alike[0]


def _best(
    samples: list[T], fit: Callable[[T, type[Message]], float | None], before: type[Message] | None = None
) -> type[Message]:
    candidates = dict.fromkeys([before, *ROOTS.values()] if before else ROOTS.values())
    return max(candidates, key=lambda candidate: _total(samples, fit, candidate))


def _total(
    samples: list[T], fit: Callable[[T, type[Message]], float | None], candidate: type[Message]
) -> tuple[int, float]:
    """How many samples a candidate can be, and how well it fits them."""
    fits = [score for sample in samples if (score := fit(sample, candidate)) is not None]
    return len(fits), sum(fits)


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        obj = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return obj if isinstance(obj, dict) else None


def wire_fit(wire: bytes, candidate: type[Message]) -> float | None:
    """How well bytes fit a candidate; None if they are no such message, or one without typed members."""
    try:
        tree = wire_to_tree(wire, descriptor_of(candidate))
    except WireError:
        return None
    if not (tree.values or tree.null_fields or tree.empty_fields):
        return None
    missing = sum(v.rule == "required" and v.path.count("/") == 1 for v in validate_tree(tree))
    return _FOREIGN * sum(map(_foreign, messages(tree))) + _MISSING * missing


def _foreign(message: TreeMessage) -> int:
    """How much of a message its schema does not know: fields, and numbers of enums."""
    singular = ((field.enum, message.values.get(field.number)) for field in message.schema.fields() if field.enum)
    return message.unknown_fields + sum(isinstance(n, int) and n not in enum.string_of for enum, n in singular if enum)


def _object_fit(obj: dict[str, Any], candidate: type[Message]) -> float | None:
    """How well a JSON object fits a candidate; None if no member has a name that the candidate knows."""
    schema = schema_of(descriptor_of(candidate))
    return _message_fit(obj, schema, LEVELS) if obj.keys() & schema.members.keys() else None


def _message_fit(obj: dict[str, Any], schema: Schema, levels: int) -> float:
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
    if field.enum:
        if not isinstance(value, str):
            return _MISFITS
        return _IS_ENUM_STRING if value in field.enum.number_of else _UNKNOWN
    if field.kind == "list":
        return _array_fit(value, field.item, levels)
    if field.kind == "text":
        return _FITS
    if field.kind == "message":
        if not isinstance(value, dict):
            return _MISFITS
        return _FITS + (_message_fit(value, field.schema, levels - 1) if levels > 1 else 0)
    suits = isinstance(value, _JSON_TYPES[field.kind]) and (field.kind == "bool" or not isinstance(value, bool))
    return _FITS if suits else _MISFITS


_JSON_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "string": str,
    "bytes": str,
    "byte_array": list,
    "bool": bool,
    "double": (int, float),
    **dict.fromkeys(INTEGER_RANGES, (int, float)),
}
