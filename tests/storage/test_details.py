"""Details that only show when something else fails: copies of dictionaries, syncs, zones, terminals, what a chart says."""

from __future__ import annotations

import json
import os
import pty
import random
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatpb import storage
from chatpb.storage import Recorder, RecorderError, make_record, verify
from chatpb.storage._record_compression import train_dictionary
from tests.cli.command_line import run
from tests.storage.test_faults import fill, noise
from tests.storage.test_recorder import completion, many
from tests.support import opened_sqlite

START = 1_750_028_400_000_000  # 2025-06-15T23:00:00Z, the next day in Tokyo


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("table", ["dictionaries", "dictionary_copies"])
def test_a_torn_page_of_one_table_of_dictionaries_costs_nothing(table: str) -> None:
    more = [completion(n, noise="more") for n in range(50)]
    with Recorder("r.db") as recorder:
        recorder.append(many(3_000))
        recorder.append(more)
    with opened_sqlite("r.db") as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = file.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    data = bytearray(Path("r.db").read_bytes())
    data[(root - 1) * 8192 : root * 8192] = os.urandom(8192)
    Path("r.db").write_bytes(data)
    with Recorder("r.db", read_only=True) as recorder:
        assert list(recorder) == many(3_000) + more
    assert list(verify("r.db"))


def test_a_model_of_an_append_that_failed_is_found_later() -> None:
    model = "only-in-the-failed-append"
    record = make_record(response={"id": "a", "model": model, "choices": []})
    with Recorder("r.db") as recorder:
        recorder.append(many(10))
        fill(recorder)
        with pytest.raises(RecorderError, match="full"):
            recorder.append([record, *noise(1)])
        recorder._connection.execute("PRAGMA max_page_count = 100000")
        recorder.append([make_record(response={"id": "b", "model": "another", "choices": []}), record])
        assert list(recorder.scan(model=model)) == [record]
    assert list(verify("r.db")) == []


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 1)])
def test_durable_syncs_every_commit(durable: bool, synchronous: int) -> None:
    with Recorder("r.db", durable=durable) as recorder:
        assert recorder._pragma("synchronous") == synchronous


def test_two_trainings_at_once_make_one_dictionary(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one recorder trains, another that has the same file trains and is done first."""
    train = train_dictionary
    with Recorder("r.db") as one, Recorder("r.db") as two:

        def other_first(samples: list[bytes], number: int, size: int) -> bytes | None:
            monkeypatch.setattr("chatpb.storage._recorder.train_dictionary", train)
            two.append(many(10))
            return train(samples, number, size)

        monkeypatch.setattr("chatpb.storage._recorder.train_dictionary", other_first)
        one.append(many(2_500))
        one.append(many(20))
        two.append(many(20))
        assert list(one) == list(two) == many(2_500) + many(10) + many(20) + many(20)
    with opened_sqlite("r.db") as file:
        assert file.execute("SELECT id FROM dictionaries").fetchall() == [(1,)]
        assert file.execute("SELECT id FROM dictionary_copies").fetchall() == [(1,)]
    assert list(verify("r.db")) == []


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles", "UTC"])
def test_days_and_times_are_in_utc_whatever_the_zone_of_the_machine(zone: str) -> None:
    storage.write("x.db", [make_record(start_time=START, status=200)])
    storage.write("x.parquet", [make_record(start_time=START, status=200)])
    environment = {**os.environ, "TZ": zone}

    def command(*args: str) -> str:
        line = [sys.executable, "-m", "chatpb", *args]
        return subprocess.run(line, env=environment, capture_output=True, text=True, check=True).stdout

    assert command("stats", "x.db", "--by", "hour", "-f", "csv").splitlines()[1].startswith("2025-06-15 23:00,1,")
    sql = "SELECT time, CAST(time AS DATE) AS day FROM records"
    assert command("query", "x.parquet", sql, "--until", "2025-06-15T23:00:01", "-f", "csv") == (
        "time,day\n2025-06-15T23:00:00Z,2025-06-15\n"
    )
    command("export", "x.db", "days", "--partition", "day")
    assert [path.name for path in Path("days").iterdir()] == ["day=2025-06-15"]


def chart(records: list[bytes]) -> str:
    storage.write("c.parquet", records)
    result = run("stats", "c.parquet", "--chart", "c.svg")
    assert (result.exit_code, result.exception) == (0, None), result.output
    # Matplotlib draws text as outlines, and writes what each says in a comment.
    return "\n".join(re.findall(r"<!-- (.*?) -->", Path("c.svg").read_text()))


def test_a_chart_says_what_it_shows() -> None:
    answers = [
        make_record(
            request={"model": "gpt", "messages": []},
            response={"id": "a", "model": "gpt-1", "choices": [], "usage": {"total_tokens": 5}},
            start_time=START,
            end_time=START + 2_000_000,
        )
    ]
    text = chart(answers)
    for said in (
        "Records a day by model",
        "Tokens a day by model",
        "Latency by model (records)",
        "2025-06-15",
        "gpt (1)",
    ):
        assert said in text, said
    assert "500m" not in text  # there is no half of a record


def test_a_chart_has_no_panel_without_data() -> None:
    text = chart([make_record(request={"model": "模型", "messages": []}, start_time=START)])
    assert "Records a day" in text
    assert "Tokens a day" not in text
    assert "Latency" not in text
    assert "模型" in text or "U+6A21" in text
    assert "No records with a time" in chart([make_record(status=5)])


@pytest.mark.parametrize("quiet", [False, True])
def test_an_export_shows_its_progress_at_a_terminal(quiet: bool) -> None:
    storage.write("x.jsonl", many(50))
    main, terminal = pty.openpty()
    args = [sys.executable, "-m", "chatpb", "export", "x.jsonl", "x.db", *(["--quiet"] if quiet else [])]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(args, stderr=terminal, stdout=subprocess.DEVNULL, env=environment)
    os.close(terminal)
    shown = b""
    while True:
        try:
            piece = os.read(main, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(main)
    assert process.wait() == 0
    assert (b"x.jsonl: 50 records" in shown) == (not quiet)
    assert (b"100%" in shown) == (not quiet)
    assert (b"50 records: x.jsonl to x.db" in shown) == (not quiet)


def test_one_object_of_a_result_is_json() -> None:
    storage.write("x.db", [make_record(status=5)])
    assert json.loads(run("query", "x.db", "SELECT status FROM records", "-f", "json").stdout) == [{"status": 5}]


class Refusing:
    """A connection to SQLite on which some statements fail."""

    def __init__(self, connection: sqlite3.Connection, start: str, error: sqlite3.DatabaseError) -> None:
        self._connection = connection
        self._start = start
        self._error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql.startswith(self._start):
            raise self._error
        return self._connection.execute(sql, *values)


LOCKED = sqlite3.OperationalError("database is locked")
MALFORMED = sqlite3.DatabaseError("database disk image is malformed")


@pytest.mark.parametrize(
    ("start", "use"),
    [
        ("SELECT seq, dictionary, body FROM records WHERE seq = ?", lambda recorder: recorder.get("1")),
        ("SELECT first, next FROM state", len),
        ("SELECT count(*), min(seq), max(seq) FROM records", lambda recorder: list(recorder.scan(model="m"))),
    ],
    ids=["record", "bounds", "index"],
)
def test_a_lock_is_not_taken_for_damage(start: str, use: Callable[[Recorder], Any]) -> None:
    records = [make_record(request_id=f"{n}", response={"model": "m"}) for n in range(3)]
    with Recorder("r.db") as recorder:
        recorder.append(records)
    with Recorder("r.db", read_only=True) as recorder:
        connection = recorder._connection
        recorder._connection = Refusing(connection, start, LOCKED)  # type: ignore[assignment]
        with pytest.raises(RecorderError, match="database is locked$"):
            use(recorder)
        # What is damaged is read another way, or named as that.
        recorder._connection = Refusing(connection, start, MALFORMED)  # type: ignore[assignment]
        if "seq = ?" in start:
            with pytest.raises(RecorderError, match="record 2 may be it, but database disk image is malformed"):
                use(recorder)
        else:
            assert use(recorder) in (3, records)


@pytest.mark.parametrize("size", [100, 5_000, 2_000_000])
def test_a_record_of_just_the_limit_is_read_from_parquet(size: int) -> None:
    record = make_record(labels={"text": "x" * size})
    storage.write("x.parquet", [record])
    with storage.open("x.parquet", max_record=len(record)) as records:
        assert [each.wire for each in records] == [record]
    with storage.open("x.parquet", max_record=len(record) - 1) as records:
        assert list(records) == []
        assert records.refusals.count == 1


@pytest.mark.parametrize(
    ("first", "following"), [(1, 1), (1 << 13, (1 << 13) + 1), (1 << 20, (1 << 20) + 9), (81_920, 81_921)]
)
def test_the_counts_of_a_file_whose_oldest_records_are_gone(first: int, following: int) -> None:
    """Whatever bits the number of the oldest record and the size of the file have in common."""
    with Recorder("r.db") as recorder:
        recorder.append([make_record(status=200)])
    with opened_sqlite("r.db") as file:
        file.execute("UPDATE records SET seq = ?", (first,))
        file.execute("UPDATE state SET first = ?, next = ?", (first, following))
    with Recorder("r.db") as recorder:
        assert len(recorder) == following - first


@pytest.mark.parametrize(("count", "trained"), [(15, 0), (16, 1)])
def test_a_dictionary_is_trained_on_16_records_at_least(count: int, trained: int) -> None:
    words = [f"{number * number:x}" for number in range(500)]
    with Recorder("r.db") as recorder:
        for number in range(count):
            text = " ".join(random.Random(number).choices(words, k=2_000))
            recorder.append([make_record(request_id=f"{number}", labels={"text": text})])
    with opened_sqlite("r.db") as file:
        assert file.execute("SELECT count(*) FROM dictionaries").fetchone() == (trained,)


def test_long_records_have_a_dictionary_too() -> None:
    """Records of agents have tens of kilobytes each, most of which repeat."""
    words = [f"{number * number:x}" for number in range(3_000)]
    prompt = " ".join(random.Random(1).choices(words, k=5_000))
    records = [
        make_record(request={"messages": [{"role": "system", "content": prompt}, {"role": "user", "content": f"{n}"}]})
        for n in range(100)
    ]
    with Recorder("r.db") as recorder:
        for record in records:
            recorder.append(record)
        assert list(recorder) == records
    with opened_sqlite("r.db") as file:
        (alone,) = file.execute("SELECT avg(length(body)) FROM records WHERE dictionary = 0").fetchone()
        (with_it,) = file.execute("SELECT avg(length(body)) FROM records WHERE seq > 90").fetchone()
    assert with_it < alone / 2


def test_a_dictionary_is_smaller_than_its_samples() -> None:
    """It would else hold the samples themselves, and fit no other records."""
    samples = [
        make_record(request_id=f"{n}", labels={"text": " ".join(f"{n * k:x}" for k in range(99))}) for n in range(99)
    ]
    dictionary = train_dictionary(samples)
    assert dictionary
    assert len(dictionary) <= sum(map(len, samples)) * 6 // 10


def test_what_cannot_be_deleted_takes_half_of_the_limit_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """However large names and dictionaries are, records may take half of the limit."""
    limit = 400_000
    monkeypatch.setattr("chatpb.storage._recorder._FIXED_BYTES", f"SELECT {limit - 8192}")
    with Recorder("r.db", max_bytes=limit) as recorder:
        for batch in range(20):
            recorder.append(
                [
                    make_record(request_id=f"{batch} {n}", labels={"text": random.Random(n).randbytes(300).hex()})
                    for n in range(100)
                ]
            )
            assert recorder.size <= limit + limit // 2
        assert recorder.size > limit


def test_a_program_ends_that_has_not_closed_its_recorder() -> None:
    program = """
from chatpb.storage import BackgroundRecorder, Recorder
recorder = BackgroundRecorder(Recorder("r.db"))
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0
