"""The law as properties: on JSON like and unlike each message, on native messages, on arbitrary bytes."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st

import chatpb
from chatpb import JsonError, WireError
from chatpb._python.wire import LEN, delimited, read_varint, tag
from chatpb._schema import Field, Schema, schema_of
from conftest import DOCUMENTS, betterproto_type, exactly_equal, google_type

DOCUMENT = st.sampled_from(DOCUMENTS)

NAMES = st.text(st.characters(codec="utf-8"), max_size=8)
NUMBERS = (
    st.integers(-(2**70), 2**70)
    | st.integers(-5, 300)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0.0, -0.0, 1.0, 2.0**53, 2.0**53 + 2, -(2.0**63), 1e22, 5e-324, 1.7976931348623157e308])
    | st.sampled_from([2**31, 2**32, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64])
)
STRINGS = st.text(max_size=12) | st.sampled_from(["", "stop", "auto", "assistant", "text", "AAEC", "AA==", "\ud83d"])
SCALARS = st.none() | st.booleans() | NUMBERS | STRINGS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)


def values_of(field: Field) -> st.SearchStrategy[Any]:
    """JSON values of the kind that the field holds, most of them fitting."""
    match field.kind:
        case "message":
            return objects_of(field.schema)
        case "list":
            return st.lists(values_of(field.item), max_size=3)
        case "enum":
            assert field.enum
            return st.sampled_from([*field.enum.number_of, "other", ""])
        case "byte_array":
            return st.lists(st.integers(0, 255), max_size=4)
        case "bool":
            return st.booleans()
        case "string" | "bytes":
            return STRINGS
        case "text":
            return VALUES
    return NUMBERS


def objects_of(schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects like those that a message stands for, with wrong types and vendor members among them."""
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for member in schema.members.values():
        choices: list[st.SearchStrategy[Any]] = []
        for field in member.alternatives:
            if field.map_key:
                choices.append(st.dictionaries(NAMES, values_of(field.map_value), max_size=3))
            elif field.repeated:
                choices.append(st.lists(_deferred(field), max_size=3))
            else:
                choices.append(_deferred(field))
        optional[member.name] = st.one_of(*choices, st.none(), VALUES)
    members = st.lists(st.sampled_from(sorted(optional)), max_size=5, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: optional[name] for name in names})
    )
    return st.builds(lambda typed, vendor: vendor | typed, members, st.dictionaries(NAMES, VALUES, max_size=2))


def _deferred(field: Field) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: values_of(field))


def like(name: str) -> st.SearchStrategy[dict[str, Any]]:
    return objects_of(schema_of(google_type(name).DESCRIPTOR))


LIKE_OR_UNLIKE = DOCUMENT.flatmap(
    lambda name: st.tuples(st.just(name), like(name) | st.dictionaries(NAMES, VALUES, max_size=5))
)


@given(LIKE_OR_UNLIKE)
def test_json_objects_obey_the_law(case: tuple[str, dict[str, Any]]) -> None:
    name, value = case
    text = json.dumps(value)
    message_type = google_type(name)
    wire = chatpb.json_to_wire(text, message_type)
    back = chatpb.wire_to_json(wire, message_type)
    assert exactly_equal(json.loads(back), json.loads(text))
    message = chatpb.from_json(text, message_type)
    assert exactly_equal(json.loads(chatpb.to_json(message)), json.loads(text))
    assert chatpb.from_json(back, message_type) == message
    assert not [v for v in chatpb.validate(message) if v.rule in ("conflict", "unknown_bit", "json_text")]


@given(LIKE_OR_UNLIKE)
def test_canonical_bytes_depend_on_the_value_alone(case: tuple[str, dict[str, Any]]) -> None:
    name, value = case
    message_type = google_type(name)
    canonical = chatpb.json_to_wire(json.dumps(value), message_type, canonical=True)
    assert message_type.FromString(canonical).SerializeToString(deterministic=True) == canonical
    if "parameters" not in value and "schema" not in json.dumps(value):
        respelled = json.dumps(_shuffled(value), indent=1, ensure_ascii=True)
        assert chatpb.json_to_wire(respelled, message_type, canonical=True) == canonical


def _shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name[::-1])
        return {name: _shuffled(value[name]) for name in names}
    return [_shuffled(item) for item in value] if isinstance(value, list) else value


@given(LIKE_OR_UNLIKE)
def test_betterproto_reads_the_same(case: tuple[str, dict[str, Any]]) -> None:
    name, value = case
    message = chatpb.from_json(json.dumps(value), betterproto_type(name))
    assert exactly_equal(json.loads(chatpb.to_json(message)), value)


@given(DOCUMENT, st.binary(max_size=80) | st.text(max_size=60).map(lambda t: t.encode("utf-8", "surrogatepass")))
def test_arbitrary_bytes_parse_or_raise(name: str, data: bytes) -> None:
    message_type = google_type(name)
    for convert, error in ((chatpb.json_to_wire, JsonError), (chatpb.wire_to_json, WireError)):
        try:
            convert(data, message_type)
        except error as raised:
            assert 0 <= raised.offset <= len(data)


@given(LIKE_OR_UNLIKE, st.data())
def test_damaged_text_parses_or_raises(case: tuple[str, dict[str, Any]], data: st.DataObject) -> None:
    name, value = case
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    at = data.draw(st.integers(0, len(text)))
    size = data.draw(st.integers(0, 3))
    damaged = text[:at] + data.draw(st.binary(max_size=2)) + text[at + size :]
    try:
        wire = chatpb.json_to_wire(damaged, google_type(name))
    except JsonError:
        with pytest.raises(ValueError):  # noqa: PT011  # whatever Python calls it
            _strict_loads(damaged)
    else:
        assert exactly_equal(json.loads(chatpb.wire_to_json(wire, google_type(name))), _strict_loads(damaged))


def _strict_loads(text: bytes) -> Any:
    """Python's own reading, with what chatpb refuses beyond it refused."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("duplicate member")
        return dict(pairs)

    def constant(name: str) -> float:
        raise ValueError(name)

    value = json.loads(text.decode().removeprefix("\ufeff"), object_pairs_hook=members, parse_constant=constant)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    for name in value:
        name.encode()
    return value


# Native messages: built by setting fields, as services in any language do.


def native(name: str) -> st.SearchStrategy[Any]:
    """Messages of a type with fields set at will, each JSON member in its own home."""
    return st.builds(lambda seed: _build(google_type(name), random.Random(seed), 0), st.integers(0, 2**32))


def _build(message_type: type[Any], rng: random.Random, depth: int) -> Any:
    message = message_type()
    taken: set[str] = set()
    schema = schema_of(message_type.DESCRIPTOR)
    for member in schema.members.values():
        if rng.random() < (0.6 if depth else 0.8) - 0.1 * depth:
            taken.add(member.name)
            _set(message, rng.choice(member.alternatives), rng, depth)
        elif rng.random() < 0.2:
            message.null_fields |= member.bit
            taken.add(member.name)
        elif member.empty_form and rng.random() < 0.3:
            message.empty_fields |= member.bit
            taken.add(member.name)
    if rng.random() < 0.3:
        message.additional_properties.CopyFrom(_struct({"vendor_a": [1.5, None, {"": "x"}], "vendor_b": -0.0}))
    if rng.random() < 0.2:
        message.verbatim_properties["vendor_c"] = rng.choice(["18446744073709551615", '["\\ud83d"]', "1e400"])
    return message


def _struct(members: dict[str, Any]) -> Struct:
    struct = Struct()
    struct.update(members)
    return struct


def _set(message: Any, field: Field, rng: random.Random, depth: int) -> None:
    target = getattr(message, field.name)
    count = rng.randint(1, 2)
    if field.map_key:
        for index in range(count):
            value = field.map_value
            if value.kind in ("message", "list"):
                _fill(target[f"k{index}"], value, rng, depth)
            else:
                target[f"k{index}"] = _scalar(value, rng)
    elif field.kind in ("message", "list"):
        for _ in range(count if field.repeated else 1):
            if field.repeated:
                _fill(target.add(), field, rng, depth)
            else:
                target.SetInParent()
                _fill(target, field, rng, depth)
    elif field.repeated:
        target.extend(_scalar(field, rng) for _ in range(count))
    else:
        setattr(message, field.name, _scalar(field, rng))


def _fill(target: Any, field: Field, rng: random.Random, depth: int) -> None:
    if field.kind == "list":
        _set(target, field.item, rng, depth)
    else:
        target.CopyFrom(_build(type(target), rng, depth + 1))


def _scalar(field: Field, rng: random.Random) -> Any:
    match field.kind:
        case "enum":
            assert field.enum
            return rng.choice(list(field.enum.string_of))
        case "bool":
            return rng.random() < 0.5
        case "double":
            return rng.choice([0.0, -0.0, 0.7, 1.0, 1e300, 2.0**60, rng.uniform(-2, 2)])
        case "bytes" | "byte_array":
            return rng.randbytes(rng.randint(0, 4))
        case "text":
            return rng.choice(['{"type":"object","b":1.50,"a":[]}', "true", "[]", '"x"', "18446744073709551615"])
        case "string":
            return rng.choice(["", "hé", "a\u0000b", '"\\', "\U0001f600"])
    low, high = {"int32": (-(2**31), 2**31 - 1)}.get(field.kind, (-(2**63), 2**63 - 1))
    return rng.choice([0, 1, -1, 127, 128, low, high])


NATIVE = DOCUMENT.flatmap(lambda name: st.tuples(st.just(name), native(name)))


@given(NATIVE)
def test_native_messages_survive(case: tuple[str, Any]) -> None:
    name, message = case
    assert chatpb.from_json(chatpb.to_json(message), google_type(name)) == message


@given(NATIVE, st.randoms(use_true_random=False))
def test_any_valid_encoding_prints_the_same(case: tuple[str, Any], rng: random.Random) -> None:
    name, message = case
    plain = json.loads(chatpb.to_json(message))
    recoded = _recode(message, rng)
    assert google_type(name).FromString(recoded) == message
    assert json.loads(chatpb.wire_to_json(recoded, google_type(name))) == plain


def _recode(message: Any, rng: random.Random) -> bytes:
    """Another encoding of a message: fields shuffled, submessages split, packed scalars unpacked, varints long."""
    fields: dict[int, FieldDescriptor] = {f.number: f for f in message.DESCRIPTOR.fields}
    buffer, at = message.SerializeToString(), 0
    runs: dict[int, list[bytes]] = {}
    while at < len(buffer):
        prefix, after = read_varint(buffer, at, len(buffer))
        field = fields[prefix >> 3]
        if prefix & 7 == LEN:
            size, start = read_varint(buffer, after, len(buffer))
            pieces = _pieces(field, buffer[start : start + size], rng)
            at = start + size
        else:
            at = after + 8 if prefix & 7 == 1 else read_varint(buffer, after, len(buffer))[1]
            pieces = [tag(field.number, prefix & 7) + buffer[after:at]]
        # Repeated fields keep their order among themselves.
        runs.setdefault(field.number, []).extend(pieces)
    parts = list(runs.values())
    mixed = []
    while parts:
        run = rng.choice(parts)
        mixed.append(run.pop(0))
        if not run:
            parts.remove(run)
    return b"".join(mixed)


def _pieces(field: FieldDescriptor, payload: bytes, rng: random.Random) -> list[bytes]:
    prefix = tag(field.number, LEN)
    if field.message_type is None:
        if field.type == FieldDescriptor.TYPE_ENUM and payload and rng.random() < 0.7:
            return [tag(field.number, 0) + bytes([byte]) for byte in payload]
        return [delimited(prefix, payload)]
    entry = field.message_type.GetOptions().map_entry
    singular = field.containing_oneof is not None or field.message_type.full_name == "google.protobuf.Struct"
    if not entry and singular and payload:
        split = rng.choice(_boundaries(payload))
        halves = [payload[:split], payload[split:]]
        return [delimited(prefix, half) for half in halves]
    return [delimited(prefix, payload)]


def _boundaries(payload: bytes) -> list[int]:
    """The positions between the fields of a message."""
    at, found = 0, [0]
    while at < len(payload):
        prefix, at = read_varint(payload, at, len(payload))
        if prefix & 7 == LEN:
            size, at = read_varint(payload, at, len(payload))
            at += size
        elif prefix & 7 == 1:
            at += 8
        else:
            _, at = read_varint(payload, at, len(payload))
        found.append(at)
    return found
