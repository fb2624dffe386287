"""Conversations for training: lines come back equal, and tables have one type for each column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.json as pj
import pyarrow.parquet as pq
import pytest

from chatpb import storage
from chatpb.storage import CONVERSATIONS, make_record
from tests.cli.command_line import run

USER = {"role": "user", "content": "Hi"}
PARTS = {
    "role": "user",
    "content": [
        {"type": "text", "text": "Look: "},
        {"type": "image_url", "image_url": {"url": "u"}},
        {"type": "text", "text": "it"},
    ],
}
CALLS = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": f'{{"n": {n}}}'}}
        for n, name in enumerate("ba")
    ],
}
RESULTS = [{"role": "tool", "tool_call_id": f"call_{n}", "content": f"{n}"} for n in (1, 0)]
ANSWER = {"role": "assistant", "content": "Ho \ud800 é", "weight": 0}
TOOLS = [{"type": "function", "function": {"name": "b", "parameters": {"z": 1, "a": 2}}}]

LINES: list[dict[str, Any]] = [
    {"messages": [USER, ANSWER]},
    {"messages": [PARTS, CALLS, *RESULTS, ANSWER], "tools": TOOLS, "parallel_tool_calls": False},
    {"messages": [USER, CALLS], "functions": [{"name": "b"}], "x_split": "train"},
    {"messages": [USER]},
    {"messages": [{"role": "developer", "content": "x", "name": "n"}, USER, {"role": "assistant", "refusal": "No."}]},
]  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    return tmp_path


@pytest.mark.parametrize("middle", ["x.db", "x.jsonl", "x.binpbs", "x.parquet"])
@pytest.mark.parametrize("target", ["out.jsonl", "out.jsonl.gz"])
def test_lines_for_fine_tuning_come_back_equal(middle: str, target: str) -> None:
    assert run("export", "in.jsonl", middle).exit_code == 0
    result = run("export", middle, target, "--to", "sft")
    assert (result.exit_code, result.stderr) == (0, f"5 conversations: {middle} to {target}\n")
    with storage.open(target) as records:
        assert len(list(records)) == 5
    if target == "out.jsonl":
        found = [json.loads(line) for line in Path(target).read_text().splitlines()]
        assert found == LINES
        assert json.dumps(found[1]["tools"]) == json.dumps(TOOLS) or found[1]["tools"] == TOOLS


def test_records_of_traffic_give_what_was_said() -> None:
    request = {"model": "m", "messages": [USER], "temperature": 0.5, "tools": TOOLS}
    chunks = [
        {"id": "s", "model": "m-1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "H"}}]},
        {"id": "s", "model": "m-1", "choices": [{"index": 0, "delta": {"content": "o"}, "finish_reason": "stop"}]},
    ]
    storage.write(
        "x.db",
        [
            make_record(request=request, stream=chunks),
            make_record(status=500),
            make_record(request=request),
            make_record(stream=chunks),
            make_record(request={**request, "messages": []}, stream=chunks),
            make_record(request=request, response={"id": "e", "choices": []}),
        ],
    )
    result = run("export", "x.db", "out.jsonl", "--to", "sft")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "x.db: record 2: it has no messages",
        "x.db: record 3: it has no answer",
        "x.db: record 4: it has no prompt",
        "x.db: record 5: it has no prompt",
        "x.db: record 6: it has no answer",
        "1 conversation, 5 left out: x.db to out.jsonl",
    ]
    (line,) = (json.loads(line) for line in Path("out.jsonl").read_text().splitlines())
    assert line == {"messages": [USER, {"role": "assistant", "content": "Ho"}], "tools": TOOLS}
    assert storage.write_conversations(["x.db"], "out.parquet", "dataset").written == 5
    row = pq.read_table("out.parquet").to_pylist()[0]
    assert (row["id"], row["model"], row["finish_reason"]) == ("s", "m-1", "stop")


def test_a_table_of_conversations_has_one_type_for_each_column() -> None:
    assert run("export", "in.jsonl", "out.parquet", "--to", "dataset").exit_code == 0
    assert run("export", "in.jsonl", "out.jsonl", "--to", "dataset").exit_code == 0
    table = pq.read_table("out.parquet")
    assert table.schema.equals(CONVERSATIONS)
    rows = table.to_pylist()
    assert rows == [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    for row, line in zip(rows, LINES, strict=True):
        assert [json.loads(message["json"]) for message in row["messages"]] == line["messages"]
        assert (None if row["tools"] is None else json.loads(row["tools"])) == line.get("tools")
    calls = rows[1]["messages"][1]["tool_calls"]
    assert [(call["id"], call["name"], call["arguments"]) for call in calls] == [
        ("call_0", "b", '{"n": 0}'),
        ("call_1", "a", '{"n": 1}'),
    ]
    assert rows[1]["messages"][0]["content"] == "Look: it"
    assert [message["tool_call_id"] for message in rows[1]["messages"]] == [None, None, "call_1", "call_0", None]
    # Readers that infer types from lines find the same type in each.
    assert pj.read_json("out.jsonl").num_rows == 5


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (("in.jsonl", "out.parquet", "--to", "sft"), 1, "a dataset may be Parquet"),
        (("in.jsonl", "out.jsonl", "--to", "sft", "--only", "request"), 2, "are not for conversations"),
        (("none.jsonl", "out.jsonl", "--to", "sft"), 2, "No such file"),
    ],
)
def test_errors(args: tuple[str, ...], status: int, said: str) -> None:
    result = run("export", *args)
    assert (result.exit_code, said in result.stderr) == (status, True), result.stderr
    assert not Path(args[1]).exists()
