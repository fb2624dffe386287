"""The code of docs/ray.md (ray.md) runs unchanged. This needs Ray, and runs where CHATPB_RAY=1 is set."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest

from chatpb import storage
from chatpb.arrow import SCHEMA
from tests.support import ROOT, exactly_equal, programs_of, recording

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(os.environ.get("CHATPB_RAY") != "1", reason="CHATPB_RAY=1 is not set"),
]

DOCS = ROOT / "docs" / "ray.md"


def in_order(objects: list[Any]) -> list[Any]:
    """Sort objects, since blocks have no order."""
    return sorted(objects, key=lambda obj: json.dumps(obj, sort_keys=True))


def test_the_page(tmp_path: Path) -> None:
    chunk = {"id": "s", "choices": [{"index": 0, "delta": {"content": "a"}}], "model": "m"}
    given: list[Any] = [{"response": json.loads(line), "request_id": f"{n}"} for n, line in enumerate(recording("completion"))]  # fmt: skip
    given.append({"stream": {"chunks": [chunk] * 3}, "error": {"error": {"code": "broke_off"}}, "x_vendor": 2**53 + 1})
    lines = tmp_path / "in.jsonl"
    lines.write_text("".join(json.dumps(each) + "\n" for each in given))
    (code,) = programs_of(DOCS)
    # The paths of pytest's folders are too long for Ray's sockets.
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        settings = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": folder}
        command = [sys.executable, "-c", code]
        result = subprocess.run(command, cwd=tmp_path, env=settings, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[{'id': 's', 'model': 'm', 'error': 'broke_off'}]"
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert exactly_equal(in_order(found), in_order(given))
    assert ds.dataset(tmp_path / "records.parquet").schema.names == SCHEMA.names
    with storage.open(tmp_path / "records.parquet") as made, storage.open(lines) as asked:
        wires = [sorted(record.wire for record in each) for each in (made, asked)]
        assert not made.refusals.count + asked.refusals.count
    assert wires[0] == wires[1]
    for line in DOCS.read_text().splitlines():
        if line.startswith("chatpb "):
            ran = subprocess.run(
                [sys.executable, "-m", *shlex.split(line)], cwd=tmp_path, capture_output=True, text=True, check=False
            )
            assert ran.returncode == ("--to" in line), ran.stderr  # one has no message
    assert ds.dataset(tmp_path / "days").count_rows() == len(given)
