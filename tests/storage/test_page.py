"""The commands of docs/storage.md (storage.md) run."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from chatpb import storage
from tests.cli.command_line import run
from tests.storage.test_first_questions import RECORDS
from tests.storage.test_line_forms import BATCH_FAILED, BATCH_INPUT, BATCH_OUTPUT, COMPLETION
from tests.support import ROOT

ELSEWHERE = ("serve ", "s3://")
"""Commands that need a network, which other tests run."""

COMMANDS = [
    line.strip()[2:] for line in (ROOT / "docs" / "storage.md").read_text().splitlines() if line.startswith("    $ ")
]


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) > 15


@pytest.mark.parametrize("command", [each for each in COMMANDS if not any(word in each for word in ELSEWHERE)])
def test_commands_run(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = storage.make_record(
        request={"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
        response={**COMPLETION, "id": "chatcmpl-1"},
    )
    storage.write("traffic.db", [answer])
    storage.write("traffic.parquet", [answer])
    if "partition" not in command:
        storage.write("days", RECORDS, form=storage.Form.PARQUET, partition=True)
    storage.write("wide.parquet", RECORDS, members={"groq_id": "$.response.x_groq.id"})
    Path("logs").mkdir()
    Path("calls").mkdir()
    storage.write("logs/a.jsonl", RECORDS)
    storage.write("old.jsonl.gz", RECORDS)
    Path("calls/1.json").write_text(json.dumps(COMPLETION, indent=1))
    Path("prices.json").write_text('{"m": {"prompt": 2.5}}')
    batch: dict[str, object] = {"input": BATCH_INPUT, "output": BATCH_OUTPUT, "errors": BATCH_FAILED}
    for name, line in batch.items():
        Path(f"batch_{name}.jsonl").write_text(json.dumps(line) + "\n")
    program, *args = shlex.split(command)
    result = run(*args)
    assert (program, result.exit_code, result.exception) == ("chatpb", 0, None), result.output
