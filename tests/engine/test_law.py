"""The law on recorded traffic: nothing is lost, whichever functions and runtime carry a document."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import chatpb
from chatpb._runtimes import generated_class, runtime_of
from tests.support import RECORDINGS, REORDERS_MAPS, each_runtime, exactly_equal, google_type, recording

each_kind = pytest.mark.parametrize("kind", RECORDINGS)


@each_kind
def test_through_wire_bytes(kind: str) -> None:
    message_type = google_type(RECORDINGS[kind])
    for text in recording(kind):
        back = chatpb.wire_to_json(chatpb.json_to_wire(text, message_type), message_type)
        assert exactly_equal(json.loads(back), json.loads(text))


@each_runtime
@each_kind
def test_through_objects(kind: str, runtime: str) -> None:
    message_type = generated_class(runtime, RECORDINGS[kind])
    for text in recording(kind):
        message = chatpb.from_json(text, message_type)
        wire = chatpb.json_to_wire(text, message_type)
        back = chatpb.to_json(message)
        assert back == chatpb.wire_to_json(wire, message_type)
        assert exactly_equal(json.loads(back), json.loads(text))
        if runtime not in REORDERS_MAPS:
            assert runtime_of(message_type).serialize(message) == wire


@each_kind
def test_canonical_bytes_are_those_of_deterministic_serialization(kind: str) -> None:
    message_type = google_type(RECORDINGS[kind])
    for text in recording(kind):
        canonical = chatpb.json_to_wire(text, message_type, canonical=True)
        assert message_type.FromString(canonical).SerializeToString(deterministic=True) == canonical


DETERMINISTIC = """
import sys, chatpb
from google.protobuf.internal import api_implementation
text = sys.stdin.buffer.read()
canonical = chatpb.json_to_wire(text, canonical=True)
message = chatpb.ChatCompletion.FromString(canonical)
print(api_implementation.Type(), canonical.hex(), message.SerializeToString(deterministic=True).hex())
"""


@pytest.mark.parametrize(
    ("name", "equal"), [("b", True), ("é", True), ("\U00010000", True), ("a b", False), ("", False)]
)
def test_canonical_bytes_are_the_same_in_every_runtime_of_protobuf(name: str, equal: bool) -> None:
    """Protobuf's own bytes are not, where a name is a prefix of another."""
    text = json.dumps({"metadata": {"a": "1", "\uffff": "2", name: "3"}, "x": {"a": 2**70, name: 1}}).encode()
    found = []
    for implementation in ("upb", "python"):
        environment = {
            **os.environ,
            "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation,
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        command = [sys.executable, "-W", "ignore", "-c", DETERMINISTIC]
        done = subprocess.run(command, input=text, env=environment, capture_output=True, check=True)
        found.append(done.stdout.decode().split())
    (upb, canonical, own), (python, same, other) = found
    assert (upb, python) == ("upb", "python")
    assert canonical == same == own
    assert (other == own) is equal


@each_kind
def test_through_dicts(kind: str) -> None:
    message_type = google_type(RECORDINGS[kind])
    for text in recording(kind):
        value = json.loads(text)
        assert exactly_equal(chatpb.to_dict(chatpb.from_dict(value, message_type)), value)


@each_kind
def test_through_the_openai_package(kind: str) -> None:
    message_type = google_type(RECORDINGS[kind])
    for text in recording(kind):
        message = chatpb.from_json(text, message_type)
        obj = chatpb.to_openai(message)
        assert exactly_equal(chatpb.to_dict(chatpb.from_openai(obj)), json.loads(text))


@each_kind
def test_messages_come_back_equal(kind: str) -> None:
    message_type = google_type(RECORDINGS[kind])
    for text in recording(kind):
        message = chatpb.from_json(text, message_type)
        assert chatpb.from_json(chatpb.to_json(message), message_type) == message
