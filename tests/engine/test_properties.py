"""The law as properties: of JSON like and unlike each document, of messages whose fields are set, of arbitrary bytes."""

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
from chatpb._contract.schema import INTEGER_RANGES, Field, schema_of
from chatpb._runtimes import generated_class
from chatpb._wire import LEN
from chatpb._wire.read import fields_of
from chatpb._wire.write import delimited, tag
from tests.engine.differential import EVERY_MESSAGE
from tests.engine.json_objects import any_objects, objects_of
from tests.support import DOCUMENTS, each_runtime, exactly_equal, google_type

DOCUMENT = st.sampled_from(DOCUMENTS)
CASES = DOCUMENT.flatmap(
    lambda name: st.tuples(st.just(name), objects_of(google_type(name).DESCRIPTOR) | any_objects())
)
"""Names of documents, each with a JSON object like or unlike it."""
TEXT_MEMBERS = {
    name
    for message in EVERY_MESSAGE
    for name, member in schema_of(google_type(message).DESCRIPTOR).members.items()
    if any(each.kind == "text" for each in member.alternatives)
}
"""Members that are carried as JSON text, in which the order of members counts."""


@given(CASES)
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


@given(CASES)
def test_canonical_bytes_depend_on_the_value_alone(case: tuple[str, dict[str, Any]]) -> None:
    name, value = case
    message_type = google_type(name)
    canonical = chatpb.json_to_wire(json.dumps(value), message_type, canonical=True)
    assert message_type.FromString(canonical).SerializeToString(deterministic=True) == canonical
    respelled = json.dumps(_shuffled(value), indent=1, ensure_ascii=True)
    assert chatpb.json_to_wire(respelled, message_type, canonical=True) == canonical


def _shuffled(value: Any) -> Any:
    """Return a value with its members in another order, but for those that are carried as JSON text."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name[::-1])
        return {name: value[name] if name in TEXT_MEMBERS else _shuffled(value[name]) for name in names}
    return [_shuffled(item) for item in value] if isinstance(value, list) else value


@each_runtime
@given(CASES)
def test_objects_of_every_runtime_hold_it(runtime: str, case: tuple[str, dict[str, Any]]) -> None:
    name, value = case
    message = chatpb.from_json(json.dumps(value), generated_class(runtime, name))
    assert exactly_equal(json.loads(chatpb.to_json(message)), value)


@given(DOCUMENT, st.binary(max_size=80) | st.text(max_size=60).map(lambda t: t.encode("utf-8", "surrogatepass")))
def test_arbitrary_bytes_parse_or_raise(name: str, data: bytes) -> None:
    message_type = google_type(name)
    for convert, error in ((chatpb.json_to_wire, JsonError), (chatpb.wire_to_json, WireError)):
        try:
            convert(data, message_type)
        except error as raised:
            assert 0 <= raised.offset <= len(data)


@given(CASES, st.data())
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
    """Read text with Python's own parser, and also refuse what only chatpb refuses."""

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


# Messages built by setting fields, as programs in any language do.


def built_messages(name: str) -> st.SearchStrategy[Any]:
    """Return messages of a type with any fields set, each JSON member in one home."""
    return st.builds(lambda seed: _build(google_type(name), random.Random(seed), 0), st.integers(0, 2**32))


def _build(message_type: type[Any], rng: random.Random, depth: int) -> Any:
    message = message_type()
    for member in schema_of(message_type.DESCRIPTOR).members.values():
        if rng.random() < (0.6 if depth else 0.8) - 0.1 * depth:
            _set(message, rng.choice(member.alternatives), rng, depth)
        elif rng.random() < 0.2:
            message.null_fields |= member.bit
        elif member.empty_form and rng.random() < 0.3:
            message.empty_fields |= member.bit
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
    low, high = INTEGER_RANGES[field.kind]
    return rng.choice([0, 1, max(low, -1), 127, 128, low, high])


BUILT = DOCUMENT.flatmap(lambda name: st.tuples(st.just(name), built_messages(name)))


@given(BUILT)
def test_built_messages_survive(case: tuple[str, Any]) -> None:
    name, message = case
    assert chatpb.from_json(chatpb.to_json(message), google_type(name)) == message


@given(BUILT, st.randoms(use_true_random=False))
def test_any_valid_encoding_prints_the_same(case: tuple[str, Any], rng: random.Random) -> None:
    name, message = case
    plain = json.loads(chatpb.to_json(message))
    recoded = _recode(message, rng)
    assert google_type(name).FromString(recoded) == message
    assert json.loads(chatpb.wire_to_json(recoded, google_type(name))) == plain


def _recode(message: Any, rng: random.Random) -> bytes:
    """Return another encoding of a message: fields shuffled, submessages split, packed numbers unpacked."""
    descriptors: dict[int, FieldDescriptor] = {f.number: f for f in message.DESCRIPTOR.fields}
    runs: dict[int, list[bytes]] = {}
    for field in fields_of(message.SerializeToString()):
        number = field.tag >> 3
        pieces = _pieces(descriptors[number], field.payload, rng) if field.tag & 7 == LEN else [field.data]
        # The items of a repeated field keep their order.
        runs.setdefault(number, []).extend(pieces)
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
    """Return the positions between the fields of a message, and both ends."""
    return [*(field.start for field in fields_of(payload)), len(payload)]
