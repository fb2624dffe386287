"""Records through Spark and back, with tasks that die. This needs Spark and Java, and runs where CHATPB_SPARK=1 is set."""

from __future__ import annotations

import gzip
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from chatpb import ChatCompletion, ChatCompletionChunk, ChatCompletionRecord, CreateChatCompletionRequest, storage
from chatpb.arrow import SCHEMA
from chatpb.storage._query import open_query
from chatpb.storage._stats_sql import MEASURES, statistics_sql
from tests.reference import examples, failures
from tests.support import ROOT, exactly_equal, programs_of, recording

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(os.environ.get("CHATPB_SPARK") != "1", reason="CHATPB_SPARK=1 is not set"),
    # Warnings about Spark's own code: it wants an older pandas, which chatpb does not use, and does not close sockets.
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

DOCS = ROOT / "docs" / "spark.md"

CHUNK = {
    "id": "s",
    "object": "chat.completion.chunk",
    "model": "m",
    "choices": [{"index": 0, "delta": {"content": "a"}}],
}
RECORDS: list[dict[str, Any]] = [
    {"start_time": 1767225600000000, "end_time": 1767225601000000, "status": 200, "request_id": "0",
     "response": {"id": "c", "model": "m", "choices": [], "usage": None, "x": [None, 1.5, {}], "created": 1767225600}, "x_vendor": 2**53 + 1},
    {"start_time": 1767312000000000, "request_id": "1", "stream": {"chunks": [CHUNK, CHUNK, CHUNK]}, "error": {"error": {"message": "broke off"}}},
    {"request_id": "2", "status": "odd", "response": {"id": 5, "choices": {}}},
    {"request_id": "3", "labels": {"text": "\u2028 \r\n é"}},
]  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def same_python() -> Iterator[None]:
    """Run workers in this Python; by default they take the first python3 of the path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        yield


@pytest.fixture(scope="session")
def spark(same_python: None) -> Iterator[SparkSession]:
    from pyspark.sql import SparkSession

    from chatpb.storage.spark import SETTINGS

    small = {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2", "spark.ui.showConsoleProgress": "false"}
    session = SparkSession.builder.master("local[2,4]").config(map={**SETTINGS, **small}).getOrCreate()
    session.sparkContext.setLogLevel("FATAL")
    yield session
    session.stop()


@pytest.mark.parametrize("name", [name for name in examples() if name.startswith("chatpb.storage.spark.")])
def test_the_example_of_a_public_name_runs(
    name: str, spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert failures(name) == ""


def write_lines(path: Path, objects: list[Any]) -> str:
    path.write_text("".join(json.dumps(obj) + "\n" for obj in objects))
    return str(path)


def read_folder(folder: Path) -> list[Any]:
    """Return the lines that Spark wrote, sorted, since tasks keep no order."""
    texts: list[str] = []
    for part in folder.glob("part-*"):
        texts += (
            (gzip.decompress(part.read_bytes()) if part.suffix == ".gz" else part.read_bytes()).decode().split("\n")
        )
    return in_order(json.loads(text) for text in texts if text)


def in_order(objects: Any) -> list[Any]:
    return sorted(objects, key=lambda obj: json.dumps(obj, sort_keys=True))


def wires(path: Path) -> list[bytes]:
    with storage.open(path) as records:
        found = sorted(record.wire for record in records)
        assert not records.refusals.count
    return found


def test_records_become_those_that_export_makes(spark: SparkSession, tmp_path: Path) -> None:
    from chatpb.storage.spark import read_lines, to_lines

    lines = Path(write_lines(tmp_path / "in.jsonl", RECORDS))
    lines.write_text("\n \r\n" + lines.read_text() + "\r\n")
    read_lines(spark, str(lines)).write.parquet(str(tmp_path / "x.parquet"))
    assert wires(tmp_path / "x.parquet") == wires(lines)
    table = pq.read_table(tmp_path / "x.parquet").sort_by("request_id")
    assert table.schema.names == SCHEMA.names
    table = table.cast(SCHEMA)
    assert table["latency_us"].to_pylist() == [1_000_000, None, None, None]
    assert table["streamed"].to_pylist() == [False, True, False, False]
    to_lines(spark.read.parquet(str(tmp_path / "x.parquet"))).write.text(str(tmp_path / "out"))
    assert exactly_equal(read_folder(tmp_path / "out"), in_order(RECORDS))


@pytest.mark.parametrize(
    ("kind", "message_type", "name"),
    [("completion", ChatCompletion, "response"), ("request", CreateChatCompletionRequest, "request")],
)
def test_recorded_traffic(spark: SparkSession, tmp_path: Path, kind: str, message_type: Any, name: str) -> None:
    from chatpb.storage.spark import read_lines, to_lines

    texts = recording(kind)
    with gzip.open(tmp_path / "in.jsonl.gz", "wb") as file:
        file.writelines(texts)
    to_lines(read_lines(spark, str(tmp_path / "in.jsonl.gz"), message_type)).write.text(str(tmp_path / "out"))
    found = in_order(record[name] for record in read_folder(tmp_path / "out"))
    assert exactly_equal(found, in_order(map(json.loads, texts)))


@pytest.mark.parametrize("death", ["raises", "exits"])
def test_a_task_that_dies_leaves_no_duplicate(spark: SparkSession, tmp_path: Path, death: str) -> None:
    from chatpb.storage.spark import RECORDS as SCHEMA_OF_RECORDS
    from chatpb.storage.spark import read_lines

    (tmp_path / "in").mkdir()
    for file in range(4):
        write_lines(tmp_path / "in" / f"{file}.jsonl", [{"request_id": f"{file * 50 + n:03}"} for n in range(50)])
    attempts = tmp_path / "attempts"
    attempts.mkdir()

    def dies_at_first(batches: Iterator[Any]) -> Iterator[Any]:
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context
        (attempts / f"{context.partitionId()} {context.attemptNumber()}").touch()
        for batch in batches:
            half = batch.num_rows // 2
            yield batch.slice(0, half)
            if context.attemptNumber() == 0:
                if death == "exits":
                    os._exit(1)
                raise RuntimeError("the first attempt")
            yield batch.slice(half)

    frame = read_lines(spark, str(tmp_path / "in")).mapInArrow(dies_at_first, SCHEMA_OF_RECORDS)
    frame.write.parquet(str(tmp_path / "x.parquet"))
    tried = {path.name for path in attempts.iterdir()}
    assert tried >= {"0 0", "0 1", "1 0", "1 1"}
    found = pq.read_table(tmp_path / "x.parquet", columns=["request_id"])["request_id"].to_pylist()
    assert sorted(found) == [f"{n:03}" for n in range(200)]


@pytest.mark.parametrize(
    ("line", "place"),
    [(b'{"secret":[1,}', "at its byte 13, in /secret/1"), (b"\xff", "at its byte 0"), (b'{"a":NaN}', "at its byte 5, in /a")],
)  # fmt: skip
def test_an_error_places_a_bad_line_and_does_not_quote_it(
    spark: SparkSession, tmp_path: Path, line: bytes, place: str
) -> None:
    from pyspark.errors import PySparkException

    from chatpb.storage.spark import read_lines

    (tmp_path / "in.jsonl").write_bytes(b'{"status":1}\n' + line + b"\n")
    with pytest.raises(PySparkException) as caught:
        read_lines(spark, str(tmp_path / "in.jsonl")).collect()
    assert f"in.jsonl: a line cannot be read, {place}; `chatpb check` on the file shows which and why" in str(
        caught.value
    )
    assert line.decode("latin-1") not in str(caught.value)


@pytest.mark.parametrize(
    ("message_type", "message"),
    [
        (ChatCompletionChunk, "chunks need their order: make records of them first, with `chatpb export`"),
        (type(ChatCompletionRecord().stream), "a record has no ChatCompletionStream"),
    ],
)
def test_types_that_tasks_cannot_read(spark: SparkSession, message_type: Any, message: str) -> None:
    from chatpb.storage.spark import read_lines

    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        read_lines(spark, "any.jsonl", message_type)


def test_statistics_equal_those_of_stats(spark: SparkSession, tmp_path: Path) -> None:
    from chatpb.storage.spark import read_lines, statistics

    lines = write_lines(tmp_path / "in.jsonl", RECORDS * 50)
    sets: list[tuple[str, ...]] = [("model", "day"), ("model",), ("day",), ()]
    frame = read_lines(spark, lines)
    names = ["model", "day", *MEASURES, "latency_us_p50", "first_token_us_p99"]
    found = [tuple(row) for row in statistics(frame, *sets).select(names).collect()]
    with open_query([lines]) as query:
        expected = query.connection.sql(statistics_sql(*sets)).select(*names).fetchall()
    assert set(found) == set(expected)
    assert len(found) == len(expected) > 8
    assert len(statistics(frame).collect()) == 3


def command(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "chatpb", "export", "--engine", "spark", *args]
    env = {name: value for name, value in os.environ.items() if name != "PYSPARK_PYTHON"} | {"SPARK_MASTER": "local[2]"}
    return subprocess.run(line, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_export(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(record) + "\n" for record in RECORDS)
    write_lines(tmp_path / "b.jsonl", [{"id": "c", "object": "chat.completion", "choices": []}])
    result = command(tmp_path, "a.jsonl.gz", "b.jsonl", "x.parquet")
    assert (result.returncode, result.stderr.splitlines()[-1:]) == (0, ["5 records: a.jsonl.gz, b.jsonl to x.parquet"])
    result = command(tmp_path, "x.parquet", "out.jsonl.gz")
    assert (result.returncode, result.stderr.splitlines()[-1:]) == (0, ["5 records: x.parquet to out.jsonl.gz"])
    wrapped = {"response": {"id": "c", "object": "chat.completion", "choices": []}}
    assert exactly_equal(read_folder(tmp_path / "out.jsonl.gz"), in_order([*RECORDS, wrapped]))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["bad.jsonl", "x.parquet", "--type", "record"], "a line cannot be read, at its byte 13, in /secret/1; `chatpb check` on the file shows which and why"),
        (["bad.jsonl", "x.db"], "chatpb: x.db: the name implies no form that Spark reads or writes: use .jsonl, .jsonl.gz or .parquet"),
    ],
)  # fmt: skip
def test_errors_of_export(tmp_path: Path, args: list[str], message: str) -> None:
    (tmp_path / "bad.jsonl").write_text('{"secret":[1,}\n')
    result = command(tmp_path, *args)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].endswith(message)


def test_the_page(tmp_path: Path) -> None:
    """The first program of docs/spark.md (spark.md) runs unchanged, as a program of its own, and so do the commands."""
    write_lines(tmp_path / "in.jsonl", RECORDS)
    code, _ = programs_of(DOCS)
    line = [sys.executable, "-c", code]
    result = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (result.returncode, "|records|" in result.stdout) == (0, True), result.stderr
    assert [record["request_id"] for record in read_folder(tmp_path / "errors.jsonl")] == ["1"]
    with gzip.open(tmp_path / "in.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(record) + "\n" for record in RECORDS)
    shutil.rmtree(tmp_path / "records.parquet")  # which the first command writes again
    commands = [shlex.split(line) for line in DOCS.read_text().splitlines() if line.startswith("chatpb ")]
    assert len(commands) == 6
    for _, *args in commands:
        result = subprocess.run(
            [sys.executable, "-m", "chatpb", *args], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        left_out = "--to" in args  # records without messages are no conversations
        assert result.returncode == left_out, result.stderr
    assert read_folder(tmp_path / "out.jsonl.gz")
    with storage.open(tmp_path / "traffic.db") as records:
        assert len(list(records)) == len(RECORDS)
