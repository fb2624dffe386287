"""The code of docs/ray.md (ray.md) runs as it stands. Runs where CHATPB_RAY=1 is set: it takes Ray."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest

from chatpb.arrow import SCHEMA
from chatpb.storage._forms import open_source
from conftest import exactly_equal, programs_of, recording

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(os.environ.get("CHATPB_RAY") != "1", reason="CHATPB_RAY=1 is not set"),
]

DOCS = Path(__file__).parents[1] / "docs" / "ray.md"


def in_order(objects: list[Any]) -> list[Any]:
    """Blocks keep none."""
    return sorted(objects, key=lambda obj: json.dumps(obj, sort_keys=True))


def test_the_page(tmp_path: Path) -> None:
    chunk = {"id": "s", "choices": [{"index": 0, "delta": {"content": "a"}}], "model": "m"}
    given: list[Any] = [{"response": json.loads(line), "request_id": f"{n}"} for n, line in enumerate(recording("completion"))]  # fmt: skip
    given.append({"stream": {"chunks": [chunk] * 3}, "error": {"error": {"code": "broke_off"}}, "x_vendor": 2**53 + 1})
    lines = tmp_path / "in.jsonl"
    lines.write_text("".join(json.dumps(each) + "\n" for each in given))
    (code,) = programs_of(DOCS)
    # Ray's sockets take a shorter path than that of pytest's folders.
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        settings = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": folder}
        command = [sys.executable, "-c", code]
        result = subprocess.run(command, cwd=tmp_path, env=settings, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[{'id': 's', 'model': 'm', 'error': 'broke_off'}]"
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert exactly_equal(in_order(found), in_order(given))
    assert ds.dataset(tmp_path / "records.parquet").schema.names == SCHEMA.names
    with open_source(str(tmp_path / "records.parquet")) as made, open_source(str(lines)) as asked:
        wires = [sorted(w for batch in each.batches(pytest.fail) for w in batch.to_pylist()) for each in (made, asked)]
    assert wires[0] == wires[1]
