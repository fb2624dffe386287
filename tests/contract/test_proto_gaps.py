"""What the source of a .proto file lacks, found and added: the engines take what is complete, and nothing else changes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

import chatpb
from chatpb import ProtoError, complete_proto, proto_gaps
from chatpb._contract.proto_source import read_proto
from chatpb._contract.schema import require_mappable
from tests.engine.engines import ENGINES
from tests.support import ROOT

HOMES = "the home fields, which hold any member"
PRESENCE = "needs `optional`: without it, zero and absent are one"


def gaps(source: str, *envelopes: str) -> list[tuple[int, str, str, bool]]:
    return [(each.line, each.name, each.reason, each.is_fixable) for each in proto_gaps(source, envelopes)]


def compile_source(source: str, folder: Path) -> DescriptorPool:
    """Return a pool with the file."""
    for name in "chatcompletion/v1/options.proto", "google/api/field_behavior.proto":
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(chatpb.proto_path() / name, folder / name)
    (folder / "t.proto").write_text(source)
    buf = shutil.which("buf", path=str(Path(sys.executable).parent)) or shutil.which("buf")
    assert buf
    ran = subprocess.run([buf, "build", "-o", "t.binpb"], cwd=folder, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString((folder / "t.binpb").read_bytes()).file:
        pool.Add(file)
    return pool


FIXABLE = {
    "an empty message": 'syntax = "proto3";\npackage t;\nmessage M {}\n',
    "one line": 'syntax = "proto3"; package t; message M { int32 a = 1; }',
    "scalars": """syntax = "proto3";
package t;

import "google/protobuf/struct.proto";

// The first.
message M {
  string a = 1;  // an end; message X { int32 y = 1; }
  /* int32 b = 2; */ bytes c = 0x3;
  repeated double d = 4 [packed = true];
  optional int64 e = 05;
  oneof f {
    bool g = 6;
    M h = 7;
  }
  map < string , int32 > i = 8;
  N n = 9;
  E o = 10;
  string optional = 11;
  enum E {
    option allow_alias = true;
    E_UNSPECIFIED = 0;
    E_A = 1;
    E_B = 1;
  }
  reserved 20, 30 to 40;
  reserved "old";
  message N {
    uint64 message = 1;
    message P {
      double option = 1 [json_name = "a;}"];
    }
  }
}
""",
    "options": """syntax = "proto3";
package t;
import "chatcompletion/v1/options.proto";
import "google/api/field_behavior.proto";
message M {
  string a = 1 [(chatcompletion.v1.json_form) = JSON_FORM_TEXT];
  bytes b = 2 [
    (chatcompletion.v1.json_form) = JSON_FORM_BYTE_ARRAY,
    (google.api.field_behavior) = REQUIRED
  ];
  Rows rows = 3;
}
message Rows {
  repeated Row items = 1;
}
message Row {
  repeated string items = 1;
}
""",
    "proto2": 'syntax = "proto2";\npackage t;\nmessage M {\n\trequired string a = 1;\n\toptional int32 b = 2;\n}\n',
    "no syntax": "package t;\nmessage M {\n  optional string a = 1;\n}\n",
    "an edition": 'edition = "2023";\npackage t;\nmessage M {\n  string a = 1;\n}\n',
    "Windows": 'syntax = "proto3";\r\npackage t;\r\nmessage M {\r\n  string a = 1;\r\n}\r\n',
    "some homes": """syntax = "proto3";
package t;
import "google/protobuf/struct.proto";
message M {
  uint64 null_fields = 14;
  google.protobuf.Struct additional_properties = 15;
}
""",
}
"""Sources whose gaps can all be filled."""


@pytest.mark.newest  # buf comes with the extra `dev`
@pytest.mark.parametrize("source", FIXABLE.values(), ids=FIXABLE)
def test_what_can_be_added_makes_a_contract_that_the_engines_take(source: str, tmp_path: Path) -> None:
    assert proto_gaps(source)
    assert all(gap.is_fixable for gap in proto_gaps(source))
    completed = complete_proto(source)
    assert proto_gaps(completed) == []
    assert complete_proto(completed) == completed
    message = compile_source(completed, tmp_path).FindMessageTypeByName("t.M")
    require_mappable(message)
    value = {"a": "1", "x": [1, {"y": None}], "n": {"message": 0, "z": 2**64}, "b": [0, 255]}
    for engine in ENGINES.values():
        codec = engine.codec(message)
        wire = codec.json_to_wire(json.dumps(value), False, False)
        assert json.loads(codec.wire_to_json(wire, False, True, False)) == value
    # Nothing is removed but space.
    characters = iter(completed)
    assert all(character in characters for character in source if not character.isspace())
    assert ("\r\n" in completed) == ("\r\n" in source)
    assert completed.count("\r\n") in (0, completed.count("\n"))


LEFT = {
    "float": ("float a = 1;", "M.a", "has the type float, which the mapping does not know: use double"),
    "an array of floats": ("repeated float a = 1;", "M.a",
                           "has the type float, which the mapping does not know: use double"),
    "a map of fixed32": ("map<string, fixed32> a = 1;", "M.a",
                         "has the type fixed32, which the mapping does not know: use uint32"),
    "keys": ("map<int32, string> a = 1;", "M.a", "has keys of type int32, and the names of JSON members are strings"),
    "number": ("optional string a = 64;", "M.a", "has the number 64, and null bits go to 63"),
    "a timestamp": ("google.protobuf.Timestamp a = 1;", "M.a",
                    "has the type google.protobuf.Timestamp, whose JSON form the mapping does not know: use a string "
                    "with the option json_form = JSON_FORM_TEXT, or a message of your own"),
    "a taken number": ("M a = 14;", "M.a", "has the number 14, which null_fields needs: give it another"),
    "a home of another number": ("uint64 null_fields = 20;", "M.null_fields", "must be uint64 and have the number 14"),
    "a home of another type": ("string null_fields = 14;", "M.null_fields", "must be uint64 and have the number 14"),
    "a reserved number": ("reserved 2, 10 to 15;", "M", "reserves the number 13, which empty_fields needs"),
    "all numbers reserved": ("reserved 5 to max;", "M", "reserves the number 16, which verbatim_properties needs"),
    "extensions": ("extensions 16;", "M", "reserves the number 16, which verbatim_properties needs"),
}  # fmt: skip
"""A statement of a message, of what something is missing that cannot be added, and the reason."""


@pytest.mark.parametrize(("statement", "name", "reason"), LEFT.values(), ids=LEFT)
def test_what_cannot_be_added_is_listed(statement: str, name: str, reason: str) -> None:
    source = f'syntax = "proto3";\nmessage M {{\n  {statement}\n}}\n'
    line = 2 if name == "M" else 3
    assert (line, name, reason, False) in gaps(source)
    assert (name, reason, False) in [found[1:] for found in gaps(complete_proto(source))]


def test_gaps_come_with_their_places() -> None:
    source = (
        'syntax = "proto3";\n\nmessage M {\n  message N {}\n  oneof o {\n    string a = 1;\n  }\n  int32 b = 2;\n}\n'
    )
    assert [str(gap) for gap in proto_gaps(source)] == [
        "1:19: lacks the import of google/protobuf/struct.proto",
        f"3:1: M: lacks {HOMES}",
        f"8:3: M.b: {PRESENCE}",
        f"4:3: M.N: lacks {HOMES}",
    ]


def test_an_envelope_needs_no_homes() -> None:
    source = 'syntax = "proto3";\nmessage M {\n  optional string a = 1;\n  message N {}\n}\n'
    assert gaps(source, "M", "M.N") == []
    assert complete_proto(source, ["M", "M.N"]) == source
    assert [found[1] for found in gaps(source, "M")] == ["", "M.N"]
    # It either has all homes or none.
    assert [found[1] for found in gaps(source.replace("a = 1", "a = 13"), "M", "M.N")] == ["M.a", "M"]


def test_the_contract_itself_lacks_nothing() -> None:
    for path in (chatpb.proto_path() / "chatcompletion").rglob("*.proto"):
        assert proto_gaps(path.read_text()) == [], path


BROKEN = {
    "no end": ("message M {\n  int32 a = 1;", 'expected a field, not the end of the file at line 2, column 15'),
    "no semicolon": ("message M { int32 a = 1 }", 'expected ";", not the end of the file at line 1, column 26'),
    "no number": ("message M { int32 a; }", 'expected "=", not ";" at line 1, column 20'),
    "no name": ("message { }", 'expected the name of a message, not "{" at line 1, column 9'),
    "an open comment": ("message M { /* }", 'expected a field, not "/" at line 1, column 13'),
    "an open string": ('import "a\n;', 'a string without an end at line 1, column 8'),
    "deep": ("message M {" * 33, "messages nested deeper than 32 levels at line 1, column 353"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "error"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_source_is_refused(source: str, error: str) -> None:
    for function in proto_gaps, complete_proto:
        with pytest.raises(ProtoError) as raised:
            function(source)
        assert str(raised.value) == error


FILES = [
    "chatcompletion.v1.chat_completion_pb2",
    "chatcompletion.v1.chat_completion_request_pb2",
    "chatcompletion.v1.options_pb2",
    "chatcompletion.v1.tool_pb2",
    "google.api.http_pb2",
    "google.api.client_pb2",
    "google.rpc.error_details_pb2",
    "google.type.date_pb2",
]


@pytest.mark.parametrize("module", FILES)
def test_the_reader_reads_what_protoc_reads(module: str) -> None:
    """Names, numbers and labels of all fields, in files with every kind of statement."""
    file = FileDescriptorProto.FromString(import_module(module).DESCRIPTOR.serialized_pb)
    sources = [ROOT / "proto", *map(Path, sys.path)]
    path = next(folder / file.name for folder in sources if (folder / file.name).exists())
    read = read_proto(path.read_text(encoding="utf-8"))
    found = {each.name: sorted((f.name, f.number, f.label == "repeated" or bool(f.key)) for f in each.fields)
             for each in read.messages}  # fmt: skip
    assert found == dict(_fields(file.message_type, ""))
    assert (read.package, read.imports) == (file.package, list(file.dependency))


def _fields(messages: Iterable[DescriptorProto], scope: str) -> Iterator[tuple[str, list[tuple[str, int, bool]]]]:
    for message in messages:
        if message.options.map_entry:
            continue
        name = scope + message.name
        yield name, sorted((f.name, f.number, f.label == f.LABEL_REPEATED) for f in message.field)
        yield from _fields(message.nested_type, f"{name}.")
