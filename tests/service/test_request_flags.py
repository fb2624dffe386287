"""Whether a request asks for a stream: read from its wire bytes and set in them, whatever else they hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import pytest
from google.protobuf.internal import api_implementation
from google.protobuf.message import DecodeError

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk, CreateChatCompletionRequest
from chatpb import WireError, json_to_wire, wire_to_json
from chatpb._wire.write import delimited, tag
from chatpb.service import ServiceError
from chatpb.service._request_flags import ask_for_whole, is_stream, model_of, set_model, set_stream, split_answer
from tests.support import nested_properties, recording

UNKNOWN = delimited(tag(1000, 2), b"of a newer contract")


def request(**members: Any) -> bytes:
    return json_to_wire(json.dumps({"model": "m", **members}), CreateChatCompletionRequest)


@pytest.mark.parametrize(
    ("wire", "want"),
    [
        (request(stream=True), True),
        (request(stream=False), False),
        (request(stream=None), False),
        (request(), False),
        (request(stream=True) + request(stream=False), False),
        (request(stream=False) + request(stream=True), True),
        (UNKNOWN + request(stream=True) + UNKNOWN, True),
        (b"", False),
    ],
)
def test_is_stream(wire: bytes, want: bool) -> None:
    assert is_stream(wire) is want


@pytest.mark.parametrize("value", ["yes", "true", 1, [True], {}, 2**70])
@pytest.mark.parametrize("more", [b"", nested_properties(40)], ids=["", "nested"])
def test_a_stream_that_is_no_boolean(value: Any, more: bytes) -> None:
    for read in (is_stream, ask_for_whole, lambda wire: list(split_answer(b"", wire))):
        with pytest.raises(ServiceError, match="neither true nor false") as caught:
            read(more + request(stream=value))
        assert (caught.value.status, caught.value.detail["param"]) == (400, "stream")


@pytest.mark.parametrize("more", [b"", UNKNOWN, nested_properties(40)], ids=["", "unknown", "nested"])
@pytest.mark.parametrize("stream", [True, False, None])
def test_ask_for_whole(stream: bool | None, more: bytes) -> None:
    wire = ask_for_whole(request(stream=stream, stream_options={"include_usage": True}, n=1) + more)
    assert wire.startswith(request(n=1)[:3])
    assert more in wire
    found = json.loads(wire_to_json(wire, CreateChatCompletionRequest, unknown_fields="skip"))
    assert {name: found.get(name) for name in ("model", "n", "stream", "stream_options")} == {
        "model": "m",
        "n": 1,
        "stream": None if stream is None else False,
        "stream_options": None,
    }


def test_is_stream_of_recorded_requests() -> None:
    for line in recording("request"):
        assert is_stream(json_to_wire(line, CreateChatCompletionRequest)) is (json.loads(line).get("stream") is True)


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("wire", [request(stream=True), request(stream=None), request(), UNKNOWN])
def test_set_stream(wire: bytes, value: bool) -> None:
    changed = set_stream(wire, value)
    assert changed.startswith(wire)
    assert is_stream(changed) is value
    found = json.loads(wire_to_json(changed, CreateChatCompletionRequest, unknown_fields="skip"))
    assert found["stream"] is value


@pytest.mark.parametrize(
    "wire",
    [b"\xff", b"\x0a\x05m", b"\x00\x01", delimited(tag(1, 2), b"\xff"), request(stream=True)[:-1], request() + b"\x0f"],
)
def test_bytes_that_are_no_request(wire: bytes) -> None:
    """The error is that of `wire_to_json`."""
    with pytest.raises(WireError) as want:
        wire_to_json(wire, CreateChatCompletionRequest)
    for read in (is_stream, lambda wire: list(split_answer(b"", wire))):
        with pytest.raises(WireError) as caught:
            read(wire)
        assert str(caught.value) == str(want.value)


LONG_LENGTH = tag(1, 2) + b"\x81\x80\x80\x80\x80\x00m"
"""The field `model`, after a length in more bytes than some versions of protobuf's parser in C read."""


def has_usage_chunk(wires: Iterable[bytes]) -> bool:
    """Return whether a stream ends with a chunk that has the usage and no choices."""
    last = json.loads(wire_to_json(list(wires)[-1], ChatCompletionChunk))
    return "usage" in last and last.get("choices") == []


@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize(
    "more",
    [nested_properties(40), nested_properties(180), LONG_LENGTH],
    ids=["nested 40 times", "nested 180 times", "long length"],
)
def test_requests_that_protobuf_does_not_parse(more: bytes, asks: bool) -> None:
    """What chatpb carries is answered, whatever the limits of protobuf's own parser."""
    options = {"include_usage": asks or 1}  # which is not true
    completion = json_to_wire(
        b'{"id":"1","choices":[{"index":0,"message":{}}],"usage":{"total_tokens":2}}', ChatCompletion
    )
    in_options = delimited(tag(CreateChatCompletionRequest.DESCRIPTOR.fields_by_name["stream_options"].number, 2), more)
    wires = [request(stream=asks, stream_options=options) + more]
    if more is not LONG_LENGTH:
        wires.append(request(stream=asks, stream_options=options) + in_options)
    for wire in wires:
        # Of protobuf's parsers, that in Python has limits of its own, and some versions of upb read long lengths.
        if more is not LONG_LENGTH and api_implementation.Type() == "upb":
            with pytest.raises(DecodeError):
                CreateChatCompletionRequest.FromString(wire)
        assert is_stream(wire) is asks
        assert has_usage_chunk(split_answer(completion, wire)) is asks


@pytest.mark.parametrize(
    ("options", "has_usage"),
    [
        ({"include_usage": True}, True),
        ({"include_usage": False}, False),
        ({"include_usage": None}, False),
        ({"include_usage": "true"}, False),
        ({"include_usage": 1}, False),
        ({}, False),
        (None, False),
        ("include_usage", False),
        ([{"include_usage": True}], False),
    ],
)
def test_usage_comes_if_it_is_asked_for(options: Any, has_usage: bool) -> None:
    completion = json_to_wire(
        b'{"id":"1","choices":[{"index":0,"message":{}}],"usage":{"total_tokens":2}}', ChatCompletion
    )
    assert has_usage_chunk(split_answer(completion, request(stream_options=options))) is has_usage


@pytest.mark.skipif(api_implementation.Type() == "python", reason="this is protobuf's parser in Python")
def test_protobuf_without_its_parser_in_c_does_the_same() -> None:
    environment = {
        **os.environ,
        "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-m", "pytest", "-n0", "-q", __file__]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("wire", "model"),
    [
        (request(), "m"),
        (request() + request(model="other"), "other"),
        (UNKNOWN + request() + UNKNOWN, "m"),
        (request() + json_to_wire('{"messages":[{"role":"user"}],"user":"u"}', CreateChatCompletionRequest), "m"),
        (b"", ""),
        (request(model=None), ""),
        (request(model=""), ""),
        (json_to_wire('{"user":"u"}', CreateChatCompletionRequest), ""),
    ],
)
def test_the_model_of_a_request(wire: bytes, model: str) -> None:
    """The last one counts. A path may name the model of a request that has none."""
    assert model_of(wire) == model
    assert model_of(set_model(wire, "of the path")) == (model or "of the path")
    assert set_model(wire, "of the path").startswith(wire)
