"""The first questions: tokens and cost a day, one record by its id, errors of a model, the last hours."""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chatpb import ChatpbError, CreateChatCompletionRequest, storage
from chatpb._records.columns import seconds_of
from chatpb.storage import make_record, time_of
from tests.cli.command_line import run

START = 1_750_000_000_000_000  # 2025-06-15T15:06:40Z
HOUR = 3_600_000_000


def answer(n: int, **members: Any) -> bytes:
    """Return the record of an answer of a snapshot of model a or b; every fifth has its cost."""
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 40},
        "completion_tokens_details": {"reasoning_tokens": 20},
        **({"cost": 0.5} if n % 5 == 0 else {}),
    }
    model = "ab"[n % 2]
    return make_record(
        request={"model": model, "messages": []},
        response={"id": f"c{n}", "model": f"{model}-2025-06-01", "choices": [], "created": 5, "usage": usage},
        start_time=START + n * HOUR,
        end_time=START + n * HOUR + 2_000_000,
        request_id=f"r{n}",
        peer=f"p{n % 3}",
        labels={"team": f"t{n % 2}", 'odd "name"': "x"},
        **members,
    )


def failure(n: int) -> bytes:
    error = {"error": {"message": "overloaded", "code": "busy"}}
    return make_record(request={"model": "a", "messages": []}, error=error, status=529, start_time=START + n * HOUR)


RECORDS = [*map(answer, range(10)), *map(failure, range(4))]
FORMS = ["x.db", "x.jsonl", "x.binpbs.zst", "x.parquet", "wire.parquet"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in FORMS:
        storage.write(name, RECORDS, **({"columns": ["wire"]} if name == "wire.parquet" else {}))
    return tmp_path


@pytest.mark.parametrize("name", FORMS)
def test_errors_and_answers_of_a_model_are_together(name: str) -> None:
    found = {row["model"]: row for row in storage.stats(name, by=["model"]).to_pylist()}
    assert {model: (row["records"], row["errors"]) for model, row in found.items()} == {"a": (9, 4), "b": (5, 0)}
    assert found["a"]["error_rate"] == pytest.approx(4 / 9)
    assert found["b"] | {"prompt_tokens": 500, "cached_tokens": 200, "completion_tokens": 250, "reasoning_tokens": 100,
                         "cost": 0.5, "latency_us_p50": 2_000_000} == found["b"]  # fmt: skip
    assert "bytes" not in found["b"]
    (total,) = storage.stats(name, by=(), sizes=True).to_pylist()
    assert total["bytes"] == sum(map(len, RECORDS))


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        (["day"], {("2025-06-15",): 13, ("2025-06-16",): 1}),
        (["hour"], {(f"2025-06-15 {15 + n}:00",): 2 if n < 4 else 1 for n in range(9)} | {("2025-06-16 00:00",): 1}),
        (["peer"], {("",): 4, ("p0",): 4, ("p1",): 3, ("p2",): 3}),
        (["label:team"], {("",): 4, ("t0",): 5, ("t1",): 5}),
        (['label:odd "name"'], {("",): 4, ("x",): 10}),
        (["model", "day"], {("a", "2025-06-15"): 9, ("b", "2025-06-15"): 4, ("b", "2025-06-16"): 1}),
        ([], {(): 14}),
    ],
    ids=str,
)
def test_groups(by: list[str], groups: dict[tuple[str, ...], int]) -> None:
    for name in ("x.db", "x.parquet"):
        rows = storage.stats(name, by=by).to_pylist()
        assert {tuple(row[each] for each in by): row["records"] for row in rows} == groups


@pytest.mark.parametrize("by", ["colour", "label:", ""])
def test_other_groups_are_refused(by: str) -> None:
    with pytest.raises(ValueError, match="records are grouped by model, day, hour, peer or label:NAME"):
        storage.stats("x.db", by=[by])
    assert run("stats", "x.db", "--by", by).exit_code == 2


PRICES = {
    "a": {"prompt": 10, "cached": 1, "completion": 100, "reasoning": 50},
    "b-2025-06-01": {"prompt": 10, "completion": 20},
}
LITELLM = {
    "sample_spec": {"mode": "chat"},
    "a": {"input_cost_per_token": 1e-5, "cache_read_input_token_cost": 1e-6, "output_cost_per_token": 1e-4,
          "output_cost_per_reasoning_token": 5e-5, "mode": "chat"},
    "b-2025-06-01": {"input_cost_per_token": 1e-5, "output_cost_per_token": 2e-5},
}  # fmt: skip


@pytest.mark.parametrize("prices", [PRICES, LITELLM], ids=["own", "litellm"])
@pytest.mark.parametrize("name", ["x.db", "x.parquet"])
def test_prices(name: str, prices: Any) -> None:
    """Model a by the model that was asked for, b by the one that answered; a record's own cost comes first."""
    Path("prices.json").write_text(json.dumps(prices))
    rows = storage.stats(name, by=["model"], prices=storage.read_prices("prices.json")).to_pylist()
    a = (60 * 10 + 40 * 1 + 30 * 100 + 20 * 50) / 1e6
    b = (100 * 10 + 50 * 20) / 1e6
    assert {row["model"]: row["cost"] for row in rows} == pytest.approx({"a": 0.5 + 4 * a, "b": 0.5 + 4 * b})
    result = run("stats", name, "--by", "model", "--prices", "prices.json", "-f", "csv")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert run("stats", name, "--prices", "none.json").exit_code == 2


@pytest.mark.parametrize(
    ("models", "named"),
    [
        (["a"], None),
        (["a", "m0"], "m0"),
        ([f"m{n}" for n in range(5)], "m0, m1, m2, m3, m4"),
        ([f"m{n}" for n in range(7)], "m0, m1, m2, m3, m4 and 2 more"),
    ],
)
def test_models_without_a_price_are_named(models: list[str], named: str | None) -> None:
    made = [
        make_record(response={"model": model, "usage": {"prompt_tokens": 1, "completion_tokens": 1}})
        for model in models
    ]
    storage.write("p.db", [*made, make_record(request={"model": "no answer"}, status=500)])
    Path("prices.json").write_text('{"a": {"prompt": 1}}')
    for more in ([], ["--by", "day"], ["--chart", "p.svg"]):
        result = run("stats", "p.db", "--prices", "prices.json", *more)
        expected = f"the cost leaves out what prices.json has no price for: {named}\n" if named else ""
        assert (result.exit_code, result.stderr) == (0, expected)
    assert run("stats", "p.db").stderr == ""


@pytest.mark.parametrize("text", ["[]", "{}", '{"a": 5}', '{"a": {"colour": 1}}', "{"])
def test_files_without_prices(text: str) -> None:
    Path("prices.json").write_text(text)
    with pytest.raises(ChatpbError, match=r"^prices\.json: no"):
        storage.read_prices("prices.json")


@pytest.mark.parametrize("name", FORMS)
def test_get(name: str) -> None:
    assert storage.get(name, "c7") == storage.get(name, "r7") == RECORDS[7]
    assert storage.get(name, "c70") is None
    result = run("get", name, "c7")
    assert json.loads(result.stdout)["request_id"] == "r7"
    result = run("get", name, "it's")
    assert (result.exit_code, result.stderr) == (1, f"chatpb: {name}: no record has the id it's\n")


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2025-06-15", "2025-06-15T00:00:00+00:00"),
        ("2025-06-15T16:30", "2025-06-15T16:30:00+00:00"),
        ("2025-06-15 16:30:05.25", "2025-06-15T16:30:05.250000+00:00"),
        ("2025-06-15T16:30:00Z", "2025-06-15T16:30:00+00:00"),
        ("2025-06-15T16:30:00+02:00", "2025-06-15T14:30:00+00:00"),
    ],
)
def test_times(text: str, time: str) -> None:
    assert time_of(text) == datetime.fromisoformat(time)


def test_ages() -> None:
    for text, age in (("90m", timedelta(minutes=90)), ("12h", timedelta(hours=12)), ("7d", timedelta(days=7))):
        assert abs(datetime.now(timezone.utc) - age - time_of(text)) < timedelta(seconds=60)
    for wrong in ("soon", "7", "7 d", "", "2025-13-01", "9" * 20 + "d"):
        with pytest.raises(ValueError, match="is no time"):
            time_of(wrong)


@pytest.mark.parametrize("name", FORMS)
def test_since_has_a_zone(name: str) -> None:
    sql = "SELECT count(*) AS n FROM records"
    for since, count in (("2025-06-15T18:06:40Z", 8), ("2025-06-15T20:06:40+02:00", 8), ("2025-06-15T18:06:41", 6)):
        assert run("query", name, sql, "-f", "csv", "--since", since).stdout == f"n\n{count}\n"
    assert run("query", name, sql, "--since", "yesterday").exit_code == 2


def test_times_out_of_range() -> None:
    """`created` in a finer unit than seconds is scaled; what is no time in any unit is null."""
    second = 1_750_000_000
    scales = [second, second * 10**3, second * 10**6, second * 10**9, 2**63 - 1, -(2**63), 0, -5]
    made = [make_record(response={"id": f"{n}", "choices": [], "created": each}) for n, each in enumerate(scales)]
    made.append(make_record(start_time=2**62))
    storage.write("t.db", made)
    storage.write("t.parquet", made)
    expected = [second] * 4 + [9_223_372_036, None, 0, -5, None]
    for name in ("t.db", "t.parquet"):
        with storage.open(name) as records:
            found = records.query("SELECT epoch(created) AS c, epoch(time) AS t FROM records").fetchall()
        assert [c for c, _ in found] == [t for _, t in found] == expected
        for form in ("csv", "json", "table"):
            result = run("query", name, "SELECT time, created, to_timestamp(1e12) AS far FROM records", "-f", form)
            assert (result.exit_code, result.exception) == (0, None)
    with storage.Recorder("t.db") as recorder:
        assert len(list(recorder.scan(start=second * 10**6))) == 6
    assert list(storage.verify("t.db")) == []


@pytest.mark.parametrize("scale", [1, 10**3, 10**6, 10**9])
def test_the_last_second_of_each_scale(scale: int) -> None:
    last = 253_402_300_799 * scale + scale - 1  # of the year 9999
    if last < 2**63:
        assert seconds_of(last) == 253_402_300_799
        assert seconds_of(last + 1) == (last + 1) // (scale * 1000)
    assert seconds_of(-253_402_300_799) == -253_402_300_799
    assert seconds_of(-253_402_300_800) is None


def test_two_columns_of_one_name() -> None:
    sql = "SELECT a.id, b.id, a.id AS id_1 FROM records a JOIN records b USING (id) WHERE id = 'c3'"
    assert json.loads(run("query", "x.db", sql, "-f", "json").stdout) == [{"id": "c3", "id_2": "c3", "id_1": "c3"}]
    assert run("query", "x.db", sql, "-f", "csv").stdout == "id,id_2,id_1\nc3,c3,c3\n"


COUNT = "SELECT count(*) AS n FROM records"


def test_patterns_and_names_with_their_characters() -> None:
    Path("sub").mkdir()
    for name in ("sub/a.jsonl", "sub/b.jsonl", "star*.parquet", "[x].db"):
        storage.write(name, RECORDS)
    for pattern, count in (
        ("sub/*.jsonl", 28),
        ("**/*.jsonl", 42),
        ("./star*.parquet", 14),
        ("[x].db", 14),
        ("sub", 28),
    ):
        assert run("query", pattern, COUNT, "-f", "csv").stdout == f"n\n{count}\n", pattern
        assert run("export", pattern, "out.binpbs", "--quiet").exit_code == 0
    result = run("query", "none*.db", COUNT)
    assert (result.exit_code, result.stderr) == (2, "chatpb: none*.db: No file matches this pattern\n")


def test_names_in_capitals() -> None:
    storage.write("X.JSONL.GZ", RECORDS)
    assert Path("X.JSONL.GZ").read_bytes()[:2] == b"\x1f\x8b"
    assert run("query", "X.JSONL.GZ", COUNT, "-f", "csv").stdout == "n\n14\n"


def test_a_folder_with_a_foreign_file() -> None:
    Path("days").mkdir()
    storage.write("days/a.parquet", RECORDS)
    Path("days/README.md").write_text("about")
    assert run("query", "days", COUNT, "-f", "csv").stdout == "n\n14\n"
    assert run("export", "days", "out.jsonl", "--quiet").exit_code == 0
    pq.write_table(pa.table({"a": [1]}), "days/b.parquet")
    for command in (("query", "days", COUNT), ("export", "days", "out.jsonl")):
        result = run(*command)
        assert (result.exit_code, "days/b.parquet: " in result.stderr) == (1, True)


def test_standard_input_and_output() -> None:
    lines = Path("x.jsonl").read_bytes()
    assert run("query", "-", f"{COUNT}, records AS b", "--from", "jsonl", "-f", "csv", input=lines).stdout == "n\n196\n"
    assert run("export", "-", "y.binpbs", "--from", "jsonl", input=lines).stderr == "14 records: - to y.binpbs\n"
    assert run("export", "x.db", "-", "--to", "jsonl", "--quiet").stdout_bytes == lines
    assert run("import", "-", "y.db", "--from", "binpbs", "--quiet", input=Path("y.binpbs").read_bytes()).exit_code == 0
    result = run("query", "-", COUNT, input=lines)
    assert (result.exit_code, "give their form with --from or --to" in result.stderr) == (1, True)


@pytest.mark.skipif(os.name == "nt", reason="a wait for a pipe cannot be ended there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=str)
@pytest.mark.parametrize("target", ["out.jsonl", "out.db", "out.parquet", "days"])
def test_an_export_of_standard_input_ends_at_a_signal(target: str, number: signal.Signals) -> None:
    """Although more may come: whoever writes to it has not closed it."""
    code = f"""
import signal, sys, threading
from chatpb.cli import main
from chatpb._files.read import Input

blocks = Input.blocks

def until_all_is_read(self, *args):
    for number, block in enumerate(blocks(self, *args)):
        yield block
        if number == 0:
            signal.pthread_kill(threading.get_ident(), {int(number)})  # not the main thread, as may happen

Input.blocks = until_all_is_read
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell may have set to be ignored
sys.argv = ["chatpb", "export", "-", {target!r}, "--from", "jsonl", *{["--partition", "day"] if target == "days" else []}]
main()
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stderr
        process.stdin.write(b'{"status":200}\n' * 10)
        process.stdin.flush()
        assert process.wait(300) == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
        assert b"Traceback" not in process.stderr.read()
    assert not Path(target).exists() or target == "out.db"


def test_standard_input_is_read_from_where_its_reader_is() -> None:
    """Whoever calls this may have read of it before."""
    code = """
import sys
from chatpb import storage
print(sys.stdin.buffer.readline())
print(storage.copy(["-"], "out.jsonl", source_form=storage.Form.LINES).written)
"""
    lines = b"# a comment\n" + Path("x.jsonl").read_bytes()
    found = subprocess.run([sys.executable, "-c", code], input=lines, capture_output=True, check=True)
    assert found.stdout == b"b'# a comment\\n'\n14\n"
    assert Path("out.jsonl").read_bytes() == Path("x.jsonl").read_bytes()


@pytest.mark.parametrize("delay", [0, 0.2])
@pytest.mark.parametrize("name", ["x.db", "x.parquet"])
def test_a_query_that_is_interrupted_ends_at_once(name: str, delay: float) -> None:
    """The query would take years; it is interrupted before DuckDB has begun it, or after that."""
    sql = "SELECT sum(sin(a.i * b.i)) FROM range(1000000) a(i), range(1000000) b(i), records"
    code = f"""
import os, signal, sys, threading
from chatpb.cli import main
from chatpb.storage._query import Query

begin = Query._interruptibly

def run(self, work):
    threading.Timer({delay}, os.kill, (os.getpid(), signal.SIGINT)).start()
    return begin(self, work)

Query._interruptibly = run
sys.argv = ["chatpb", "query", {name!r}, {sql!r}]
main()
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 130
    assert result.stderr.splitlines()[-1] == "chatpb: interrupted"


def test_the_table_of_statistics_fits_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    name = "a-model-with-a-name-that-is-longer-than-any-column"
    storage.write("long.db", [answer(5, status=200), make_record(request={"model": name, "messages": []})])
    lines = run("stats", "long.db", "--by", "model").stdout.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert lines[0].split() == [
        "model",
        "records",
        "errors",
        "prompt",
        "answer",
        "cost",
        "p50",
        "s",
        "p95",
        "s",
        "first",
        "s",
    ]
    assert lines[1].split()[0] == "a-mod\u2026any-column"
    assert "…" in lines[1]
    assert lines[2].split() == ["b", "1", "0.0%", "100", "50", "0.5000", "2.00", "2.00", "-"]
    assert lines[3].split()[:3] == ["total", "2", "0.0%"]


def test_typed_parts_and_queries_from_python() -> None:
    chunks = [{"id": "s", "model": "m", "choices": [{"index": 0, "delta": {"content": text}}]} for text in ("a", "b")]
    streamed = make_record(stream=[json.dumps(each) for each in chunks])
    storage.write("y.db", [answer(1), failure(1), streamed])
    with storage.open("y.db") as records:
        one, two, three = records
        assert one.request is not None
        assert one.response is not None
        assert (one.request.model, one.response.id, one.error, one.chunks) == ("b", "c1", None, [])
        assert two.error is not None
        assert (two.error.error.code_text, two.response, two.completion) == ("busy", None, None)
        assert [chunk.choices[0].delta.content for chunk in three.chunks] == ["a", "b"]
        assert three.completion is not None
        assert three.completion.choices[0].message.content == "ab"
        assert one.place == "y.db: record 1"
        assert records.query("SELECT count(*) FROM records").fetchall() == [(3,)]
        assert records.query("SELECT id FROM records WHERE id IS NOT NULL").to_arrow_table().column(
            "id"
        ).to_pylist() == ["c1", "s"]
        assert sum(map(len, records.batches())) == 3
    with storage.query(["y.db"]) as query:
        assert [batch.to_pylist() for batch in query.run("SELECT peer FROM records WHERE id = 'c1'").batches] == [
            [{"peer": "p1"}]
        ]


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("read", ["fetchall", "arrow", "derived"])
def test_a_relation_outlives_its_records(name: str, read: str) -> None:
    """In one line, which leaves nothing that would keep the records open."""
    sql = "SELECT wire_to_json(wire)->>'$.request_id' AS id FROM records WHERE request_id IS NOT NULL"
    relation = storage.open(name).query(sql)
    gc.collect()
    if read == "arrow":
        reader = relation.to_arrow_reader(2)
        del relation
        gc.collect()
        found = [row["id"] for row in reader.read_all().to_pylist()]
    else:
        relation = relation.filter("id IS NOT NULL") if read == "derived" else relation
        gc.collect()
        found = [id for (id,) in relation.fetchall()]
    with storage.open(name) as records:
        later = records.query(sql)
        assert sorted(found) == sorted(each.message.request_id for each in records if each.message.request_id)
    assert sorted(id for (id,) in later.fetchall()) == sorted(found)


@pytest.mark.parametrize("name", ["x.db", "x.parquet", "wire.parquet", "x.jsonl"])
def test_inspect_shows_the_records_of_every_form(name: str) -> None:
    result = run("inspect", name, "--limit", "2")
    assert result.exit_code == 0
    assert result.stdout.count("chatcompletion.v1.ChatCompletionRecord") == 2
    assert '"r0"' in result.stdout
    assert '"r1"' in result.stdout
    assert ("record 1" in result.stdout) == (name != "x.jsonl")


@pytest.mark.parametrize("form", ["db", "parquet", "jsonl", "binpbs"])
def test_every_form_through_standard_input_and_output(form: str) -> None:
    storage.write("new.db", RECORDS)
    written = pipe("export", "new.db", "-", "--to", form)
    assert written
    assert pipe("export", "-", f"back.{form}", "--from", form, given=written) == b""
    with storage.open(f"back.{form}") as records:
        found = [record.wire for record in records]
    with storage.open("new.db") as records:
        assert found == [record.wire for record in records]
    counted = pipe("query", "-", "SELECT count(*) AS n FROM records", "--from", form, "-f", "csv", given=written)
    assert counted.split() == [b"n", str(len(RECORDS)).encode()]
    assert not Path("-").exists()


def pipe(*args: str, given: bytes = b"") -> bytes:
    """Run a command with pipes, and return what it wrote."""
    command = [sys.executable, "-m", "chatpb", *args]
    return subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True).stdout


@pytest.mark.parametrize("name", ["new.db", "new.parquet", "days"])
def test_check_takes_records(name: str) -> None:
    options: dict[str, Any] = {"form": storage.Form.PARQUET, "partition": True} if name == "days" else {}
    storage.write(name, RECORDS, **options)
    result = run("check", name, "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["documents"], found["lost"], found["unreadable"]) == (0, len(RECORDS), 0, 0)
    assert found["types"] == {"ChatCompletionRecord": len(RECORDS)}
    assert sum(found["homes"].values()) > len(RECORDS)


@pytest.mark.parametrize("name", ["new.db", "new.parquet"])
def test_check_names_a_record_that_is_no_json(name: str) -> None:
    infinite = storage.make_record(request=CreateChatCompletionRequest(model="m", temperature=float("inf")))
    storage.write(name, [*RECORDS, infinite])
    result = run("check", name)
    assert (result.exit_code, result.stderr.splitlines()[0].startswith(f"{name}: record {len(RECORDS) + 1}: ")) == (
        1,
        True,
    )
    assert run("check", name, "--nonfinite", "allow").exit_code == 0


def test_backup_and_verify_by_command() -> None:
    assert run("backup", "x.db", "copy.db").stderr == "14 records: x.db to copy.db\n"
    storage.write("one.db", RECORDS[:1])
    assert run("backup", "one.db", "two.db").stderr == "1 record: one.db to two.db\n"
    again = run("backup", "x.db", "copy.db")
    reason = "there is a file of this name, and a backup replaces none: give another name"
    assert (again.exit_code, again.stderr) == (2, f"chatpb: copy.db: {reason}\n")
    assert run("verify", "copy.db").stderr == "copy.db: all is well\n"
    data = bytearray(Path("copy.db").read_bytes())
    at = data.index(b"\x28\xb5\x2f\xfd") + 60
    data[at] ^= 1
    Path("copy.db").write_bytes(data)
    result = run("verify", "copy.db")
    assert (result.exit_code, result.stderr.startswith("copy.db: record")) == (1, True)
    assert re.search("its body is damaged|its dictionary", result.stderr)
