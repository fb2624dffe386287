"""The public functions: an engine and a runtime joined."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeVar, overload

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk
from chatpb._classes import codecs, parsers, serializers
from chatpb._engine import JsonText
from chatpb._errors import ContractError, Violation
from chatpb._runtimes import runtime_of
from chatpb._shortcut import shortcut
from chatpb._validate import validate_wire

__all__ = [
    "compact_stream",
    "expand_stream",
    "from_dict",
    "from_json",
    "json_lines_to_wire",
    "json_to_wire",
    "to_dict",
    "to_json",
    "validate",
    "wire_to_json",
    "wire_to_json_lines",
]

M = TypeVar("M")
Nonfinite = Literal["error", "allow"]
UnknownFields = Literal["skip", "error"]


@shortcut
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
    allow = _choice("nonfinite", nonfinite, "error", "allow")
    wire = codecs[message_type].json_to_wire(data, canonical, allow)
    if strict:
        violations = validate_wire(wire, runtime_of(message_type).descriptor(message_type))
        if violations:
            raise ContractError(violations)
    return wire


@shortcut
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
    refuse = _choice("unknown_fields", unknown_fields, "skip", "error")
    allow = _choice("nonfinite", nonfinite, "error", "allow")
    return codecs[message_type].wire_to_json(wire, fill_required, refuse, allow)


def json_lines_to_wire(
    data: JsonText,
    message_type: type = ChatCompletion,
    *,
    canonical: bool = False,
    nonfinite: Nonfinite = "error",
    threads: int | None = None,
) -> bytes:
    """The messages that lines of JSON stand for, each after its length as a varint, in their order.

    That is the form which protobuf's own `parseDelimitedFrom` reads. Lines of nothing but whitespace are skipped.

    Args:
        data: JSON objects, one a line, as text or as its UTF-8 bytes in any buffer.
        threads: how many threads share the work; None for one a core. The Python engine works in one.

    Raises:
        JsonError: the first line that is not acceptable; its line and offset count from the start of the input.

    """
    allow = _choice("nonfinite", nonfinite, "error", "allow")
    return codecs[message_type].json_lines_to_wire(data, canonical, allow, threads_of(threads))


def wire_to_json_lines(
    wire: bytes | bytearray | memoryview,
    message_type: type = ChatCompletion,
    *,
    fill_required: bool = False,
    unknown_fields: UnknownFields = "skip",
    nonfinite: Nonfinite = "error",
    threads: int | None = None,
) -> bytes:
    """JSON lines of messages that each follow their length, in their order: the way back from `json_lines_to_wire`.

    Raises:
        WireError: the first message that cannot be read; its offset counts from the start of the input.

    """
    refuse = _choice("unknown_fields", unknown_fields, "skip", "error")
    allow = _choice("nonfinite", nonfinite, "error", "allow")
    return codecs[message_type].wire_to_json_lines(wire, fill_required, refuse, allow, threads_of(threads))


def compact_stream(chunks: Iterable[Any]) -> bytes:
    """Wire bytes of the ChatCompletionStream that consists of chunks, with what all of them have written once.

    Args:
        chunks: ChatCompletionChunk messages of any runtime, or their wire bytes.

    Raises:
        WireError: a chunk whose bytes are not valid protobuf; its path is the chunk's place.

    """
    return codecs[ChatCompletionChunk].compact_stream([_wire(chunk) for chunk in chunks])


def expand_stream(stream: Any) -> list[bytes]:
    """Wire bytes of each chunk of a ChatCompletionStream: those that it was made of.

    The stream is a message of any runtime, or its wire bytes.

    Chunks that were in number order, as every engine here and protobuf's own serializers write them, come back byte for
    byte; others come back equal.

    Raises:
        WireError: the bytes are not valid protobuf, or stand for more than 256 MiB of chunks.

    """
    return codecs[ChatCompletionChunk].expand_stream(_wire(stream))


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
@shortcut
def from_json(
    data: JsonText,
    message_type: type[Any] = ChatCompletion,
    *,
    strict: bool = False,
    canonical: bool = False,
    nonfinite: Nonfinite = "error",
) -> Any:
    """The message that a JSON object stands for. Arguments and errors are those of `json_to_wire`."""
    wire = json_to_wire(data, message_type, strict=strict, canonical=canonical, nonfinite=nonfinite)
    return parsers[message_type](wire)


@shortcut
def to_json(
    message: Any,
    *,
    fill_required: bool = False,
    unknown_fields: UnknownFields = "skip",
    nonfinite: Nonfinite = "error",
) -> bytes:
    """JSON text of a message of any runtime. Arguments and errors are those of `wire_to_json`."""
    message_type = type(message)
    wire = serializers[message_type](message)
    return wire_to_json(
        wire, message_type, fill_required=fill_required, unknown_fields=unknown_fields, nonfinite=nonfinite
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


def _wire(message: Any) -> bytes:
    return message if isinstance(message, bytes) else runtime_of(type(message)).serialize(message)


def threads_of(threads: int | None) -> int:
    """How many threads share the work: as many as asked for, or one a core."""
    if threads is not None:
        return threads
    # Not every system has sched_getaffinity, which counts the cores that this process may use.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _choice(name: str, value: str, no: str, yes: str) -> bool:
    if value not in (no, yes):
        raise ValueError(f"{name} must be {no!r} or {yes!r}, not {value!r}")
    return value == yes
