"""The public functions that convert between JSON, wire bytes and messages.

With the native engine, those that convert one document are native functions, since to call a function of Python takes
as long as to convert a short message: adapters/python/native/src/calls.rs does what they say here. Each
checks its message class first, then its options, then the input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

from chatcompletion.v1 import ChatCompletion
from chatpb._engine import native_function
from chatpb._errors import Violation
from chatpb._inputs import Buffer, json_text, wire_bytes
from chatpb._options import Nonfinite, UnknownFields, choice, threads_of
from chatpb._runtimes import is_message, message_class, wire_of

__all__ = [
    "dict_to_wire",
    "from_dict",
    "from_json",
    "json_lines_to_wire",
    "json_to_wire",
    "to_dict",
    "to_json",
    "validate",
    "wire_to_dict",
    "wire_to_json",
    "wire_to_json_lines",
]

F = TypeVar("F", bound=Callable[..., Any])
M = TypeVar("M")


def _native(function: F) -> F:
    return native_function(function, message_class)


@_native
def json_to_wire(
    data: str | Buffer,
    message_type: type = ChatCompletion,
    *,
    strict: bool = False,
    canonical: bool = False,
    nonfinite: Nonfinite = "error",
) -> bytes:
    """Return the protobuf wire bytes of the message that a JSON object stands for.

    Args:
        data: one JSON object (RFC 8259), as a str or as UTF-8 bytes in any buffer.
        message_type: the message class, of any runtime; the bytes are the same for all of them.
        strict: raise ContractError if the object breaks the contract so that typed readers fail; without it, the object
            is carried as it is.
        canonical: sort what JSON leaves unordered, so that objects that are equal, member order aside, give equal
            bytes: those of protobuf's own deterministic serialization in its usual runtime, upb. Spelling and order
            inside fields that carry JSON text still count.
        nonfinite: "allow" accepts NaN, Infinity and -Infinity as numbers; "error" refuses them.

    Raises:
        JsonError: the text is not acceptable JSON.
        ContractError: with `strict`; it lists what `validate` does, but for the rule `required_nullable`.
        TypeError: `data` is neither a str nor a buffer, or `message_type` is not a message class.
        ValueError: `nonfinite` has another value.

    Examples:
        >>> from chatpb import ChatCompletion, json_to_wire
        >>> wire = json_to_wire('{"id":"c1"}')
        >>> wire.hex(" ")
        '0a 02 63 31'
        >>> ChatCompletion.FromString(wire).id
        'c1'

    """
    known = message_class(message_type)
    allow = choice("nonfinite", nonfinite, "error", "allow")
    options = bool(canonical), allow, bool(strict)
    return known.codec.json_to_wire(json_text(data), *options)


@_native
def wire_to_json(
    wire: Buffer,
    message_type: type = ChatCompletion,
    *,
    fill_required: bool = False,
    unknown_fields: UnknownFields = "error",
    nonfinite: Nonfinite = "error",
) -> bytes:
    """Return the JSON text of an encoded message, in UTF-8 and without insignificant whitespace.

    Args:
        wire: the message in any valid protobuf encoding, in any buffer.
        message_type: the message class, of any runtime.
        fill_required: write the members that the contract requires and the message leaves out: null where it may be
            null, else [] or {} for an array or a map. The others stay out.
        unknown_fields: "error" refuses fields that this contract does not have, as of a newer one; "skip" leaves them
            out, as ProtoJSON.
        nonfinite: "allow" writes NaN, Infinity and -Infinity; "error" refuses them.

    Raises:
        WireError: the bytes are not a valid encoding, or hold what JSON cannot.
        TypeError: `wire` is not a buffer, or `message_type` is not a message class.
        ValueError: `unknown_fields` or `nonfinite` has another value.

    Examples:
        >>> from chatpb import wire_to_json
        >>> wire_to_json(bytes.fromhex("0a026331"))
        b'{"id":"c1"}'

    """
    codec = message_class(message_type).codec
    refuse = not choice("unknown_fields", unknown_fields, "error", "skip")
    allow = choice("nonfinite", nonfinite, "error", "allow")
    options = bool(fill_required), refuse, allow
    return codec.wire_to_json(wire_bytes(wire), *options)


def json_lines_to_wire(
    data: str | Buffer,
    message_type: type = ChatCompletion,
    *,
    strict: bool = False,
    canonical: bool = False,
    nonfinite: Nonfinite = "error",
    threads: int | None = None,
) -> bytes:
    r"""Return the wire bytes of the messages that lines of JSON stand for, in order, each after its length as a varint.

    Protobuf's own `parseDelimitedFrom` reads this form. Lines of nothing but whitespace are skipped.

    Args:
        data: JSON objects, one in each line, as a str or as UTF-8 bytes in any buffer.
        message_type: the message class of all lines, of any runtime.
        strict: raise ContractError if a line breaks the contract so that typed readers fail, as `json_to_wire` does.
        canonical: sort what JSON leaves unordered, as in `json_to_wire`.
        nonfinite: "allow" accepts NaN, Infinity and -Infinity as numbers; "error" refuses them.
        threads: how many threads share the work; None for one for each core. The reference engine works in one.

    Raises:
        JsonError: for the first line that is not acceptable; its line and offset count from the start of the input.
        ContractError: with `strict`, for the first line that breaks the contract. The paths of its violations start
            with the place of the document, from 0.
        TypeError, ValueError: for wrong arguments, as in `json_to_wire`; ValueError also for fewer than 1 thread.

    Examples:
        >>> from chatpb import json_lines_to_wire, wire_to_json_lines
        >>> wire = json_lines_to_wire('{"id":"c1"}\n{"id":"c2"}\n')
        >>> wire.hex(" ")
        '04 0a 02 63 31 04 0a 02 63 32'
        >>> wire_to_json_lines(wire)
        b'{"id":"c1"}\n{"id":"c2"}\n'

    """
    codec = message_class(message_type).codec
    allow = choice("nonfinite", nonfinite, "error", "allow")
    options = bool(canonical), allow, threads_of(threads), bool(strict)
    return codec.json_lines_to_wire(json_text(data), *options)


def wire_to_json_lines(
    wire: Buffer,
    message_type: type = ChatCompletion,
    *,
    fill_required: bool = False,
    unknown_fields: UnknownFields = "error",
    nonfinite: Nonfinite = "error",
    threads: int | None = None,
) -> bytes:
    r"""Return the JSON text of messages that each follow their length, in order, one in each line.

    Args:
        wire: the messages, as `json_lines_to_wire` returns them, in any buffer.
        message_type: the message class of all messages, of any runtime.
        fill_required: write the required members that a message leaves out, as in `wire_to_json`.
        unknown_fields: "error" refuses fields that this contract does not have; "skip" leaves them out.
        nonfinite: "allow" writes NaN, Infinity and -Infinity; "error" refuses them.
        threads: how many threads share the work; None for one for each core. The reference engine works in one.

    Raises:
        WireError: for the first message that cannot be read; its offset counts from the start of the input.
        TypeError, ValueError: for wrong arguments, as in `wire_to_json`; ValueError also for fewer than 1 thread.

    Examples:
        >>> from chatpb import wire_to_json_lines
        >>> wire_to_json_lines(bytes.fromhex("04 0a026331 04 0a026332"))
        b'{"id":"c1"}\n{"id":"c2"}\n'

    """
    codec = message_class(message_type).codec
    refuse = not choice("unknown_fields", unknown_fields, "error", "skip")
    allow = choice("nonfinite", nonfinite, "error", "allow")
    options = bool(fill_required), refuse, allow, threads_of(threads)
    return codec.wire_to_json_lines(wire_bytes(wire), *options)


@overload
def from_json(
    data: str | Buffer, *, strict: bool = False, canonical: bool = False, nonfinite: Nonfinite = "error"
) -> ChatCompletion: ...
@overload
def from_json(
    data: str | Buffer,
    message_type: type[M],
    *,
    strict: bool = False,
    canonical: bool = False,
    nonfinite: Nonfinite = "error",
) -> M: ...
@_native
def from_json(
    data: str | Buffer,
    message_type: type[Any] = ChatCompletion,
    *,
    strict: bool = False,
    canonical: bool = False,
    nonfinite: Nonfinite = "error",
) -> Any:
    """Return the message that a JSON object stands for.

    Args:
        data: one JSON object (RFC 8259), as a str or as UTF-8 bytes in any buffer.
        message_type: the class of the message, of any runtime.
        strict: raise ContractError if the object breaks the contract so that typed readers fail; without it, the object
            is carried as it is.
        canonical: sort what JSON leaves unordered, as in `json_to_wire`.
        nonfinite: "allow" accepts NaN, Infinity and -Infinity as numbers; "error" refuses them.

    Raises:
        JsonError: the text is not acceptable JSON.
        ContractError: with `strict`; it lists what `validate` does, but for the rule `required_nullable`.
        TypeError: `data` is neither a str nor a buffer, or `message_type` is not a message class.
        ValueError: `nonfinite` has another value.

    Examples:
        >>> from chatpb import from_json, to_json
        >>> message = from_json('{"id":"c1","usage":null,"x_groq":{"id":"r1"}}')
        >>> message.id
        'c1'
        >>> to_json(message)
        b'{"id":"c1","usage":null,"x_groq":{"id":"r1"}}'

    """
    wire = json_to_wire(data, message_type, strict=strict, canonical=canonical, nonfinite=nonfinite)
    return message_class(message_type).parse(wire)


@_native
def to_json(
    message: Any,
    *,
    fill_required: bool = False,
    unknown_fields: UnknownFields = "error",
    nonfinite: Nonfinite = "error",
) -> bytes:
    """Return the JSON text of a message, in UTF-8 and without insignificant whitespace.

    Args:
        message: a message of any runtime. `wire_to_json` takes wire bytes.
        fill_required: write the members that the contract requires and the message leaves out: null where it may be
            null, else [] or {} for an array or a map. The others stay out.
        unknown_fields: "error" refuses fields that this contract does not have, as of a newer one; "skip" leaves them
            out, as ProtoJSON.
        nonfinite: "allow" writes NaN, Infinity and -Infinity; "error" refuses them.

    Raises:
        WireError: the message holds what JSON cannot.
        TypeError: `message` is not a message of any runtime.
        ValueError: `unknown_fields` or `nonfinite` has another value.

    Examples:
        >>> from chatpb import ChatCompletion, to_json
        >>> to_json(ChatCompletion(id="c1", created=1721075651))
        b'{"id":"c1","created":1721075651}'

    """
    wire = message_class(type(message)).serialize(message)
    return wire_to_json(
        wire, type(message), fill_required=fill_required, unknown_fields=unknown_fields, nonfinite=nonfinite
    )


def dict_to_wire(
    obj: Mapping[str, Any], message_type: type = ChatCompletion, *, nonfinite: Nonfinite = "error"
) -> bytes:
    """Return the wire bytes of the message that a dict of JSON values stands for, as `from_dict` reads it."""
    codec = message_class(message_type).codec
    return codec.dict_to_wire(obj, None, False, choice("nonfinite", nonfinite, "error", "allow"))


def wire_to_dict(
    wire: Buffer,
    message_type: type = ChatCompletion,
    *,
    unknown_fields: UnknownFields = "error",
    nonfinite: Nonfinite = "error",
) -> dict[str, Any]:
    """Return the dict of JSON values that an encoded message stands for, as `to_dict` makes it."""
    codec = message_class(message_type).codec
    refuse = not choice("unknown_fields", unknown_fields, "error", "skip")
    allow = choice("nonfinite", nonfinite, "error", "allow")
    return codec.wire_to_dict(wire_bytes(wire), False, refuse, allow)


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
@_native
def from_dict(
    obj: Mapping[str, Any],
    message_type: type[Any] = ChatCompletion,
    *,
    strict: bool = False,
    canonical: bool = False,
    nonfinite: Nonfinite = "error",
) -> Any:
    """Return the message that a dict of JSON values stands for.

    Args:
        obj: a JSON object: a mapping from strings to JSON values, which are such mappings, lists, tuples, str, int,
            float, bool and None. A str, int or float of a subclass counts as what it holds, whatever its methods say.
        message_type: the class of the message, of any runtime.
        strict: raise ContractError if the object breaks the contract; without it, the object is carried as it is.
        canonical: sort what JSON leaves unordered, as in `json_to_wire`.
        nonfinite: "allow" accepts NaN and the infinities as numbers; "error" refuses them.

    Raises:
        JsonError: a value is not acceptable, such as NaN, a dict that contains itself, or an integer of more digits
            than Python converts (see `sys.set_int_max_str_digits`). Its position is that in the dict's JSON text.
        ContractError: with `strict`; it lists what `validate` does, but for the rule `required_nullable`.
        TypeError: `obj` holds a key that is no string or an object of another type, or an argument is wrong.
        ValueError: `nonfinite` has another value.

    Examples:
        >>> from chatpb import from_dict
        >>> message = from_dict({"id": "c1", "choices": [], "x_request_ms": 12})
        >>> message.id, message.additional_properties["x_request_ms"]
        ('c1', 12.0)

    """
    known = message_class(message_type)
    allow = choice("nonfinite", nonfinite, "error", "allow")
    return known.parse(known.codec.dict_to_wire(obj, None, bool(canonical), allow, bool(strict)))


@_native
def to_dict(
    message: Any,
    *,
    fill_required: bool = False,
    unknown_fields: UnknownFields = "error",
    nonfinite: Nonfinite = "error",
) -> dict[str, Any]:
    """Return the dict of JSON values that a message stands for.

    Args:
        message: a message of any runtime.
        fill_required: add the required members that the message leaves out, as in `to_json`.
        unknown_fields: "error" refuses fields that this contract does not have; "skip" leaves them out.
        nonfinite: "allow" gives floats that are NaN or infinite; "error" refuses them.

    Raises:
        WireError: the message holds what JSON cannot.
        JsonError: an integer has more digits than Python converts (see `sys.set_int_max_str_digits`). Its position is
            that in the message's JSON text.
        TypeError: `message` is not a message of any runtime.
        ValueError: `unknown_fields` or `nonfinite` has another value.

    Examples:
        >>> from chatpb import from_json, to_dict
        >>> to_dict(from_json('{"id":"c1","usage":null}'))
        {'id': 'c1', 'usage': None}

    """
    known = message_class(type(message))
    wire = known.serialize(message)
    refuse = not choice("unknown_fields", unknown_fields, "error", "skip")
    allow = choice("nonfinite", nonfinite, "error", "allow")
    return known.codec.wire_to_dict(wire, bool(fill_required), refuse, allow)


@_native
def validate(message_or_wire: Any, message_type: type = ChatCompletion) -> list[Violation]:
    """Return the ways in which a message breaks the contract, in the contract's order; empty if it keeps the contract.

    `strict=True` lets violations of the rule `required_nullable` pass. The list ends after 1,000 violations or 1 MiB of
    paths; the rule of its last one is then `more`.

    Args:
        message_or_wire: a message of any runtime, or wire bytes in any buffer.
        message_type: the message class of wire bytes. A message is validated as what it is.

    Raises:
        WireError: the bytes, or those of the message, cannot be read.
        TypeError: neither a message nor wire bytes, or `message_type` is not a message class.

    Examples:
        >>> from chatpb import from_dict, validate
        >>> message = from_dict({"id": "c1", "object": "chat.completion", "created": "now", "model": 4, "choices": []})
        >>> for violation in validate(message):
        ...     print(violation.path, violation.message)
        ...
        /created created is not an integer of int64
        /model model is not a string

    """
    if is_message(message_or_wire):
        known = message_class(type(message_or_wire))
        return known.codec.validate_wire(known.serialize(message_or_wire), False)
    return message_class(message_type).codec.validate_wire(wire_of(message_or_wire), False)
