"""Lines of a batch API: those that were imported come back equal, and any record becomes one."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from chatpb import storage
from chatpb.storage import make_record
from tests.cli.command_line import run
from tests.storage.test_line_forms import (
    BATCH_EXPIRED,
    BATCH_FAILED,
    BATCH_INPUT,
    BATCH_OUTPUT,
    CHUNK,
    COMPLETION,
    ERROR,
    REQUEST,
)

RESULTS: list[dict[str, Any]] = [BATCH_OUTPUT, BATCH_FAILED, BATCH_EXPIRED]
INPUTS: list[dict[str, Any]] = [
    BATCH_INPUT,
    {**BATCH_INPUT, "custom_id": "q-2", "url": "/v1/other", "x_vendor": [None, 2**63]},
    {**BATCH_INPUT, "custom_id": "q-3"},
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, lines: list[dict[str, Any]]) -> None:
    Path(name).write_text("".join(json.dumps(line) + "\n" for line in lines))


def read(name: str) -> list[dict[str, Any]]:
    data = Path(name).read_bytes()
    return [json.loads(line) for line in (gzip.decompress(data) if name.endswith(".gz") else data).splitlines()]


@pytest.mark.parametrize("target", ["out.jsonl", "out.jsonl.gz"])
@pytest.mark.parametrize("middle", ["x.db", "x.jsonl", "x.parquet"])
def test_lines_that_were_imported_come_back_equal(middle: str, target: str) -> None:
    write("in.jsonl", INPUTS)
    write("results.jsonl", RESULTS)
    assert run("export", "in.jsonl", "results.jsonl", middle).exit_code == 0
    result = run("export", middle, target, "--to", "batch")
    assert (result.exit_code, result.stderr) == (0, f"3 lines: {middle} to {target}\n")
    assert read(target) == INPUTS
    assert run("export", middle, target, "--to", "batch-output").exit_code == 0
    assert read(target) == RESULTS


def test_any_record_becomes_a_line() -> None:
    streaming = {**REQUEST, "stream": True, "stream_options": {"include_usage": True}}
    records = [
        make_record(request=streaming, response=COMPLETION, status=200, request_id="r"),
        make_record(request=REQUEST, stream=[CHUNK, CHUNK]),
        make_record(request=REQUEST, response=COMPLETION),
        make_record(error=ERROR, status=429, labels={"custom_id": "mine"}),
        make_record(status=500),
    ]
    storage.write("x.db", records)
    requests = storage.write_batch(["x.db"], "in.jsonl", "batch")
    assert (requests.written, requests.left_out) == (3, 2)
    assert requests.problems == ("x.db: record 4: it has no request", "x.db: record 5: it has no request")
    head = {"method": "POST", "url": "/v1/chat/completions", "body": REQUEST}
    assert read("in.jsonl") == [{"custom_id": name, **head} for name in ("r", "record-2", "c")]
    results = storage.write_batch(["x.db"], "out.jsonl", "batch-output")
    assert (results.written, results.problems) == (4, ("x.db: record 5: it has no answer",))
    lines = read("out.jsonl")
    assert [line["custom_id"] for line in lines] == ["r", "record-2", "c", "mine"]
    assert [line["id"] for line in lines] == [f"batch_req_{number}" for number in (1, 2, 3, 4)]
    assert lines[0]["response"] == {"status_code": 200, "request_id": "r", "body": COMPLETION}
    assert lines[1]["response"]["body"]["choices"][0]["message"]["content"] == "aa"
    assert lines[3]["response"] == {"status_code": 429, "body": ERROR}
    assert {line["error"] for line in lines} == {None}


def test_options_that_are_not_for_batches() -> None:
    result = run("export", "x.db", "out.jsonl", "--to", "batch", "--only", "request")
    assert (result.exit_code, "are not for conversations and batches" in result.stderr) == (2, True)
