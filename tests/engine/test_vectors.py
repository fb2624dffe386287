"""The golden vectors: each rule of the mapping, byte for byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import text_format
from google.protobuf.message import Message

import chatpb
from chatpb._runtimes import generated_class, runtime_of
from tests import make_core_cases, make_vectors
from tests.support import (
    ALL_VECTORS,
    JSON_VECTORS,
    REORDERS_MAPS,
    ROOT,
    THOROUGH,
    VECTORS,
    Vector,
    by_name,
    each_runtime,
    exactly_equal,
)

TYPED_MAPS = {"map-strings", "map-integers", "map-arrays", "record-completion"}
"""The vectors with entries of maps that are typed fields: the order of these is the runtime's."""


@by_name(JSON_VECTORS)
def test_json_gives_the_wire_bytes(vector: Vector) -> None:
    assert vector.input is not None
    assert chatpb.json_to_wire(vector.input, vector.type) == vector.wire


@by_name(ALL_VECTORS)
def test_wire_bytes_give_the_json(vector: Vector) -> None:
    assert chatpb.wire_to_json(vector.wire, vector.type, unknown_fields="skip") == vector.expected


@by_name(JSON_VECTORS)
def test_the_json_is_equal_to_the_input(vector: Vector) -> None:
    assert vector.input is not None
    assert exactly_equal(json.loads(vector.expected), json.loads(vector.input))


@by_name(ALL_VECTORS)
def test_google_protobuf_reads_the_same(vector: Vector) -> None:
    message = vector.type.FromString(vector.wire)
    assert json.loads(chatpb.to_json(message, unknown_fields="skip")) == json.loads(vector.expected)
    text = (VECTORS / vector.name / "message.txtpb").read_text()
    if "unknown" not in vector.name and "wire-type" not in vector.name:
        # Protobuf text cannot hold unknown fields. Nothing else may be missing from it.
        assert text_format.Parse(text, vector.type()) == message


@each_runtime
@by_name(JSON_VECTORS)
def test_objects_of_every_runtime_hold_the_document(vector: Vector, runtime: str) -> None:
    assert vector.input is not None
    message = chatpb.from_json(vector.input, generated_class(runtime, vector.message))
    if vector.name in TYPED_MAPS and runtime in REORDERS_MAPS:
        assert json.loads(chatpb.to_json(message)) == json.loads(vector.expected)
    else:
        assert chatpb.to_json(message) == vector.expected
    if runtime not in REORDERS_MAPS:
        assert runtime_of(type(message)).serialize(message) == vector.wire


@each_runtime
@by_name(ALL_VECTORS)
def test_objects_of_every_runtime_hold_what_other_writers_write(vector: Vector, runtime: str) -> None:
    message_type = generated_class(runtime, vector.message)
    message = runtime_of(message_type).parse(message_type, vector.wire)
    if (runtime, vector.name) == ("betterproto", "encoding-other-wire-type"):
        # Its parser takes the integer as the value of the field, which is a string.
        with pytest.raises(AttributeError):
            chatpb.to_json(message, unknown_fields="skip")
        return
    assert json.loads(chatpb.to_json(message, unknown_fields="skip")) == json.loads(vector.expected)


@by_name(JSON_VECTORS)
def test_canonical_bytes_are_those_of_deterministic_serialization(vector: Vector) -> None:
    assert vector.input is not None
    wire = chatpb.json_to_wire(vector.input, vector.type, canonical=True)
    assert vector.type.FromString(wire).SerializeToString(deterministic=True) == wire
    # It is the same message but for the order of open members, unless canonical form respells a verbatim text.
    if b"verbatim_properties" not in (VECTORS / vector.name / "message.txtpb").read_bytes():
        message = vector.type.FromString(vector.wire)
        clear_order(message)
        assert message == vector.type.FromString(wire)


def clear_order(message: Message) -> None:
    for field, value in message.ListFields():
        if field.name == "member_order":
            message.ClearField("member_order")
        elif isinstance(value, Message):
            clear_order(value)
        elif field.message_type and not field.message_type.GetOptions().map_entry:
            for item in value:
                clear_order(item)


def test_the_files_are_what_the_table_gives(tmp_path: Path) -> None:
    make_vectors.write(tmp_path)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    kept = {path.relative_to(VECTORS): path.read_bytes() for path in VECTORS.rglob("*") if path.is_file()}
    assert made == kept


@pytest.mark.newest
@pytest.mark.skipif(not THOROUGH, reason="takes long: CHATPB_THOROUGH=1 runs it")
def test_the_cases_of_the_core_are_what_the_reference_gives(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.make_core_cases", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    for path in make_core_cases.FOLDER.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), f"{path}: python -m tests.make_core_cases"
