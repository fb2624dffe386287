"""`chatpb check`: files and folders, the tables of counts, and reports of documents that are bad or lost."""

from __future__ import annotations

import gzip
import json
import re
import sys
from types import ModuleType
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor

import chatpb
from chatpb import ChatCompletion, _runtimes
from chatpb._contract.documents import DOCUMENTS
from chatpb.cli import _round_trip
from chatpb.cli._demo_documents import DEMO_DOCUMENTS
from tests.cli.command_line import run, write

LINES = [json.dumps(json.loads(text)) for text in DEMO_DOCUMENTS.values()]


def test_tables() -> None:
    write("all.jsonl", "\n\n".join(LINES))
    result = run("check", "all.jsonl", write("more/one.json", DEMO_DOCUMENTS["error"]))
    assert (result.exit_code, result.stderr) == (0, "")
    cells = [re.split(r"\s{2,}|(?<=[\d.])\s+", line.strip()) for line in result.stdout.splitlines()]
    named = [row for row in cells if row[0] in ("all.jsonl", "one.json", "total of 2")]
    assert [row[:4] for row in named[:3]] == [
        ["all.jsonl", "4", "0", "0"],
        ["one.json", "1", "0", "0"],
        ["total of 2", "5", "0", "0"],
    ]
    assert named[5] == ["total of 2", "60", "10", "1", "4", "1"]
    assert result.stdout.endswith("Violations of the contract\n1 enum\n  /service_tier (1)\n")
    assert "Types: 2 ErrorResponse, 1 ChatCompletion, 1 ChatCompletionChunk" in result.stdout


@pytest.mark.parametrize("width", [60, 80, 120])
def test_tables_fit_and_paths_lose_their_middle(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    names = [write(f"{'folder' * 12}-{each}-recorded.jsonl", "\n".join(LINES)) for each in "ab"]
    lines = run("check", *names).stdout.splitlines()
    assert max(map(len, lines)) <= width
    rows = [line for line in lines if line.startswith("fol") or line.startswith("fo\u2026")]
    assert len(rows) == 4
    assert all(re.match(r"[folder]+\u2026\S*d?\.?jsonl ", row) for row in rows), rows


def test_bad_lines_are_counted_and_stop_nothing() -> None:
    write("in.jsonl", "\n".join([LINES[0], '{"id": 1,}', "", "[]", LINES[1], '{"id": "a", "id": "b"}']))
    result = run("check", "in.jsonl", "--json")
    problems = [
        "in.jsonl:2:10: expected the name of a member, in double quotes",
        "in.jsonl:4:1: a document is a JSON object; this is something else",
        "in.jsonl:6:13: a second member of this name; JSON objects here have each name once, in /id",
    ]
    assert result.exit_code == 1
    assert result.stderr.splitlines() == problems
    found = json.loads(result.stdout)
    assert (found["documents"], found["lost"], found["unreadable"]) == (5, 0, 3)
    assert found["problems"] == problems
    assert found["files"].keys() == {"in.jsonl"}


def test_fail_fast() -> None:
    result = run("check", write("in.jsonl", "{\n{\n"), "--fail-fast")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "in.jsonl:1:2: unexpected end of the text",
        "chatpb: stopped at the first bad record",
    ]


def test_values_are_never_printed() -> None:
    secret = "hunter2"
    lines = [
        json.dumps({"choices": secret, "object": secret, "x": [secret, {"y": secret}], "created": secret}),
        f'{{"id": "{secret}", "model": {secret}}}',
        f'{{"metadata": {{"k": "{secret}"}}, "id": NaN}}',
    ]
    result = run("check", write("in.jsonl", "\n".join(lines)))
    assert result.exit_code == 1
    assert secret not in result.output


def test_loss_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    from chatpb import wire_to_json

    def lossy(*args: Any, **options: Any) -> bytes:
        return wire_to_json(*args, **options).replace(b"429", b"430")

    monkeypatch.setattr(_round_trip, "wire_to_json", lossy)
    result = run("check", write("in.jsonl", "\n".join(LINES)), "--json")
    assert result.exit_code == 1
    assert result.stderr == "in.jsonl:4: lost: /error/code differs after wire bytes\n"
    assert json.loads(result.stdout)["lost"] == 1


def test_defect_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **options: Any) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(_round_trip, "wire_to_json", broken)
    result = run("check", write("in.json", "{}"))
    assert (result.exit_code, result.stderr) == (1, "in.json: lost: ZeroDivisionError on the way\n")


def test_folders_gzip_and_standard_input() -> None:
    write("data/one.json", DEMO_DOCUMENTS["error"])
    write("data/two.jsonl.gz", gzip.compress("\n".join(LINES).encode()))
    write("data/README.md", "not JSON")
    result = run(
        "check", "data", "-", "--json", "--runtime", "google", "--runtime", "betterproto", input=LINES[0].encode()
    )
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert {name: file["documents"] for name, file in found["files"].items()} == {
        "data/one.json": 1,
        "data/two.jsonl.gz": 4,
        "stdin": 1,
    }
    assert found["runtimes"] == ["google", "betterproto"]


def test_the_classes_of_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registered runtime has no name, and its classes are where its users put them."""
    kept: list[bytes] = []

    class Sealed:
        def __init__(self, wire: bytes) -> None:
            self.wire = wire

    class SealedRuntime:
        def owns(self, message_type: type) -> bool:
            return message_type is Sealed

        def descriptor(self, message_type: type) -> Descriptor:
            return ChatCompletion.DESCRIPTOR

        def parse(self, message_type: type[Sealed], wire: bytes) -> Sealed:
            kept.append(wire)
            return message_type(b"\n\x01d" if wire == b"\n\x01c" else wire)

        def serialize(self, message: Sealed) -> bytes:
            return message.wire

    module = ModuleType("sealed_classes")
    module.ChatCompletion = Sealed  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(_runtimes, "_registered", [])
    chatpb.register_runtime(SealedRuntime())
    result = run(
        "check", write("in.jsonl", '{"id":"c"}\n{"id":"e"}\n'), "--type", "completion", "--runtime", module.__name__
    )
    assert kept == [b"\n\x01c", b"\n\x01e"]
    assert (result.exit_code, result.stderr) == (1, "in.jsonl:1: lost: /id differs after objects of sealed_classes\n")


@pytest.mark.parametrize("name", ["", "nowhere", "json", "chatpb.streams"])
def test_what_is_no_runtime_is_refused(name: str) -> None:
    result = run("check", write("in.json", "{}"), "--runtime", name)
    assert result.exit_code == 2
    assert f"{name} is none of google, betterproto, protobuf-py, nor a module of a runtime's classes: " in result.stderr


def test_type_and_nonfinite() -> None:
    result = run(
        "check", write("in.json", '{"temperature": NaN}'), "--type", "request", "--nonfinite", "allow", "--json"
    )
    found = json.loads(result.stdout)
    assert (result.exit_code, found["types"]) == (0, {"CreateChatCompletionRequest": 1})
    assert DOCUMENTS["request"].DESCRIPTOR.name in found["types"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["none.json"], "chatpb check: Invalid value for FILES: none.json does not exist"),
        (["in.binpb"], "chatpb check: Invalid value for FILES: in.binpb is neither .json, .jsonl, .db nor .parquet"),
        (["bare"], "chatpb check: Invalid value for FILES: bare has no .json, .jsonl or .parquet files in it"),
        ([], "chatpb check: Missing argument 'FILES...'."),
    ],
    ids=["missing", "binary", "folder", "none"],
)
def test_usage(args: list[str], message: str) -> None:
    write("bare/in.binpb", b"")
    write("in.binpb", b"")
    result = run("check", *args)
    assert (result.exit_code, result.stdout, result.stderr.splitlines()[0]) == (2, "", message)
