"""The order of members inside open values: the same in text, in bytes and in the objects of every runtime."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st

import chatpb
from chatcompletion import v1
from chatpb._json.member_order import arranged, member_order
from chatpb._runtimes import generated_class
from chatpb._wire.write import delimited
from chatpb.streams import Accumulator, split
from tests.engine.engines import codecs_of
from tests.support import INSTALLED, ROOT, each_runtime

GUIDED = '{"x_schema":{"properties":{"reasoning":{},"answer":{}}}}'

NAMES = st.text("abcdefgh\u00e9\uffff\U00010000 ", max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.just("\ud83d") | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=9),
    max_leaves=25,
)
OBJECTS = st.dictionaries(NAMES.map("x_{}".format), VALUES, max_size=6)
"""Objects without a member that the contract has, of values that a Struct holds, and of others."""


@each_runtime
@given(value=OBJECTS)
def test_random_values_keep_their_order(runtime: str, value: dict[str, Any]) -> None:
    message_type = generated_class(runtime, "ChatCompletion")
    text = json.dumps(value)
    wire = chatpb.json_to_wire(text, message_type)
    back = chatpb.wire_to_json(wire, message_type)
    assert chatpb.to_json(chatpb.from_json(text, message_type)) == back
    found = json.loads(back)
    assert {name: json.dumps(found[name]) for name in found} == {name: json.dumps(value[name]) for name in value}
    # Those that a Struct holds come first.
    tree = [name for name in value if name in v1.ChatCompletion.FromString(wire).additional_properties.fields]
    assert list(found) == tree + [name for name in value if name not in tree]


@given(value=OBJECTS, order=st.binary(max_size=12), seed=st.integers(0, 2**32))
def test_any_order_is_harmless_and_says_the_same_of_entries_in_any_order(
    value: dict[str, Any], order: bytes, seed: int
) -> None:
    message = chatpb.from_json(json.dumps(value), v1.ChatCompletion)
    # A message of upb has its entries in another order once they were copied.
    message.member_order = order
    wire = message.SerializeToString()
    other = v1.ChatCompletion(member_order=order, verbatim_properties=message.verbatim_properties)
    shuffled(message.additional_properties, other.additional_properties, random.Random(seed))
    texts = {
        codec.wire_to_json(each, False, False, False)
        for codec in codecs_of(v1.ChatCompletion.DESCRIPTOR)
        for each in (wire, other.SerializeToString())
    }
    assert len(texts) == 1
    found = json.loads(texts.pop())
    assert json.dumps(found, sort_keys=True) == json.dumps(value, sort_keys=True)
    assert [violation.rule for violation in chatpb.validate(message) if violation.rule != "required"] == []


def shuffled(struct: Struct, into: Struct, rng: random.Random) -> None:
    names = list(struct.fields)
    rng.shuffle(names)
    for name in names:
        into.fields[name].CopyFrom(struct.fields[name])


@given(value=OBJECTS)
def test_an_order_is_short_and_gives_the_order_back(value: dict[str, Any]) -> None:
    order = member_order(value, ())
    places = 0

    def count(each: Any) -> None:
        nonlocal places
        if isinstance(each, dict):
            places += 1 + len(each) * max(len(each) - 1, 1).bit_length()
        for inner in each.values() if isinstance(each, dict) else each if isinstance(each, list) else ():
            count(inner)

    count(value)
    assert len(order) <= places // 8 + 1
    by_name = json.loads(json.dumps(value, sort_keys=True))
    assert json.dumps(arranged(by_name, {}, order)[0]) == json.dumps(value)
    assert json.dumps(arranged(value, {}, b"")[0]) == json.dumps(by_name)


HOSTILE = {
    "a million bytes": b"\xff" * 1_000_000,
    "a million zeros": bytes(1_000_000),
    "a million zeros and a one": bytes(1_000_000) + b"\x01",
}


@pytest.mark.parametrize("order", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("value", ['{"x":{"c":1,"a":{"e":1,"d":2},"b":3}}', '{"z":1,"y":2}', '{"id":"a"}', "{}"])
def test_a_long_order_is_read_once(order: bytes, value: str) -> None:
    message = chatpb.from_json(value, v1.ChatCompletion)
    message.member_order = order
    wire = message.SerializeToString()
    text = json.dumps(json.loads(value), sort_keys=True, separators=(",", ":")).encode()
    for codec in codecs_of(v1.ChatCompletion.DESCRIPTOR):
        assert codec.wire_to_json(wire, False, False, False) == text


def test_an_object_of_many_members_has_its_order() -> None:
    names = [f"{number:05}" for number in range(20_000)]
    random.Random(5).shuffle(names)
    text = json.dumps({"x": dict.fromkeys(names, True)}, separators=(",", ":")).encode()
    message = chatpb.from_json(text, v1.ChatCompletion)
    assert len(message.member_order) <= 20_000 * 15 // 8 + 1
    for codec in codecs_of(v1.ChatCompletion.DESCRIPTOR):
        assert codec.wire_to_json(message.SerializeToString(), False, False, False) == text


def test_the_deepest_struct_with_an_order() -> None:
    struct = b""
    for _ in range(199):
        value = delimited(b"\x2a", struct)
        struct = b"".join(
            delimited(b"\x0a", b"\x0a\x01" + name + delimited(b"\x12", held))
            for name, held in ((b"b", b"\x20\x01"), (b"a", value))
        )
        if len(struct) > 1_000_000:
            break
    wire = delimited(b"\x62", b"\xff" * 60) + delimited(b"\x7a", struct)
    texts = set()
    for codec in codecs_of(v1.ChatCompletion.DESCRIPTOR):
        text = codec.wire_to_json(wire, False, False, False)
        assert json.loads(text)
        texts.add(text)
    assert len(texts) == 1


PRINT = """
import sys, chatpb
from chatpb._runtimes import generated_class
from google.protobuf.internal import api_implementation
texts = {chatpb.to_json(chatpb.from_json(sys.argv[1], generated_class(name, "CreateChatCompletionRequest")))
         for name in sys.argv[2:]}
print(api_implementation.Type(), *(text.decode() for text in texts))
"""


@pytest.mark.parametrize("implementation", ["upb", "python"])
def test_every_process_prints_one_order(implementation: str) -> None:
    """Entries of upb's maps have another order in each process."""
    command = [sys.executable, "-W", "ignore", "-c", PRINT, GUIDED, *INSTALLED]
    for _ in range(3):
        environment = {**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation}
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True, text=True)
        assert done.stdout.split() == [implementation, GUIDED]


@each_runtime
def test_edits_write_the_order(runtime: str) -> None:
    message = chatpb.from_json(GUIDED, generated_class(runtime, "CreateChatCompletionRequest"))
    members = chatpb.members(message)
    schema = members["x_schema"]
    schema["properties"]["aside"] = {"type": "x", "const": 1}
    schema["additionalProperties"] = False
    assert json.dumps(members.copy()) == json.dumps(
        {
            "x_schema": {
                "properties": {"reasoning": {}, "answer": {}, "aside": {"type": "x", "const": 1}},
                "additionalProperties": False,
            }
        }
    )
    del schema["properties"]["reasoning"]
    members["before"] = {"z": 1, "y": 2**64}
    members["a"] = [{"z": 1, "y": 2}]
    assert list(members) == ["x_schema", "a", "before"]
    assert chatpb.to_json(message) == (
        b'{"x_schema":{"properties":{"answer":{},"aside":{"type":"x","const":1}},"additionalProperties":false},'
        b'"a":[{"z":1,"y":2}],"before":{"z":1,"y":18446744073709551616}}'
    )
    for name in list(members):
        del members[name]
    assert message == type(message)()


@each_runtime
def test_a_typed_value_has_no_part_in_the_order(runtime: str) -> None:
    message = chatpb.from_json('{"model":5,"z":1,"a":2}', generated_class(runtime, "CreateChatCompletionRequest"))
    members = chatpb.members(message)
    members["model"] = "m"
    assert chatpb.to_json(message) == b'{"model":"m","z":1,"a":2}'
    members["model"] = 6
    assert chatpb.to_json(message) == b'{"z":1,"a":2,"model":6}'


def test_canonical_bytes_have_no_order() -> None:
    for codec in codecs_of(v1.CreateChatCompletionRequest.DESCRIPTOR):
        wire = codec.json_to_wire(GUIDED, True, False)
        assert not v1.CreateChatCompletionRequest.FromString(wire).member_order
        text = b'{"x_schema":{"properties":{"answer":{},"reasoning":{}}}}'
        assert codec.wire_to_json(wire, False, False, False) == text
        assert codec.json_to_wire(text, True, False) == wire


def test_streams_keep_the_order() -> None:
    chunks = [
        f'{{"id":"c","x":{{"b":{number},"a":{{"d":1,"c":2}}}},"choices":[{{"index":0,"delta":{{"content":"a"}}}}]}}'
        for number in (1, 1, 2)
    ]
    wires = [chatpb.json_to_wire(chunk, v1.ChatCompletionChunk) for chunk in chunks]
    for some in (wires, wires[:2]):
        stream = chatpb.compact_stream(some)
        back = [chatpb.wire_to_json(each, v1.ChatCompletionChunk) for each in chatpb.expand_stream(stream)]
        assert [json.dumps(json.loads(each)["x"]) for each in back] == [
            json.dumps(json.loads(chunk)["x"]) for chunk in chunks[: len(some)]
        ]
    accumulator = Accumulator()
    for chunk in chunks:
        accumulator.add_json(chunk)
    completion = accumulator.message()
    assert b'"x":{"b":2,"a":{"d":1,"c":2}}' in chatpb.to_json(completion)
    assert any(b'"x":{"b":2,"a":{"d":1,"c":2}}' in chatpb.to_json(each) for each in split(completion))
