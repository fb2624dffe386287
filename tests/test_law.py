"""The law on recorded traffic: nothing is lost, by any way and in any runtime."""

from __future__ import annotations

import json

import pytest

import chatpb
from chatpb._runtimes import runtime_of
from conftest import RECORDINGS, betterproto_type, exactly_equal, google_type, recording

KINDS = pytest.mark.parametrize("kind", RECORDINGS)


@KINDS
def test_through_wire_bytes(kind: str) -> None:
    message_type = google_type(RECORDINGS[kind])
    for text in recording(kind):
        back = chatpb.wire_to_json(chatpb.json_to_wire(text, message_type), message_type)
        assert exactly_equal(json.loads(back), json.loads(text))


@KINDS
def test_through_google_protobuf_objects(kind: str) -> None:
    message_type = google_type(RECORDINGS[kind])
    for text in recording(kind):
        message = chatpb.from_json(text, message_type)
        assert exactly_equal(json.loads(chatpb.to_json(message)), json.loads(text))
        canonical = chatpb.json_to_wire(text, message_type, canonical=True)
        assert message_type.FromString(canonical).SerializeToString(deterministic=True) == canonical


@KINDS
def test_through_betterproto_objects(kind: str) -> None:
    message_type = betterproto_type(RECORDINGS[kind])
    for text in recording(kind):
        message = chatpb.from_json(text, message_type)
        assert exactly_equal(json.loads(chatpb.to_json(message)), json.loads(text))
        assert runtime_of(message_type).serialize(message) == chatpb.json_to_wire(text, google_type(RECORDINGS[kind]))


@KINDS
def test_through_dicts(kind: str) -> None:
    message_type = google_type(RECORDINGS[kind])
    for text in recording(kind):
        value = json.loads(text)
        assert exactly_equal(chatpb.to_dict(chatpb.from_dict(value, message_type)), value)


@KINDS
def test_through_the_openai_package(kind: str) -> None:
    message_type = google_type(RECORDINGS[kind])
    for text in recording(kind):
        message = chatpb.from_json(text, message_type)
        obj = chatpb.to_openai(message)
        assert exactly_equal(chatpb.to_dict(chatpb.from_openai(obj)), json.loads(text))


@KINDS
def test_messages_come_back_equal(kind: str) -> None:
    message_type = google_type(RECORDINGS[kind])
    for text in recording(kind):
        message = chatpb.from_json(text, message_type)
        assert chatpb.from_json(chatpb.to_json(message), message_type) == message
