"""`chatpb inspect`: a message as a tree."""

from __future__ import annotations

import json

import pytest

import chatpb
from chatpb import json_to_wire
from chatpb._contract.documents import DOCUMENTS
from chatpb.cli._demo_documents import DEMO_DOCUMENTS
from tests.cli.command_line import run, write


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
        "  /error/code: code is missing but may be null [required_nullable]",
        "  /error/type: type is missing [required]",
    ]


@pytest.mark.parametrize("name", DEMO_DOCUMENTS)
def test_inspect_binary_without_values(name: str) -> None:
    wire = json_to_wire(DEMO_DOCUMENTS[name], DOCUMENTS[name])
    result = run("inspect", write("in.binpb", wire), "--type", name, "--no-values")
    assert result.exit_code == 0
    assert f"  {len(wire):,} B" in result.stdout.splitlines()[1]
    assert "example" not in result.stdout


def test_inspect_shows_the_first_items() -> None:
    """What is long is cut, and a line says how much is left: items, vendor members, and violations."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    document = {
        **{f"additional {i}": "x" for i in range(5)},
        **{f"verbatim {i}": 2**60 for i in range(6)},
        "choices": [{"message": {"tool_calls": [call] * 4000}}] + [{}] * 7,
    }
    result = run("inspect", write("in.json", json.dumps(document)), "--items", "4", "--type", "completion")
    lines = [line.strip(" │├└─") for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert [line for line in lines if line.startswith("…")] == [
        "… and 3,996 more items",
        "… and 4 more items",
        "… and 1 more additional members",
        "… and 2 more verbatim members",
        f"… and {int(lines[-6].split()[0]) - 4} more",
    ]
    assert lines[-6].endswith(" violations of the contract")
    for line, shown in {"0": 2, "3": 2, "4": 0}.items():
        assert sum(each.split("  ")[0] == line for each in lines) == shown
    for home in "additional", "verbatim":
        assert sum(line.startswith(f"{home} ") for line in lines) == 4


def test_inspect_says_that_there_are_more_violations_than_are_listed() -> None:
    write("in.json", json.dumps({"choices": [{}] * 300}))
    for items, left in ((20, 980), (999, 1), (1000, 0), (2000, 0)):
        shown = run("inspect", "in.json", "--items", str(items), "--type", "completion").stdout.splitlines()
        heading = shown.index("more than 1,000 violations of the contract")
        assert len([line for line in shown[heading:] if line.startswith("  /")]) == min(items, 1000)
        assert shown[-1] == f"  … and more than {left} more"


def test_inspect_without_values_and_with_limit() -> None:
    write("in.jsonl", '{"id": "secret", "x": "secret"}\n{\n{"id": "secret"}\n{}\n')
    result = run("inspect", "in.jsonl", "--limit", "3", "--no-values", "--type", "completion")
    assert result.exit_code == 1
    assert result.stderr == "in.jsonl:2:2: unexpected end of the text\n"
    assert [line for line in result.stdout.splitlines() if line.startswith("in.jsonl")] == ["in.jsonl:1", "in.jsonl:3"]
    assert "secret" not in result.stdout
