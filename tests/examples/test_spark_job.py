"""The Spark job of examples/. It needs Spark and Java, and runs where CHATPB_SPARK=1 is set."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.examples.test_python import SPARK_JOB, output
from tests.service.service_stack import run

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(os.environ.get("CHATPB_SPARK") != "1", reason="CHATPB_SPARK=1 is not set"),
]


def test_members_that_providers_add_are_counted(tmp_path: Path) -> None:
    chunk = {"model": "b", "choices": [], "x_id": 1}
    records: list[dict[str, Any]] = [
        *({"response": {"model": "a", "choices": [], "x_null": None, "x_seed": seed}} for seed in (5, 2**53 + 1)),
        {"response": {"model": "a", "choices": [{"x_inner": 1}]}},
        {"stream": {"chunks": [chunk, chunk, {**chunk, "x_end": {}}]}, "x_of_the_record": 1},
        {"status": 500},
    ]
    source, target = tmp_path / "in.jsonl", tmp_path / "members"
    source.write_text("".join(json.dumps(record) + "\n" for record in records))
    run(output(SPARK_JOB, str(source), str(target), environment={"PYSPARK_PYTHON": sys.executable}))
    (part,) = target.glob("part-*.csv")
    assert list(csv.reader(part.read_text().splitlines())) == [
        ["model", "member", "count"],
        ["a", "x_null", "2"],
        ["a", "x_seed", "2"],
        ["b", "x_end", "1"],
        ["b", "x_id", "1"],
    ]
