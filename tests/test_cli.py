"""The command line as a whole: `inspect`, `demo`, `--version`, and what it does without its extra."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import chatpb
from chatpb import json_to_wire
from chatpb._detect import ROOTS
from chatpb._engine import description
from chatpb.cli._app import app
from chatpb.cli._samples import SAMPLES


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: str) -> Result:
    return CliRunner().invoke(app, args, prog_name="chatpb")


def write(name: str, data: str | bytes) -> str:
    Path(name).write_bytes(data.encode() if isinstance(data, str) else data)
    return name


def test_inspect() -> None:
    text = '{"error": {"message": "a\\u001b[31mb", "param": null, "n": 9007199254740993}, "x": []}'
    result = run("inspect", write("in.json", text))
    assert (result.exit_code, result.stderr) == (0, "")
    size = len(json_to_wire(text, chatpb.ErrorResponse))
    shown = [line.rstrip() for line in result.stdout.splitlines()]
    assert shown[:2] == ["in.json", f"chatcompletion.v1.ErrorResponse  {size} B, 77 B as JSON"]
    assert sorted(shown[2:-3]) == sorted(
        [
            "├── error  ErrorObject  37 B",
            '│   ├── message  string  "a\\u001b[31mb"  9 B',
            "│   ├── param  null bit",
            "│   └── n  verbatim  9007199254740993  24 B",
            "└── x  additional  []  9 B",
        ]
    )
    assert [shown[-3], *sorted(shown[-2:])] == [
        "2 violations of the contract",
        "  /error/code: code is missing [required]",
        "  /error/type: type is missing [required]",
    ]


@pytest.mark.parametrize("name", SAMPLES)
def test_inspect_binary_without_values(name: str) -> None:
    wire = json_to_wire(SAMPLES[name], ROOTS[name])
    result = run("inspect", write("in.binpb", wire), "--type", name, "--no-values")
    assert result.exit_code == 0
    assert f"  {len(wire):,} B" in result.stdout.splitlines()[1]
    assert "example" not in result.stdout


def test_inspect_without_values_and_with_limit() -> None:
    write("in.jsonl", '{"id": "secret", "x": "secret"}\n{\n{"id": "secret"}\n{}\n')
    result = run("inspect", "in.jsonl", "--limit", "3", "--no-values", "--type", "completion")
    assert result.exit_code == 1
    assert result.stderr == "in.jsonl:2:2: unexpected end of the text\n"
    assert [line for line in result.stdout.splitlines() if line.startswith("in.jsonl")] == ["in.jsonl:1", "in.jsonl:3"]
    assert "secret" not in result.stdout


def test_demo() -> None:
    result = run("demo", "--all")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("equal to what went in") == len(SAMPLES)
    assert "NOT" not in result.stdout
    assert "Nothing was lost, through wire bytes and through objects of google" in result.stdout


def test_version() -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("chatpb ")
    assert f"({description()} engine, protobuf " in result.stdout


def test_no_command_shows_help() -> None:
    result = run()
    assert (result.exit_code, "convert" in result.stdout) == (0, True)


@pytest.mark.parametrize("args", [["nonsense"], ["--nonsense"]])
def test_usage(args: list[str]) -> None:
    result = run(*args)
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (2, "Try 'chatpb --help'.")
    assert result.stderr.startswith("chatpb: No such ")


WITHOUT = """
import sys
sys.modules[{module!r}] = None
import chatpb.cli
sys.argv = ["chatpb", "demo"]
chatpb.cli.main()
"""


@pytest.mark.parametrize("module", ["typer", "rich"])
def test_without_the_extra(module: str) -> None:
    result = subprocess.run([sys.executable, "-c", WITHOUT.format(module=module)], capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.startswith("chatpb: the command line needs ")
    assert result.stderr.endswith(": pip install 'chatpb[cli]'\n")
    assert result.stderr.count("\n") == 1


def test_chatpb_does_not_import_the_extra() -> None:
    code = "import sys, chatpb, chatpb.cli; sys.exit(bool({'typer', 'rich', 'click'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
