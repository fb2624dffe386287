"""The public functions: an engine and a runtime joined."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, overload

from chatcompletion.v1 import ChatCompletion

from chatpb import _engine
from chatpb._errors import ContractError, Violation
from chatpb._runtimes import runtime_of
from chatpb._validate import validate_wire

__all__ = ["from_dict", "from_json", "json_to_wire", "to_dict", "to_json", "validate", "wire_to_json"]

M = TypeVar("M")
JsonText = bytes | bytearray | memoryview | str
Nonfinite = Literal["error", "allow"]
UnknownFields = Literal["skip", "error"]


def json_to_wire(
    data: JsonText,
    message_type: type = ChatCompletion,
    *,
    strict: bool = False,
    canonical: bool = False,
    nonfinite: Nonfinite = "error",
) -> bytes:
    """Protobuf wire bytes of the message that a JSON object stands for.

    Args:
        data: one JSON object (RFC 8259), as text or as its UTF-8 bytes in any buffer.
        message_type: the message class, of any runtime; the bytes are the same for all of them.
        strict: raise ContractError if the object breaks the contract, rather than carry what it has.
        canonical: sort what JSON leaves unordered, so that objects that are equal, member order aside, give equal
            bytes: those of protobuf's own deterministic serialization. Spelling and order inside fields that carry
            JSON text still count.
        nonfinite: "allow" accepts NaN, Infinity and -Infinity as numbers.

    Raises:
        JsonError: the text is not acceptable JSON; nothing is returned.
        ContractError: with `strict`, with every violation.

    """
    descriptor = runtime_of(message_type).descriptor(message_type)
    allow = _choice("nonfinite", nonfinite, "error", "allow")
    wire = _engine.json_to_wire(data, descriptor, canonical=canonical, nonfinite=allow)
    if strict:
        violations = validate_wire(wire, descriptor)
        if violations:
            raise ContractError(violations)
    return wire


def wire_to_json(
    wire: bytes | bytearray | memoryview,
    message_type: type = ChatCompletion,
    *,
    fill_required: bool = False,
    unknown_fields: UnknownFields = "skip",
    nonfinite: Nonfinite = "error",
) -> bytes:
    """JSON text, in UTF-8 and without insignificant whitespace, of an encoded message.

    Args:
        wire: the message in any valid protobuf encoding.
        message_type: the message class, of any runtime.
        fill_required: write the members that the contract requires and the message leaves out: null where it may be
            null, else [] or {} for an array or a map. The others stay out.
        unknown_fields: "error" refuses fields that this contract does not have; "skip" leaves them out, as ProtoJSON.
        nonfinite: "allow" writes NaN, Infinity and -Infinity.

    Raises:
        WireError: the bytes are not a valid encoding, or hold what JSON cannot; nothing is returned.

    """
    return _engine.wire_to_json(
        wire,
        runtime_of(message_type).descriptor(message_type),
        fill_required=fill_required,
        refuse_unknown=_choice("unknown_fields", unknown_fields, "skip", "error"),
        nonfinite=_choice("nonfinite", nonfinite, "error", "allow"),
    )


@overload
def from_json(
    data: JsonText, *, strict: bool = False, canonical: bool = False, nonfinite: Nonfinite = "error"
) -> ChatCompletion: ...
@overload
def from_json(
    data: JsonText,
    message_type: type[M],
    *,
    strict: bool = False,
    canonical: bool = False,
    nonfinite: Nonfinite = "error",
) -> M: ...
def from_json(data: JsonText, message_type: type[Any] = ChatCompletion, **options: Any) -> Any:
    """The message that a JSON object stands for. Arguments and errors are those of `json_to_wire`."""
    return runtime_of(message_type).parse(message_type, json_to_wire(data, message_type, **options))


def to_json(
    message: Any,
    *,
    fill_required: bool = False,
    unknown_fields: UnknownFields = "skip",
    nonfinite: Nonfinite = "error",
) -> bytes:
    """JSON text of a message of any runtime. Arguments and errors are those of `wire_to_json`."""
    message_type = type(message)
    return wire_to_json(
        runtime_of(message_type).serialize(message),
        message_type,
        fill_required=fill_required,
        unknown_fields=unknown_fields,
        nonfinite=nonfinite,
    )


@overload
def from_dict(
    obj: Mapping[str, Any], *, strict: bool = False, canonical: bool = False, nonfinite: Nonfinite = "error"
) -> ChatCompletion: ...
@overload
def from_dict(
    obj: Mapping[str, Any],
    message_type: type[M],
    *,
    strict: bool = False,
    canonical: bool = False,
    nonfinite: Nonfinite = "error",
) -> M: ...
def from_dict(obj: Mapping[str, Any], message_type: type[Any] = ChatCompletion, **options: Any) -> Any:
    """The message that a dict of JSON values stands for.

    Raises TypeError for what is not a JSON value: keys that are no strings, objects of other types. Otherwise
    arguments and errors are those of `json_to_wire`; positions are those in the dict's JSON text.
    """
    return from_json(dict_to_json(obj), message_type, **options)


def to_dict(
    message: Any,
    *,
    fill_required: bool = False,
    unknown_fields: UnknownFields = "skip",
    nonfinite: Nonfinite = "error",
) -> dict[str, Any]:
    """The dict of JSON values that a message stands for. Arguments and errors are those of `wire_to_json`."""
    text = to_json(message, fill_required=fill_required, unknown_fields=unknown_fields, nonfinite=nonfinite)
    obj: dict[str, Any] = json.loads(text)
    return obj


def validate(message: Any) -> list[Violation]:
    """Every way in which a message breaks the contract, in the contract's order; empty if it keeps it.

    Raises WireError if the message's own bytes cannot be read.
    """
    message_type = type(message)
    runtime = runtime_of(message_type)
    return validate_wire(runtime.serialize(message), runtime.descriptor(message_type))


def dict_to_json(obj: Mapping[str, Any], default: Callable[[Any], Any] | None = None) -> str:
    """JSON text of a dict; `default` gives the JSON value of an object of another type."""
    return json.dumps(_json_value(obj, default), separators=(",", ":"))


def _json_value(value: Any, default: Callable[[Any], Any] | None) -> Any:
    """The value with plain dicts and lists inside, refusing what json.dumps would change or write twice."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"a JSON object has strings for names, not {type(key).__name__}")
        return {key: _json_value(item, default) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(item, default) for item in value]
    if default is None:
        raise TypeError(f"{type(value).__name__} is not a JSON value")
    return _json_value(default(value), default)


def _choice(name: str, value: str, no: str, yes: str) -> bool:
    if value not in (no, yes):
        raise ValueError(f"{name} must be {no!r} or {yes!r}, not {value!r}")
    return value == yes
