"""Runtimes: google.protobuf, betterproto, protobuf-py, and one that a package adds."""

from __future__ import annotations

import importlib.metadata
import json
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor

import chatcompletion_betterproto
import chatpb
from chatcompletion import v1
from chatpb import _runtimes
from chatpb._runtimes import generated_class
from chatpb._runtimes.google_runtime import GoogleRuntime
from tests.runtimes.envelope import Envelope, EnvelopeRuntime, registered
from tests.support import ALL_VECTORS, INSTALLED, Vector, betterproto_type, by_name, each_runtime

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


@each_runtime
def test_every_message_of_the_contract_has_its_twin(runtime: str) -> None:
    for name in v1.__all__:
        if isinstance(getattr(getattr(v1, name), "DESCRIPTOR", None), Descriptor):
            twin = generated_class(runtime, name)
            assert _runtimes.runtime_of(twin).descriptor(twin) is getattr(v1, name).DESCRIPTOR


@pytest.mark.skipif("protobuf-py" not in INSTALLED, reason="protobuf-py needs Python 3.11")
def test_protobuf_py_messages_built_by_hand() -> None:
    from protobuf import Oneof

    made = generated_class("protobuf-py", "CreateChatCompletionRequest")
    lists = generated_class("protobuf-py", "StringList")
    message = made(model="m", metadata={"": ""}, stop=Oneof("stop_list", lists(items=["a"])), temperature=0.0)
    assert chatpb.to_dict(message) == {"model": "m", "metadata": {"": ""}, "stop": ["a"], "temperature": 0}
    message.stop = Oneof("stop_text", "END")
    assert chatpb.to_dict(message)["stop"] == "END"
    for wrong in {"n": 2**31}, {"model": "\ud800"}, {"n": "a"}:
        with pytest.raises(chatpb.ChatpbError, match="^a message that protobuf-py cannot encode: "):
            chatpb.to_json(made(**wrong))


@pytest.mark.skipif("protobuf-py" not in INSTALLED, reason="protobuf-py needs Python 3.11")
def test_protobuf_py_messages_keep_unknown_fields() -> None:
    wire = chatpb.json_to_wire(TEXT) + b"\xfa\x3f\x03abc"
    message_type = generated_class("protobuf-py", "ChatCompletion")
    runtime = _runtimes.runtime_of(message_type)
    assert runtime.serialize(runtime.parse(message_type, wire)) == wire


@by_name([vector for vector in ALL_VECTORS if not vector.name.startswith("encoding-")])
def test_betterproto_messages_equal_those_of_its_own_parser(vector: Vector) -> None:
    message_type = betterproto_type(vector.message)
    built = _runtimes.runtime_of(message_type).parse(message_type, vector.wire)
    parsed = message_type().parse(vector.wire)
    assert (built, repr(built), bytes(built)) == (parsed, repr(parsed), bytes(parsed))


def test_betterproto_messages_keep_unknown_fields() -> None:
    wire = chatpb.json_to_wire(TEXT) + b"\xfa\x3f\x03abc"
    message_type = chatcompletion_betterproto.ChatCompletion
    runtime = _runtimes.runtime_of(message_type)
    assert runtime.serialize(runtime.parse(message_type, wire)) == wire


def test_betterproto_messages_built_by_hand() -> None:
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


def test_betterproto_values_that_have_no_encoding() -> None:
    with pytest.raises(chatpb.ChatpbError, match="^2147483648 is out of the range of int32$"):
        chatpb.to_json(chatcompletion_betterproto.CreateChatCompletionRequest(n=2**31))
    with pytest.raises(chatpb.ChatpbError, match="^a string that UTF-8 cannot hold: .* surrogates not allowed$"):
        chatpb.to_json(chatcompletion_betterproto.ChatCompletion(id="\ud800"))


def test_a_message_inside_another_converts_alone() -> None:
    usage = chatpb.from_json('{"total_tokens":3}', v1.CompletionUsage)
    assert usage == v1.CompletionUsage(total_tokens=3)
    assert chatpb.to_json(usage) == b'{"total_tokens":3}'


class CountingRuntime(GoogleRuntime):
    def __init__(self) -> None:
        self.parsed = 0

    def parse(self, message_type: type[Any], wire: bytes) -> Any:
        self.parsed += 1
        return super().parse(message_type, wire)


def test_a_runtime_that_is_added_takes_over_known_classes() -> None:
    message = chatpb.from_json(TEXT)
    runtime = CountingRuntime()
    with registered(runtime):
        assert chatpb.from_json(TEXT) == message
    assert chatpb.from_json(TEXT) == message
    assert runtime.parsed == 1


def test_a_runtime_is_added_by_a_call() -> None:
    with pytest.raises(
        TypeError, match="is not a message class of google.protobuf, betterproto, protobuf-py or a registered"
    ):
        chatpb.from_json(TEXT, Envelope)
    with registered(EnvelopeRuntime()):
        message = chatpb.from_json(TEXT, Envelope)
        assert message == Envelope(chatpb.json_to_wire(TEXT))
        assert json.loads(chatpb.to_json(message)) == json.loads(TEXT)


@pytest.mark.parametrize("wrong", [EnvelopeRuntime, 5])
def test_a_runtime_is_an_instance_with_its_functions(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r" is not an instance with the functions of chatpb.Runtime$"):
        chatpb.register_runtime(wrong)


def test_a_runtime_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(_runtimes, "_discovered", lambda: (EnvelopeRuntime(),))
        _runtimes._forget()
        assert isinstance(chatpb.from_json(TEXT, Envelope), Envelope)
    _runtimes._forget()


@pytest.mark.parametrize("wrong", [EnvelopeRuntime, 5])
def test_an_entry_point_that_names_no_runtime(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    entry_point = EntryPoint("envelope", "tests:wrong", _runtimes.ENTRY_POINT_GROUP)
    monkeypatch.setattr(EntryPoint, "load", lambda _: wrong)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [entry_point])
    _runtimes._discovered.cache_clear()
    _runtimes._forget()
    with pytest.raises(
        TypeError, match=r"^the entry point 'envelope' of the group chatpb.runtimes names .* which is not "
    ):
        chatpb.from_json(TEXT, Envelope)
    _runtimes._discovered.cache_clear()
    _runtimes._forget()


@pytest.mark.parametrize("message_type", [Envelope, v1.ChatCompletion])
def test_a_runtime_that_is_added_while_another_is_asked(message_type: type) -> None:
    """Such as by the module of an entry point, or by another thread."""

    class ForAll(EnvelopeRuntime):
        def owns(self, message_type: type) -> bool:
            return True

    class Adding(EnvelopeRuntime):
        def owns(self, message_type: type) -> bool:
            if len(_runtimes._registered) == 1:
                chatpb.register_runtime(ForAll())
            return False

    with registered(Adding()):
        assert isinstance(chatpb.from_json(TEXT, message_type), Envelope)
        assert isinstance(chatpb.from_json(TEXT, message_type), Envelope)


@pytest.mark.parametrize("message_type", [Envelope, v1.ChatCompletion])
def test_a_runtime_that_is_added_while_a_class_is_met(message_type: type) -> None:
    class Late(EnvelopeRuntime):
        def owns(self, message_type: type) -> bool:
            return True

    class Adding(Late):
        def descriptor(self, message_type: type) -> Any:
            if len(_runtimes._registered) == 1:
                chatpb.register_runtime(Late())
            return super().descriptor(message_type)

        def parse(self, message_type: type, wire: bytes) -> Envelope:
            return Envelope(b"of the runtime that was replaced")

    with registered(Adding()):
        chatpb.from_json(TEXT, message_type)
        assert chatpb.from_json(TEXT, message_type) == Envelope(chatpb.json_to_wire(TEXT))


def test_a_runtime_without_length() -> None:
    """An object of Python may be false."""

    class Empty(EnvelopeRuntime):
        def __len__(self) -> int:
            return 0

    with registered(Empty()):
        assert isinstance(chatpb.from_json(TEXT, Envelope), Envelope)


def test_a_message_without_the_four_fields_is_refused() -> None:
    from google.protobuf.timestamp_pb2 import Timestamp

    with pytest.raises(
        TypeError, match=r"^google.protobuf.Timestamp cannot be mapped without loss: it needs the fields "
    ):
        chatpb.json_to_wire("{}", Timestamp)
