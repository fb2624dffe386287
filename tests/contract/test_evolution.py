"""Newer builds of the contract, and forks, exchange messages with this one: no byte is lost, and JSON lacks no field silently."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_database import DescriptorDatabase
from google.protobuf.descriptor_pb2 import (
    DESCRIPTOR,
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

import chatpb
from chatcompletion import v1
from chatpb import _known_json, arrow
from chatpb._known_json import known_json, unknown_field_counts
from chatpb._runtimes import generated_class, message_class
from chatpb.storage import Record
from chatpb.streams import Accumulator, split_wire
from chatpb.streams._known import add_known, split_known
from chatpb.streams.sse import write_chunk
from tests.contract.numbers import first_of_forks
from tests.support import ROOT, each_runtime

F = FieldDescriptorProto
CONTRACT = ROOT / "adapters" / "core" / "src" / "schema" / "contract.binpb"
FORK = 48
"""The first number of a fork's own fields."""


def _build(name: str, change: Callable[[FileDescriptorProto], None]) -> Any:
    """Return a class of the contract with a change to each of its files."""
    files = DescriptorDatabase()
    files.Add(FileDescriptorProto.FromString(DESCRIPTOR.serialized_pb))  # the set has not the file that it is made of
    for file in FileDescriptorSet.FromString(CONTRACT.read_bytes()).file:
        if file.name != DESCRIPTOR.name:
            change(file)
            files.Add(file)
    pool = descriptor_pool.DescriptorPool(files)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"chatcompletion.v1.{name}"))


@cache
def _newer(name: str) -> Any:
    """Return a class of the contract with a number and a text in each choice, an object in a completion, and a new tier."""

    def change(file: FileDescriptorProto) -> None:
        for message in file.message_type:
            _grow(message)
        for enum in file.enum_type:
            if enum.name == "ServiceTier":
                enum.value.add(name="SERVICE_TIER_INSTANT", number=7)

    return _build(name, change)


def _grow(message: DescriptorProto) -> None:
    if message.name in ("ChatCompletionChoice", "ChatCompletionChunkChoice"):
        _add(message, "score", F.TYPE_DOUBLE, 40)
        _add(message, "fork_note", F.TYPE_STRING, FORK)
    if message.name in ("ChatCompletion", "ChatCompletionChunk"):
        _add(message, "extra_usage", F.TYPE_MESSAGE, 47, ".chatcompletion.v1.CompletionUsage")


def _add(message: DescriptorProto, name: str, kind: Any, number: int, type_name: str = "") -> None:
    field = message.field.add(name=name, number=number, type=kind, label=F.LABEL_OPTIONAL, proto3_optional=True)
    if type_name:
        field.type_name = type_name
    field.oneof_index = len(message.oneof_decl)
    message.oneof_decl.add(name=f"_{name}")
    message.field.sort(key=lambda each: each.number)


CHOICE = {"index": 0, "score": 0.5, "fork_note": "n", "x_vendor": {"b": 1, "a": 2}}
NEWER = {
    "ChatCompletion": {
        "id": "c",
        "extra_usage": {"total_tokens": 3},
        "choices": [{**CHOICE, "message": {"content": "a"}}],
    },
    "ChatCompletionChunk": {
        "id": "c",
        "extra_usage": {"total_tokens": 3},
        "choices": [{**CHOICE, "delta": {"content": "a"}}],
    },
}
each_type = pytest.mark.parametrize("name", NEWER)


def _wire(name: str) -> bytes:
    return chatpb.json_to_wire(json.dumps(NEWER[name]), _newer(name))


def _older(name: str) -> dict[str, Any]:
    document = json.loads(json.dumps(NEWER[name]))
    del document["extra_usage"], document["choices"][0]["score"], document["choices"][0]["fork_note"]
    return document  # type: ignore[no-any-return]


@each_type
@each_runtime
def test_objects_of_this_build_carry_what_they_do_not_know(name: str, runtime: str) -> None:
    message = generated_class(runtime, name)
    known = message_class(message)
    parsed = known.parse(_wire(name))
    again = known.serialize(parsed)
    assert json.loads(chatpb.wire_to_json(again, _newer(name))) == NEWER[name]
    with pytest.raises(chatpb.WireError, match="does not have"):
        chatpb.to_json(parsed)
    with pytest.raises(chatpb.WireError, match="does not have"):
        chatpb.to_dict(parsed)
    assert json.loads(chatpb.to_json(parsed, unknown_fields="skip")) == _older(name)
    view = chatpb.members(parsed)
    assert dict(view) == _older(name)
    view["id"] = "other"
    assert json.loads(chatpb.wire_to_json(known.serialize(parsed), _newer(name))) == {**NEWER[name], "id": "other"}


@each_type
@each_runtime
def test_a_newer_build_reads_what_this_one_writes(name: str, runtime: str) -> None:
    known = message_class(generated_class(runtime, name))
    wire = known.serialize(known.parse(chatpb.json_to_wire(json.dumps(NEWER[name]), generated_class(runtime, name))))
    assert json.loads(chatpb.wire_to_json(wire, _newer(name))) == NEWER[name]
    assert json.loads(chatpb.to_json(_newer(name).FromString(wire))) == NEWER[name]


@cache
def _fork(name: str) -> Any:
    """Return a class of a fork, which uses the first and the last number that is a fork's own in every message."""

    def change(file: FileDescriptorProto) -> None:
        for message in file.message_type:
            if any(field.name == "null_fields" for field in message.field):
                _add(message, "fork_first", F.TYPE_STRING, first_of_forks(message.name))
                message.field.add(name="fork_last", number=63, type=F.TYPE_INT64, label=F.LABEL_REPEATED)

    return _build(name, change)


FORKED: dict[str, dict[str, Any]] = {
    "values": {"fork_first": "a", "fork_last": [2**63 - 1, 0]},
    "null and empty": {"fork_first": None, "fork_last": []},
    "null twice": {"fork_first": None, "fork_last": None},
}


def _documents(fork: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return documents with the members of a fork in objects at each level, besides null, [] and open values of their own."""
    own = {"x_vendor": {"b": 1, "a": 2}, **fork}
    message = {"role": "assistant", "content": "a", "refusal": None, **own}
    return {
        "CreateChatCompletionRequest": {"model": "m", "messages": [message], "top_p": None, "tools": [], **own},
        "ChatCompletion": {"id": "c", "choices": [{"index": 0, "message": message, **own}], "usage": None, **own},
        "ChatCompletionChunk": {"id": "c", "choices": [{"index": 0, "delta": message, **own}], "usage": None, **own},
        "ErrorResponse": {"error": {"message": "m", "code": None, **own}, **own},
    }


def _without(value: Any, names: Iterable[str]) -> Any:
    """Return a JSON value without the members of these names, at any depth."""
    if isinstance(value, dict):
        return {name: _without(item, names) for name, item in value.items() if name not in names}
    return [_without(item, names) for item in value] if isinstance(value, list) else value


each_fork = pytest.mark.parametrize("fork", FORKED)
each_document = pytest.mark.parametrize("name", _documents({}))


@each_fork
@each_document
@each_runtime
def test_what_a_fork_sends_passes_through_this_build(fork: str, name: str, runtime: str) -> None:
    document = _documents(FORKED[fork])[name]
    known = message_class(generated_class(runtime, name))
    parsed = known.parse(chatpb.json_to_wire(json.dumps(document), _fork(name)))
    assert json.loads(chatpb.wire_to_json(known.serialize(parsed), _fork(name))) == document
    with pytest.raises(chatpb.WireError, match="does not have|names a field"):
        chatpb.to_json(parsed)
    upstream = _without(document, FORKED[fork])
    assert json.loads(chatpb.to_json(parsed, unknown_fields="skip")) == upstream
    view = chatpb.members(parsed)
    assert view == upstream
    edits = {"x_vendor": {"d": 1, "c": 2}, "x_other": 2**64}
    view.update(edits)
    assert json.loads(chatpb.wire_to_json(known.serialize(parsed), _fork(name))) == {**document, **edits}


@each_fork
@each_document
@each_runtime
def test_what_this_build_sends_is_typed_in_a_fork(fork: str, name: str, runtime: str) -> None:
    document = _documents(FORKED[fork])[name]
    known = message_class(generated_class(runtime, name))
    wire = known.serialize(known.parse(chatpb.json_to_wire(json.dumps(document), generated_class(runtime, name))))
    text = chatpb.wire_to_json(wire, _fork(name))
    assert json.loads(text) == document
    assert chatpb.json_to_wire(text, _fork(name)) == chatpb.json_to_wire(json.dumps(document), _fork(name))


def test_streams_pass_on_what_they_do_not_know() -> None:
    wire = _wire("ChatCompletionChunk")
    stream = chatpb.compact_stream([wire, wire])
    for chunk in chatpb.expand_stream(stream):
        chunk = chunk if isinstance(chunk, bytes) else chunk.SerializeToString()
        assert json.loads(chatpb.wire_to_json(chunk, _newer("ChatCompletionChunk"))) == NEWER["ChatCompletionChunk"]


PRINTERS: dict[str, Callable[..., Any]] = {
    "wire_to_json": lambda **o: chatpb.wire_to_json(_wire("ChatCompletion"), **o),
    "wire_to_json_lines": lambda **o: chatpb.wire_to_json_lines(
        len(_wire("ChatCompletion")).to_bytes(1, "little") + _wire("ChatCompletion"), **o
    ),
    "json_column": lambda **o: arrow.json_column(_column(_wire("ChatCompletion")), **o),
    "Accumulator": lambda **o: Accumulator(**o).add_wire(_wire("ChatCompletionChunk")),
    "split_wire": lambda **o: list(split_wire(_wire("ChatCompletion"), **o)),
    "write_chunk": lambda **o: write_chunk(_wire("ChatCompletionChunk"), **o),
    "known_json": lambda **o: known_json(_wire("ChatCompletion"), **{"unknown_fields": "error", **o}),
}


def _column(wire: bytes) -> Any:
    import pyarrow as pa

    return pa.array([wire], pa.binary())


@pytest.mark.parametrize("name", PRINTERS)
def test_what_prints_refuses_unless_it_is_told_to_skip(name: str) -> None:
    with pytest.raises(chatpb.WireError, match=r"does not have in this form; unknown_fields='skip' leaves it out"):
        PRINTERS[name]()
    PRINTERS[name](unknown_fields="skip")


@pytest.fixture
def forgotten() -> Iterator[None]:
    before = dict(_known_json._counts)
    _known_json._counts.clear()
    yield
    _known_json._counts.clear()
    _known_json._counts.update(before)


def test_each_field_is_logged_once_and_counted(forgotten: None, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "chatpb.unknown_fields")
    for _ in range(3):
        assert json.loads(known_json(_wire("ChatCompletion"))) == _older("ChatCompletion")
    assert unknown_field_counts() == {
        ("chatcompletion.v1.ChatCompletion", 47): 3,
        ("chatcompletion.v1.ChatCompletionChoice", 40): 3,
        ("chatcompletion.v1.ChatCompletionChoice", FORK): 3,
    }
    assert {record.getMessage().split(":")[0] for record in caplog.records} == {
        f"Field {number} of {name}" for name, number in unknown_field_counts()
    }
    assert len(caplog.records) == 3


def _put_together() -> bytes:
    accumulator = Accumulator()
    for _ in range(2):
        add_known(accumulator, _wire("ChatCompletionChunk"))
    return accumulator.to_json()


def _kept() -> bytes:
    stream = v1.ChatCompletionStream.FromString(chatpb.compact_stream([_wire("ChatCompletionChunk")] * 2))
    completion = Record(v1.ChatCompletionRecord(stream=stream).SerializeToString()).completion
    return chatpb.to_json(completion)


STREAMS: dict[str, tuple[Callable[[], object], str, int]] = {
    "put together": (_put_together, "ChatCompletionChunk", 2),
    "kept in a record": (_kept, "ChatCompletionChunk", 2),
    "split": (lambda: list(split_known(_wire("ChatCompletion"))), "ChatCompletion", 1),
}


@pytest.mark.parametrize("name", STREAMS)
def test_what_services_and_storage_make_of_streams_is_counted(name: str, forgotten: None) -> None:
    convert, message, count = STREAMS[name]
    convert()
    fields = {(message, 47), (f"{message}Choice", 40), (f"{message}Choice", FORK)}
    assert unknown_field_counts() == {(f"chatcompletion.v1.{name}", number): count for name, number in fields}


def test_an_accumulator_that_counts_refuses_what_is_no_chunk() -> None:
    accumulator = Accumulator()
    with pytest.raises(chatpb.WireError):
        add_known(accumulator, b"\x0a\x05a")
    assert accumulator.to_dict() == Accumulator().to_dict()


def test_a_hostile_sender_fills_neither_the_log_nor_the_counts(
    forgotten: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "chatpb.unknown_fields")
    for number in range(1000, 3000, 2):
        fields = [v1.ChatCompletion.FromString(b"").SerializeToString()]
        fields += [_varint(each << 3) + b"\x00" for each in (number, number + 1)]
        known_json(b"".join(fields))
    assert len(unknown_field_counts()) == len(caplog.records) == 257
    assert unknown_field_counts()["", 0] == 2000 - 256


def test_null_bits_of_fields_that_are_not_known_are_counted(forgotten: None) -> None:
    wire = chatpb.json_to_wire('{"extra_usage":null}', _newer("ChatCompletion"))
    with pytest.raises(chatpb.WireError, match="null_fields names a field"):
        chatpb.wire_to_json(wire)
    assert known_json(wire) == b"{}"
    assert unknown_field_counts() == {("chatcompletion.v1.ChatCompletion", 47): 1}


def test_a_new_value_of_an_enum_prints_as_its_number() -> None:
    newer = _newer("ChatCompletion")
    wire = newer(service_tier=7).SerializeToString()
    assert chatpb.wire_to_json(wire, newer) == b'{"service_tier":"instant"}'
    assert chatpb.wire_to_json(wire) == b'{"service_tier":7}'


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
