"""`chatpb query` and `chatpb stats`: every form gives the same rows, and only named files are read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import fsspec
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner, Result

from chatpb import ChatCompletionChunk, CreateChatCompletionRequest, compact_stream, json_to_wire
from chatpb._files.refusals import Refusals
from chatpb._records.parts import make_record
from chatpb.cli._app import app
from chatpb.storage import QueryError, Recorder, _query, query, write
from tests.support import opened_sqlite

START = 1_750_000_000_000_000  # 2025-06-15T15:06:40Z
DAY = 86_400_000_000
COLUMNS = {"some.parquet": ["model", "finish_reasons"], "wire.parquet": ["wire"]}
"""The columns of Parquet files that leave some out."""

FORMS = ("r.db", "r.jsonl", "r.binpbs.zst", "r.parquet", "memory://bucket/r.parquet", *COLUMNS)


def answer(number: int) -> bytes:
    usage = {"prompt_tokens": 10, "completion_tokens": number, "total_tokens": 10 + number}
    return json_to_wire(
        json.dumps(
            {"id": f"c{number}", "choices": [], "model": f"m{number % 2}", "usage": usage, "x": {"big": 2**63 + number}}
        )
    )


def records() -> list[bytes]:
    """Return ten answers of two models on two days, a stream and an error."""
    made = [
        make_record(
            response=answer(n),
            start_time=START + n % 5 * DAY // 4,
            end_time=START + n % 5 * DAY // 4 + n * 1000,
            status=200,
        )
        for n in range(10)
    ]
    chunks = [
        json_to_wire(json.dumps({"id": "s", "choices": [], "model": "m0", "x": n}), ChatCompletionChunk)
        for n in range(3)
    ]
    made.append(
        make_record(stream=compact_stream(chunks), start_time=START, first_token_time=START + 7, end_time=START + 9)
    )
    return [*made, make_record(status=429, start_time=START)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in FORMS:
        write(name, records(), columns=COLUMNS.get(name))
    return tmp_path


def run(*args: str) -> Result:
    return CliRunner().invoke(app, args, prog_name="chatpb")


def rows(*args: str) -> list[Any]:
    result = run("query", *args, "--format", "jsonl")
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT count(*) AS n, sum(total_tokens) AS t FROM records", [{"n": 12, "t": 145}]),
        ("SELECT id FROM records WHERE model = 'm1' AND latency_us > 5000 ORDER BY id", [{"id": "c7"}, {"id": "c9"}]),
        ("SELECT count(*) AS n FROM records WHERE streamed OR status >= 400", [{"n": 2}]),
        (
            "SELECT wire_to_json(wire)->>'$.response.x.big' AS big FROM records WHERE id = 'c3'",
            [{"big": str(2**63 + 3)}],
        ),
        (
            "SELECT to_json(wire_to_json(wire)->'$.stream.chunks[*].x') AS x FROM records WHERE streamed",
            [{"x": [0, 1, 2]}],
        ),
        ("SELECT count(*) AS n FROM records AS a JOIN records AS b USING (id)", [{"n": 11}]),
    ],
)
def test_every_form_gives_the_same_rows(name: str, sql: str, expected: list[Any]) -> None:
    assert rows(name, sql) == expected


@pytest.mark.parametrize("name", FORMS)
def test_times(name: str) -> None:
    sql = "SELECT count(*) AS n FROM records"
    counts = [
        rows(name, sql, *limit)
        for limit in (("--since", "2025-06-16"), ("--until", "2025-06-16"), ("--since", "2026-01-01"))
    ]
    assert [count["n"] for (count,) in counts] == [6, 6, 0]


def test_several_files() -> None:
    assert rows(*FORMS, "SELECT count(*) AS n FROM records") == [{"n": 12 * len(FORMS)}]


def test_a_column_of_another_name_is_ignored() -> None:
    table = parquet.read_table("some.parquet")
    parquet.write_table(table.append_column("made", pa.array(range(12))), "more.parquet")
    assert rows("more.parquet", "SELECT sum(total_tokens) AS t FROM records") == [{"t": 145}]


@pytest.mark.parametrize("root", ["all", "memory://bucket/all"])
def test_unfinished_files_in_a_folder_are_ignored(root: str) -> None:
    store = fsspec.filesystem("memory" if "memory" in root else "file", auto_mkdir=True)
    for name in ("a[1].parquet", "day=2025-06-15/b.parquet"):
        store.pipe(f"{root}/{name}", Path("r.parquet").read_bytes())
    for name in ("_temporary/half.parquet", ".part.parquet", "_SUCCESS"):
        store.pipe(f"{root}/{name}", b"PAR1")
    assert rows(root, "SELECT count(*) AS n FROM records") == [{"n": 24}]


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (("r.parquet", "SELEC 1"), 1, "syntax error"),
        (("r.parquet", "SELECT bogus FROM records"), 1, 'Referenced column "bogus" not found'),
        (("r.parquet", "FROM read_csv('/etc/passwd')"), 1, "file system operations are disabled"),
        (("r.parquet", "COPY (SELECT 1) TO 'x.csv'"), 1, "one statement that gives rows and only reads"),
        (("r.parquet", "SET enable_external_access = true"), 1, "one statement that gives rows and only reads"),
        (("none.parquet", "FROM records"), 2, "none.parquet: No such file or directory"),
        (
            ("memory://bucket/r.parquet", "FROM 'memory://bucket/other.parquet'"),
            1,
            "file system operations are disabled",
        ),
        (
            ("memory://bucket/none.parquet", "FROM records"),
            1,
            "memory://bucket/none.parquet: not found: ",
        ),
        (("none://bucket/r.parquet", "FROM records"), 1, "none://bucket/r.parquet: Protocol not known: none"),
        (("none.jsonl", "FROM records"), 2, "none.jsonl: No such file or directory"),
        (("r.txt", "FROM records"), 1, "r.txt: the name implies no form of records"),
        (("mixed.log", "FROM records"), 1, "give the form of what is read by --from jsonl"),
        (("other.parquet", "FROM records"), 1, "other.parquet: not a file of records: it has no column 'wire'"),
        (("r.parquet", "FROM records", "--memory", "much"), 1, "Memory"),
        (("FROM records",), 2, "give one file of records or more"),
    ],
)
def test_errors(args: tuple[str, ...], status: int, said: str) -> None:
    parquet.write_table(pa.table({"a": [1]}), "other.parquet")
    fsspec.filesystem("memory").pipe("/bucket/other.parquet", Path("other.parquet").read_bytes())
    result = run("query", *args)
    assert (result.exit_code, said in result.stderr, result.stdout) == (status, True, ""), result.output
    assert not Path("x.csv").exists()


@pytest.mark.parametrize("command", [("query", "FROM records SELECT count(*) AS n"), ("stats",)])
def test_records_that_cannot_be_read_are_reported(command: tuple[str, ...]) -> None:
    Path("bad.jsonl").write_text('{"status": 200}\n{"status": \n')
    name, *sql = command
    result = run(name, "bad.jsonl", *sql, "--format", "csv")
    assert (result.exit_code, result.stderr) == (1, "bad.jsonl:2:11: unexpected end of the text, in /status\n")
    assert len(result.stdout.splitlines()) == 2


@pytest.mark.parametrize("limit", [[], ["--since", "2025-01-01"]])
def test_damage_is_reported(limit: list[str]) -> None:
    with opened_sqlite("r.db") as file:
        file.execute("UPDATE records SET body = 'x' WHERE seq IN (2, 5, 6)")
    result = run("query", "r.db", "SELECT count(*) AS n FROM records", "--format", "csv", *limit)
    assert (result.exit_code, result.stdout.splitlines()) == (1, ["n", "9"])
    assert result.stderr.splitlines() == [
        f"r.db: record {numbers}: its body is of another type" for numbers in ("2", "5 to 6")
    ]


def test_parquet_through_a_pipe_without_buffers() -> None:
    command = [sys.executable, "-u", "-m", "chatpb", "query", "r.db", "SELECT 7 AS n", "-f", "parquet"]
    result = subprocess.run(command, capture_output=True, check=True)
    assert parquet.read_table(pa.BufferReader(result.stdout)).to_pylist() == [{"n": 7}]


def test_formats() -> None:
    sql = "SELECT id, time, finish_reasons, 'a,\"b' AS text, wire_to_json(wire)->'$.response.x' AS x FROM records WHERE id = 'c0'"
    row = {"id": "c0", "time": "2025-06-15T15:06:40Z", "finish_reasons": [], "text": 'a,"b', "x": {"big": 2**63}}
    assert json.loads(run("query", "r.db", sql, "-f", "json").stdout) == [row]
    assert run("query", "r.db", sql, "-f", "csv").stdout.splitlines() == [
        "id,time,finish_reasons,text,x",
        'c0,2025-06-15T15:06:40Z,[],"a,""b","{""big"":9223372036854775808}"',
    ]
    assert run("query", "r.db", sql, "-f", "parquet", "-o", "out.parquet").exit_code == 0
    assert parquet.read_table("out.parquet").column("id").to_pylist() == ["c0"]
    assert json.loads(run("query", "r.db", "FROM records WHERE false", "-f", "json").stdout) == []
    assert "c0" in run("query", "r.db", sql).stdout


def test_a_query_that_does_not_read_all_ends_well() -> None:
    """It runs in a process of its own, since the end of the process is what could go wrong."""
    with Recorder("many.db") as recorder:
        for _ in range(50):
            recorder.append(records() * 20)
    command = [sys.executable, "-m", "chatpb", "query", "many.db", "SELECT id FROM records LIMIT 1", "-f", "csv"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "id\nc0\n", "")
    assert not Path("many.db-wal").exists()


def test_tables() -> None:
    sql = "SELECT model, sum(total_tokens) * 1000 AS tokens FROM records GROUP BY model ORDER BY tokens LIMIT 1"
    assert "│ m0    │ 70,000 │" in run("query", "r.db", sql).stdout
    wide = run("query", "r.db", "FROM records ORDER BY total_tokens LIMIT 2").stdout
    assert re.findall(r"│ id +│ (\w+) +│", wide) == ["c0", "c1"]


def test_fraction() -> None:
    for name in FORMS:
        with _query.open_query([name]) as query:
            assert query.fraction() == 0
            list(query.run("SELECT wire FROM records").batches)
            assert query.fraction() == (0 if name.endswith(".parquet") else 1)


@pytest.mark.parametrize(("percent", "fraction"), [(-1.0, 0.0), (0.0, 0.0), (50.0, 0.5), (100.0, 1.0)])
def test_the_fraction_of_a_query_of_parquet(percent: float, fraction: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB knows percents, and -1 where it does not."""
    with _query.open_query([next(name for name in FORMS if name.endswith(".parquet"))]) as query:
        monkeypatch.setattr(query, "connection", SimpleNamespace(query_progress=lambda: percent))
        assert query.fraction() == fraction
        monkeypatch.undo()


@pytest.mark.parametrize(
    ("name", "condition"),
    [("r.parquet", "status=200"), ("memory://bucket/r.parquet", "status=200"), ("some.parquet", "model='m0'")],
)
def test_a_query_without_wire_does_not_read_it(name: str, condition: str) -> None:
    with _query.open_query([name]) as query:
        sql = f"EXPLAIN SELECT model FROM records WHERE {condition}"
        plan = "\n".join(map(str, query.connection.execute(sql).fetchall()))
    assert "model" in plan
    assert f"Filters:{condition}" in re.sub(r"\\n|[\s│]", "", plan)
    assert "wire" not in plan


def test_stored_columns_are_filtered_before_others_are_made() -> None:
    with _query.open_query(["some.parquet"]) as query:
        sql = "EXPLAIN SELECT sum(total_tokens) FROM records WHERE model = 'm0' AND status = 200"
        plan = "\n".join(map(str, query.connection.execute(sql).fetchall()))
    assert re.findall(r"Filters:(.*?)~", re.sub(r"\\n|[\s│]", "", plan)) == ["model='m0'"]


def test_stats() -> None:
    result = run("stats", "r.db", "--by", "model", "--bytes", "--format", "json", "--chart", "c.svg")
    found = {row["model"]: row for row in json.loads(result.stdout)}
    assert found["m1"] | {"records": 5, "errors": 0, "prompt_tokens": 50, "completion_tokens": 25} == found["m1"]
    assert found["m1"]["latency_us_p50"] == 5000
    assert found["m0"] | {"records": 6, "first_token_us_p50": 7} == found["m0"]
    assert found[""] | {"records": 1, "errors": 1, "latency_us_p50": None} == found[""]
    assert found["m0"]["bytes"] + found["m1"]["bytes"] + found[""]["bytes"] == sum(map(len, records()))
    ElementTree.parse("c.svg")
    days = json.loads(run("stats", "r.parquet", "--format", "json", "--by", "day").stdout)
    assert [(row["day"], row["records"]) for row in days] == [("2025-06-15", 6), ("2025-06-16", 6)]
    assert "total" in run("stats", "r.jsonl").stdout
    assert run("stats", "wire.parquet").stdout == run("stats", "r.parquet").stdout
    assert run("stats", "r.db", "--chart", "c.gif").exit_code == 2


@pytest.mark.parametrize("models", [0, 1, 12, 30])
def test_chart(models: int) -> None:
    made = [
        make_record(
            request=json_to_wire(json.dumps({"model": f"$m_{n}^"}), CreateChatCompletionRequest),
            start_time=START,
            end_time=START + 5,
        )
        for n in range(models)
    ]
    write("m.parquet", made)
    result = run("stats", "m.parquet", "--chart", "c.png")
    assert (result.exit_code, result.exception) == (0, None), result.output
    assert Path("c.png").read_bytes().startswith(b"\x89PNG")


def test_a_chart_of_times_that_are_no_days() -> None:
    """Only the last days are drawn. A time in milliseconds that was taken for seconds has a year of five digits."""
    times = [1, START - 200 * 86_400_000_000, START, START * 1000]
    made = [make_record(start_time=time) for time in times]
    write("m.parquet", made)
    result = run("stats", "m.parquet", "--chart", "c.svg")
    assert (result.exit_code, result.exception) == (0, None), result.output
    text = Path("c.svg").read_text()
    assert "the last 92 days" in text
    assert "2025-06-1" in text
    assert "1970-01-01" not in text


def test_what_takes_too_much_memory_says_so(tmp_path: Path) -> None:
    path = str(tmp_path / "large.parquet")
    write(path, [make_record(request_id="a", labels={"text": "x" * (24 << 20)})])
    with query([path], memory="16MB") as found, pytest.raises(QueryError, match="--memory"):
        list(found.run("SELECT wire_to_json(wire) FROM records").batches)


def test_large_records_become_json_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answers are those for many at once, of nulls and bad records too."""
    path = str(tmp_path / "x.parquet")
    nan = make_record(request=CreateChatCompletionRequest(model="m", temperature=float("nan")))
    write(path, [*records(), nan])
    sql = "SELECT wire_to_json(CASE WHEN status IS NULL THEN wire END) AS some, wire_to_json(wire) AS text FROM records"
    answers = []
    for large in (_query._LARGE, 1):
        monkeypatch.setattr(_query, "_LARGE", large)
        refusals = Refusals()
        with query([path], refusals=refusals) as found:
            rows = [row for batch in found.run(sql).batches for row in batch.to_pylist()]
        answers.append((rows, refusals.lines))
    assert answers[0] == answers[1]
    assert [row["text"] is None for row in answers[0][0]] == [False] * 12 + [True]
    assert sum(row["some"] is not None for row in answers[0][0]) == 1
    assert "NaN" in answers[0][1][0]
