"""The golden vectors: each rule of the mapping, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path

from google.protobuf import text_format

import chatpb
import make_vectors
from chatpb._runtimes import runtime_of
from conftest import ALL_VECTORS, JSON_VECTORS, VECTORS, Vector, betterproto_type, by_name, exactly_equal


@by_name(JSON_VECTORS)
def test_json_gives_the_wire_bytes(vector: Vector) -> None:
    assert vector.input is not None
    assert chatpb.json_to_wire(vector.input, vector.type) == vector.wire


@by_name(ALL_VECTORS)
def test_wire_bytes_give_the_json(vector: Vector) -> None:
    assert chatpb.wire_to_json(vector.wire, vector.type) == vector.expected


@by_name(JSON_VECTORS)
def test_the_json_is_equal_to_the_input(vector: Vector) -> None:
    assert vector.input is not None
    assert exactly_equal(json.loads(vector.expected), json.loads(vector.input))


@by_name(ALL_VECTORS)
def test_google_protobuf_reads_the_same(vector: Vector) -> None:
    message = vector.type.FromString(vector.wire)
    assert json.loads(chatpb.to_json(message)) == json.loads(vector.expected)
    text = (VECTORS / vector.name / "message.txtpb").read_text()
    if "unknown" not in vector.name and "wire-type" not in vector.name:
        # Protobuf text holds no unknown fields, so they are the only thing that it may lack.
        assert text_format.Parse(text, vector.type()) == message


@by_name(JSON_VECTORS)
def test_betterproto_reads_the_same(vector: Vector) -> None:
    assert vector.input is not None
    message = chatpb.from_json(vector.input, betterproto_type(vector.message))
    assert json.loads(chatpb.to_json(message)) == json.loads(vector.expected)
    assert runtime_of(type(message)).serialize(message) == vector.wire


@by_name(JSON_VECTORS)
def test_canonical_bytes_are_those_of_deterministic_serialization(vector: Vector) -> None:
    assert vector.input is not None
    wire = chatpb.json_to_wire(vector.input, vector.type, canonical=True)
    assert vector.type.FromString(wire).SerializeToString(deterministic=True) == wire
    # Canonical spelling of verbatim texts aside, it is the same message.
    if b"verbatim_properties" not in (VECTORS / vector.name / "message.txtpb").read_bytes():
        assert vector.type.FromString(vector.wire) == vector.type.FromString(wire)


def test_the_files_are_what_the_table_gives(tmp_path: Path) -> None:
    make_vectors.write(tmp_path)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    kept = {path.relative_to(VECTORS): path.read_bytes() for path in VECTORS.rglob("*") if path.is_file()}
    assert made == kept
