"""`chatpb check`: the law over files, counts, and what is said of bad ones."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from chatpb._detect import ROOTS
from chatpb._records import Format, Record
from chatpb.cli import _survey
from chatpb.cli._app import app
from chatpb.cli._samples import SAMPLES
from chatpb.cli._survey import Survey, difference, examine, load

LINES = [json.dumps(json.loads(text)) for text in SAMPLES.values()]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: str, input: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["check", *args], input=input, prog_name="chatpb")


def write(name: str, data: str | bytes) -> str:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_bytes(data.encode() if isinstance(data, str) else data)
    return name


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}, None),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, None),
        (1.0, 1, None),
        (1, 1.0, ""),
        (2**53 + 1, 2**53 + 1, None),
        (2**53 + 1, 2**53, ""),
        (1, True, ""),
        (0.0, -0.0, ""),
        (-0.0, 0, ""),
        (math.nan, math.nan, None),
        (math.inf, math.inf, None),
        (None, {}, ""),
        ([], {}, ""),
        ({"a": None}, {}, "/a"),
        ({}, {"a/b": 1}, "/a~1b"),
        ({"a": [[0], [1]]}, {"a": [[0], [1, 2]]}, "/a/1"),
        ({"a": [{"b": "x"}]}, {"a": [{"b": "y"}]}, "/a/0/b"),
    ],
)
def test_difference(before: Any, after: Any, path: str | None) -> None:
    assert difference(before, after) == path


def test_integers_of_any_length_are_exact() -> None:
    digits = "7" * 5000
    assert difference(load(digits.encode()), load(f"{digits[:-1]}8".encode())) == ""
    assert difference(load(digits.encode()), load(digits.encode())) is None


def test_counts() -> None:
    survey = Survey()
    record = Record("sample", Format.JSON, 1, SAMPLES["completion"].encode())
    assert list(examine([record], survey, None, ("google", "betterproto"))) == [""]
    assert survey.as_json() | {"wire_bytes": 0, "ratio": 0} == {
        "documents": 1,
        "lost": 0,
        "unreadable": 0,
        "json_bytes": len(json.dumps(json.loads(record.data), separators=(",", ":"), ensure_ascii=False).encode()),
        "wire_bytes": 0,
        "ratio": 0,
        "types": {"ChatCompletion": 1},
        "homes": {"typed": 21, "null": 4, "empty": 1, "additional": 2, "verbatim": 1},
        "violations": {"enum": {"count": 1, "paths": {"/service_tier": 1}}},
    }


def test_tables() -> None:
    write("all.jsonl", "\n\n".join(LINES))
    result = run("all.jsonl", write("more/one.json", SAMPLES["error"]))
    assert (result.exit_code, result.stderr) == (0, "")
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.stdout.splitlines() if "│" in line]
    assert [row[:4] for row in cells[:3]] == [
        ["all.jsonl", "4", "0", "0"],
        ["one.json", "1", "0", "0"],
        ["total of 2", "5", "0", "0"],
    ]
    assert cells[5] == ["total of 2", "57", "9", "1", "8", "1"]
    assert cells[6:] == [["type", "2", "/error/code (2)"], ["enum", "1", "/service_tier (1)"]]
    assert "Types: 2 ErrorResponse, 1 ChatCompletion, 1 ChatCompletionChunk" in result.stdout


def test_bad_lines_are_counted_and_stop_nothing() -> None:
    write("in.jsonl", "\n".join([LINES[0], '{"id": 1,}', "", "[]", LINES[1], '{"id": "a", "id": "b"}']))
    result = run("in.jsonl", "--json")
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
    result = run(write("in.jsonl", "{\n{\n"), "--fail-fast")
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
    result = run(write("in.jsonl", "\n".join(lines)))
    assert result.exit_code == 1
    assert secret not in result.output


def test_loss_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from chatpb import wire_to_json

    def lossy(*args: Any, **options: Any) -> bytes:
        return wire_to_json(*args, **options).replace(b"429", b"430")

    monkeypatch.setattr(_survey, "wire_to_json", lossy)
    result = run(write("in.jsonl", "\n".join(LINES)), "--json")
    assert result.exit_code == 1
    assert result.stderr == "in.jsonl:4: lost: /error/code differs after wire bytes\n"
    assert json.loads(result.stdout)["lost"] == 1


def test_defect_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **options: Any) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(_survey, "wire_to_json", broken)
    result = run(write("in.json", "{}"))
    assert (result.exit_code, result.stderr) == (1, "in.json: lost: ZeroDivisionError on the way\n")


def test_folders_gzip_and_standard_input() -> None:
    write("data/one.json", SAMPLES["error"])
    write("data/two.jsonl.gz", gzip.compress("\n".join(LINES).encode()))
    write("data/README.md", "not JSON")
    result = run("data", "-", "--json", "--runtime", "google", "--runtime", "betterproto", input=LINES[0].encode())
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert {name: file["documents"] for name, file in found["files"].items()} == {
        "data/one.json": 1,
        "data/two.jsonl.gz": 4,
        "stdin": 1,
    }
    assert found["runtimes"] == ["google", "betterproto"]


def test_type_and_nonfinite() -> None:
    result = run(write("in.json", '{"temperature": NaN}'), "--type", "request", "--nonfinite", "allow", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["types"]) == (0, {"CreateChatCompletionRequest": 1})
    assert ROOTS["request"].DESCRIPTOR.name in found["types"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["none.json"], "chatpb check: Invalid value for FILES: none.json does not exist"),
        (["in.binpb"], "chatpb check: Invalid value for FILES: in.binpb is neither .json nor .jsonl"),
        (["bare"], "chatpb check: Invalid value for FILES: bare has no .json or .jsonl files in it"),
        ([], "chatpb check: Missing argument 'FILES...'."),
    ],
    ids=["missing", "binary", "folder", "none"],
)
def test_usage(args: list[str], message: str) -> None:
    write("bare/in.binpb", b"")
    write("in.binpb", b"")
    result = run(*args)
    assert (result.exit_code, result.stdout, result.stderr.splitlines()[0]) == (2, "", message)
