"""Runtimes: google.protobuf, betterproto, one that a stranger adds, and what is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor

import chatcompletion_betterproto
import chatpb
from chatcompletion import v1
from chatpb import _runtimes
from chatpb._runtimes.google_runtime import GoogleRuntime
from conftest import ALL_VECTORS, Vector, betterproto_type, by_name

TEXT = '{"id":"c","choices":[{"index":0,"message":{"content":null}}],"x":[1]}'


def test_both_runtimes_give_the_same_bytes() -> None:
    assert chatpb.json_to_wire(TEXT, v1.ChatCompletion) == chatpb.json_to_wire(
        TEXT, chatcompletion_betterproto.ChatCompletion
    )


def test_message_type_picks_the_runtime() -> None:
    assert isinstance(chatpb.from_json(TEXT), v1.ChatCompletion)
    message = chatpb.from_json(TEXT, chatcompletion_betterproto.ChatCompletion)
    assert isinstance(message, chatcompletion_betterproto.ChatCompletion)
    assert message.choices[0].index == 0
    assert json.loads(chatpb.to_json(message)) == json.loads(TEXT)


def test_every_message_of_the_contract_has_its_twin_in_betterproto() -> None:
    runtime = _runtimes.runtime_of(chatcompletion_betterproto.ChatCompletion)
    for name in v1.__all__:
        if isinstance(getattr(getattr(v1, name), "DESCRIPTOR", None), Descriptor):
            twin = getattr(chatcompletion_betterproto, name)
            assert runtime.descriptor(twin) is getattr(v1, name).DESCRIPTOR


@by_name([vector for vector in ALL_VECTORS if not vector.name.startswith("encoding-")])
def test_betterproto_objects_are_those_of_its_own_parser(vector: Vector) -> None:
    message_type = betterproto_type(vector.message)
    built = _runtimes.runtime_of(message_type).parse(message_type, vector.wire)
    parsed = message_type().parse(vector.wire)
    assert (built, repr(built), bytes(built)) == (parsed, repr(parsed), bytes(parsed))


def test_betterproto_objects_keep_unknown_fields() -> None:
    wire = chatpb.json_to_wire(TEXT) + b"\xfa\x3f\x03abc"
    message_type = chatcompletion_betterproto.ChatCompletion
    runtime = _runtimes.runtime_of(message_type)
    assert runtime.serialize(runtime.parse(message_type, wire)) == wire


def test_betterproto_objects_built_by_hand() -> None:
    message = chatcompletion_betterproto.CreateChatCompletionRequest(
        model="m",
        stop_list=chatcompletion_betterproto.StringList(items=["a"]),
        metadata={"": "", "k": ""},
        modalities=[chatcompletion_betterproto.ChatCompletionModality(1)],
        tools=[chatcompletion_betterproto.ChatCompletionToolParam()],
        response_format=chatcompletion_betterproto.ResponseFormat(),
        temperature=0.0,
        stream=False,
    )
    assert json.loads(chatpb.to_json(message)) == {
        "model": "m",
        "stop": ["a"],
        "metadata": {"": "", "k": ""},
        "modalities": ["text"],
        "tools": [{}],
        "response_format": {},
        "temperature": 0,
        "stream": False,
    }
    message.stop_text = "END"
    assert chatpb.to_dict(message)["stop"] == "END"


def test_betterproto_integers_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="^2147483648 is out of the range of int32$"):
        chatpb.to_json(chatcompletion_betterproto.CreateChatCompletionRequest(n=2**31))


def test_a_message_inside_another_converts_alone() -> None:
    usage = chatpb.from_json('{"total_tokens":3}', v1.CompletionUsage)
    assert usage == v1.CompletionUsage(total_tokens=3)
    assert chatpb.to_json(usage) == b'{"total_tokens":3}'


@dataclass
class Envelope:
    """A message class of a runtime that chatpb has never heard of: it keeps the bytes."""

    wire: bytes


class EnvelopeRuntime:
    def owns(self, message_type: type) -> bool:
        return message_type is Envelope

    def descriptor(self, message_type: type) -> Descriptor:
        return v1.ChatCompletion.DESCRIPTOR

    def parse(self, message_type: type, wire: bytes) -> Envelope:
        return Envelope(wire)

    def serialize(self, message: Envelope) -> bytes:
        return message.wire


@pytest.fixture
def _no_runtimes_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(_runtimes, "_registered", [])
    yield
    _forget()


def _forget() -> None:
    _runtimes._find.cache_clear()
    for listener in _runtimes._listeners:
        listener()


class CountingRuntime(GoogleRuntime):
    def __init__(self) -> None:
        self.parsed = 0

    def parse(self, message_type: type[Any], wire: bytes) -> Any:
        self.parsed += 1
        return super().parse(message_type, wire)


@pytest.mark.usefixtures("_no_runtimes_left")
def test_a_class_that_was_met_is_asked_for_anew() -> None:
    message = chatpb.from_json(TEXT)
    runtime = CountingRuntime()
    chatpb.register_runtime(runtime)
    assert chatpb.from_json(TEXT) == message
    assert runtime.parsed == 1


@pytest.mark.usefixtures("_no_runtimes_left")
def test_a_runtime_is_added_by_a_call() -> None:
    with pytest.raises(TypeError, match="is not a message class of google.protobuf, betterproto or a registered"):
        chatpb.from_json(TEXT, Envelope)
    chatpb.register_runtime(EnvelopeRuntime())
    message = chatpb.from_json(TEXT, Envelope)
    assert message == Envelope(chatpb.json_to_wire(TEXT))
    assert json.loads(chatpb.to_json(message)) == json.loads(TEXT)


@pytest.mark.usefixtures("_no_runtimes_left")
def test_a_runtime_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_runtimes, "_discovered", lambda: (EnvelopeRuntime(),))
    _forget()
    assert isinstance(chatpb.from_json(TEXT, Envelope), Envelope)


@pytest.mark.parametrize("message_type", [dict, "ChatCompletion", None])
def test_what_is_no_message_class(message_type: Any) -> None:
    with pytest.raises(TypeError, match="is not a message class"):
        chatpb.json_to_wire(TEXT, message_type)


def test_a_message_without_the_four_fields_is_refused() -> None:
    from google.protobuf.timestamp_pb2 import Timestamp

    with pytest.raises(
        TypeError, match=r"^google.protobuf.Timestamp cannot be mapped without loss: it needs the fields "
    ):
        chatpb.json_to_wire("{}", Timestamp)
