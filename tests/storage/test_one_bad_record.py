"""A bad record costs no other: in every form, in queries and in the recorder it is left out, named and counted."""

from __future__ import annotations

import base64
import json
import os
import stat
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatpb import (
    ChatCompletion,
    ChatCompletionRecord,
    CreateChatCompletionRequest,
    JsonError,
    compact_stream,
    storage,
    wire_to_json,
)
from chatpb._wire.write import delimited, varint
from chatpb.storage import BackgroundRecorder, Damaged, Recorder, RecorderError, make_record, parts_of, verify
from tests.cli.command_line import run
from tests.storage.test_recorder import many
from tests.support import opened_sqlite

NAN = make_record(request=CreateChatCompletionRequest(model="m", temperature=float("nan")), status=7)
BROKEN = delimited(varint(7 << 3 | 2), b"\x0a\x05ab") + b"\x20\x09"
"""A record of status 9 whose response is cut short."""
NO_UTF8 = delimited(varint(5 << 3 | 2), b"\xff")
NO_RECORD = b"\xff\xff"
BOMB = make_record(stream=compact_stream([b'\x0a\x02id"\x01m' + delimited(varint(15 << 3 | 2), b"")]) + b"\x12\x00" * 9)
HOSTILE = {"nan": NAN, "broken": BROKEN, "utf8": NO_UTF8, "bytes": NO_RECORD}

FORMS = ["x.jsonl", "x.jsonl.gz", "x.binpbs", "x.binpbs.zst", "x.parquet", "x.db", "days"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def keep(path: str, records: list[bytes]) -> None:
    """Write records to a binary form as they are, also those that nothing of chatpb would write."""
    if path.endswith(".binpbs"):
        Path(path).write_bytes(b"".join(varint(len(record)) + record for record in records))
    elif path.endswith(".parquet"):
        pq.write_table(pa.table({"wire": pa.array(records, pa.binary())}), path, row_group_size=100)
    else:
        with Recorder(path) as recorder:
            recorder.append([make_record()] * len(records))
        with opened_sqlite(path) as file:
            compress = zstandard.ZstdCompressor(write_checksum=True).compress
            rows = [(compress(record), number) for number, record in enumerate(records, 1)]
            file.executemany("UPDATE records SET body = ?, dictionary = 0 WHERE seq = ?", rows)


KEPT = ["in.binpbs", "in.parquet", "in.db"]


@pytest.mark.parametrize("bad", HOSTILE)
@pytest.mark.parametrize("source", KEPT)
@pytest.mark.parametrize("target", ["out.jsonl", "out.binpbs", "out.parquet", "out.db"])
def test_a_bad_record_in_any_form_is_left_out_and_named(source: str, target: str, bad: str) -> None:
    good = many(250)
    keep(source, [*good[:130], HOSTILE[bad], *good[130:]])
    result = run("export", source, target, "--type", "record")
    if bad == "nan" and target != "out.jsonl":
        assert result.exit_code == 0
        good.insert(130, NAN)
    else:
        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()[:-1]
        assert line.startswith(f"{source}: record 131: ")
        assert result.stderr.splitlines()[-1] == f"250 records, 1 left out: {source} to {target}"
        assert ("--nonfinite allow" in line) == (bad == "nan")
    with storage.open(target) as records:
        assert [record.wire for record in records] == good


def test_nonfinite_writes_and_reads_nan() -> None:
    keep("in.binpbs", [NAN])
    assert run("export", "in.binpbs", "out.jsonl", "--type", "record", "--nonfinite", "allow").exit_code == 0
    assert "NaN" in Path("out.jsonl").read_text()
    result = run("export", "out.jsonl", "out.db")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (
        1,
        "out.jsonl:1:50: NaN and Infinity are not JSON; --nonfinite allow accepts them, in /request/temperature",
    )
    assert run("import", "out.jsonl", "out.db", "--nonfinite", "allow", "--quiet").exit_code == 0
    with storage.open("out.db") as records:
        assert [record.wire for record in records] == [NAN]


@pytest.mark.parametrize("source", KEPT)
@pytest.mark.parametrize("bad", HOSTILE)
def test_a_query_gives_null_for_what_has_no_json(source: str, bad: str) -> None:
    good = many(250)
    keep(source, [*good[:130], HOSTILE[bad], *good[130:]])
    sql = "SELECT count(*) AS n, count(wire_to_json(wire)) AS made, count(model) AS models FROM records"
    result = run("query", source, sql, "-f", "csv")
    assert result.exit_code == 1
    (line,) = {each for each in result.stderr.splitlines() if "the columns" not in each}
    total, made, _ = map(int, result.stdout.splitlines()[1].split(","))
    assert made == 250
    assert total in (250, 251)
    assert "nonfinite='allow'" not in line
    rest = run("stats", source, "-f", "csv", "--by", "nothing")
    assert rest.stdout.splitlines()[1].split(",")[0] in ("250", "251")


@pytest.mark.parametrize("bad", HOSTILE)
def test_verify_names_a_record_that_cannot_be_read(bad: str) -> None:
    keep("in.db", [*many(5), HOSTILE[bad]])
    with opened_sqlite("in.db") as file:  # `keep` leaves the columns as they are for empty records
        file.execute("DELETE FROM ids")
    assert [line for line in verify("in.db") if line.startswith("record 6: ")]


good_records = st.integers(0, 10**6).map(
    lambda n: make_record(response={"id": f"c{n}", "model": "m", "choices": [], "x": n}, start_time=n, status=200)
)
anything = st.one_of(
    good_records.map(lambda wire: (True, wire)),
    st.sampled_from([NAN, BROKEN, NO_UTF8, NO_RECORD]).map(lambda wire: (False, wire)),
    st.binary(max_size=12).map(lambda wire: (False, b"\xff" + wire)),
)


@given(st.lists(anything, max_size=30), st.sampled_from(FORMS))
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
def test_every_good_record_comes_back_and_every_bad_one_is_named(
    tmp_path_factory: pytest.TempPathFactory, given_: list[tuple[bool, bytes]], form: str
) -> None:
    target = tmp_path_factory.mktemp("any") / form
    taken = [wire for good, wire in given_ if good or (wire == NAN and ".jsonl" not in form)]
    written = storage.write(target, [wire for _, wire in given_], partition=form == "days", form=_form(form))
    assert (written.written, written.left_out) == (len(taken), len(given_) - len(taken))
    named = {line.split(":")[0] for line in written.problems}
    bad = [f"record {n}" for n, (_, wire) in enumerate(given_, 1) if wire not in taken]
    # At most 20 are named. Which of more it is depends on what is wrong with them.
    assert named <= set(bad)
    assert len(named) == min(len(bad), 20)
    if form != "days" or taken:
        with storage.open(target) as records:
            assert sorted(record.wire for record in records) == sorted(taken)
            assert records.refusals.count == 0


def _form(name: str) -> Any:
    from chatpb.storage._forms import Form

    return Form.PARQUET if name == "days" else None


def test_the_recorder_of_a_service_keeps_what_it_can_of_a_bad_record() -> None:
    """Of 2,000 calls at once 40 bring bytes that are no message; all others are written, and these in a label."""
    writer = BackgroundRecorder(Recorder("r.db"))
    good = many(2_000)
    for number, record in enumerate(good):
        parts = parts_of(record)
        if number % 50 == 7:
            parts["request"] = b"\xff\xfe"
        assert writer.put(lambda parts=parts, n=number: make_record(**parts, request_id=f"r{n}"), 500)  # type: ignore[misc]
    writer.close()
    assert (writer.written, writer.lost) == (2_000, 0)
    with storage.open("r.db") as records:
        found = list(records)
    assert [record.message.request_id for record in found] == [f"r{n}" for n in range(2_000)]
    assert [record.wire for record in found if not record.message.labels] == [
        record for number, record in enumerate(good) if number % 50 != 7
    ]
    bad = found[7].message
    assert base64.b64decode(bad.labels["chatpb.unreadable.request"]) == b"\xff\xfe"
    assert "at byte" in bad.labels["chatpb.unreadable"]
    assert bad.response == ChatCompletion.FromString(parts_of(good[7])["response"])


@pytest.mark.parametrize("record", [NO_RECORD, NO_UTF8, BROKEN])
def test_what_is_salvaged_can_be_read(record: bytes) -> None:
    writer = BackgroundRecorder(Recorder("r.db"))
    assert writer.put(lambda: record, 9)
    writer.close()
    assert (writer.written, writer.lost) == (1, 0)
    with storage.open("r.db") as records:
        (found,) = records
    kept = {base64.b64decode(text) for name, text in found.message.labels.items() if name.count(".") == 2}
    assert kept == ({parts_of(BROKEN)["response"]} if record == BROKEN else {record})
    assert found.message.status == (9 if record == BROKEN else 0)


def test_names_of_models_take_no_room_from_records() -> None:
    with Recorder("r.db", max_bytes=4 << 20) as recorder:
        for number in range(6):
            name = f"{number}" + "m" * (2 << 20)
            recorder.append([make_record(request={"model": name, "messages": []}, request_id=f"{number}")])
            assert recorder.get(f"{number}")
            assert len(list(recorder.scan(model=name))) == 1
        assert len(recorder) == 6
    assert list(verify("r.db")) == []


def test_models_that_no_record_has_are_deleted() -> None:
    limit = 1 << 20
    with Recorder("r.db", max_bytes=limit) as recorder:
        for start in range(0, 40_000, 1_000):
            names = [f"{number:0240}" for number in range(start, start + 1_000)]
            recorder.append([make_record(request={"model": name, "messages": []}) for name in names])
            assert recorder.size < 3 * limit
            assert len(list(recorder.scan(model=names[-1]))) == 1
        assert len(recorder) >= 1_000


def test_a_record_above_the_size_of_the_file_stays_until_the_next() -> None:
    with Recorder("r.db", max_bytes=200_000) as recorder:
        for number in range(3):
            noise = os.urandom(300_000).hex()
            recorder.append([make_record(response={"id": f"{number}", "choices": [], "x": noise})])
            assert [record for record in (recorder.get(f"{n}") for n in range(number + 1)) if record] == [
                recorder.get(f"{number}")
            ]


def test_verify_names_the_command_that_writes_nan() -> None:
    with Recorder("x.db") as recorder:
        recorder.append([NAN])
    result = run("verify", "x.db")
    assert result.exit_code == 1
    assert "`chatpb export --nonfinite allow` writes it" in result.stderr


@pytest.mark.parametrize("link", ["same", "symlink", "hard"])
@pytest.mark.parametrize("command", ["import", "export"])
def test_a_file_is_not_added_to_itself(command: str, link: str) -> None:
    storage.write("x.db", many(3))
    name = "x.db" if link == "same" else "other.db"
    if link != "same":
        (os.symlink if link == "symlink" else os.link)("x.db", name)
    result = run(command, name, "x.db")
    assert (result.exit_code, result.stderr) == (
        1,
        f"chatpb: {name}: this is x.db itself, whose records would be doubled\n",
    )
    with Recorder("x.db") as recorder:
        assert len(recorder) == 3


@pytest.mark.parametrize("name", FORMS)
def test_files_can_be_read_by_their_owner_alone(name: str) -> None:
    before = os.umask(0o022)
    try:
        storage.write(name, many(3), partition=name == "days", form=_form(name))
        with Recorder(name) if name == "x.db" else storage.open(name):
            for path in Path().rglob("*"):
                open_to_all = stat.S_IMODE(path.stat().st_mode) & 0o077
                assert not open_to_all, path
        if name not in ("x.db", "days"):
            os.chmod(name, 0o640)
            storage.write(name, many(3))
            assert stat.S_IMODE(os.stat(name).st_mode) == 0o640
    finally:
        os.umask(before)


STRANGE = [
    ("UPDATE state SET next = 9000000000000000000", "which cannot be"),
    ("UPDATE state SET next = 'many'", "which cannot be"),
    ("UPDATE state SET first = -5", "which cannot be"),
    ("UPDATE state SET first = 1.5", "which cannot be"),
    ("CREATE TRIGGER t AFTER INSERT ON records BEGIN DELETE FROM ids; END", "its 't' is not one of"),
    ("DROP TABLE models; CREATE VIEW models AS SELECT 1 AS id, 'm' AS name", "its 'models' is not one of"),
    ("CREATE TABLE more (x)", "its 'more' is not one of"),
]


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize(("sql", "said"), STRANGE)
def test_a_strangers_file_is_checked_when_it_is_opened(sql: str, said: str, read_only: bool) -> None:
    storage.write("r.db", many(3))
    with opened_sqlite("r.db") as file:
        file.executescript(sql)
    with pytest.raises(RecorderError, match=said):
        Recorder("r.db", read_only=read_only)
    result = run("export", "r.db", "out.jsonl")
    assert (result.exit_code, said in result.stderr) == (1, True)


def test_rows_with_numbers_out_of_range_end_no_scan() -> None:
    storage.write("r.db", many(3))
    with opened_sqlite("r.db") as file:
        file.execute("UPDATE records SET seq = 9000000000000000000 WHERE seq = 3")
    with Recorder("r.db", read_only=True) as recorder:
        assert list(recorder)[:2] == many(2)
        assert len(list(recorder.scan(start=0))) == 3  # two records, and what is missing


def test_frames_are_bounded_by_the_limit_of_a_record() -> None:
    with Recorder("r.db") as recorder:
        recorder.append([make_record()] * 32)
    body = zstandard.ZstdCompressor(write_checksum=True).compress(bytes(64 << 20))
    with opened_sqlite("r.db") as file:
        file.execute("UPDATE records SET body = ? WHERE seq > 1", (body,))
    result = run("export", "r.db", "out.jsonl", "--max-record", "1")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "r.db: record 2 to 32: it has 67108864 bytes, above the limit of 1048576",
        "1 record, 31 left out: r.db to out.jsonl",
    ]


@pytest.mark.parametrize(
    ("size", "reason"),
    [(1 << 20, ""), ((1 << 20) + 1, "it has 1048577 bytes, above the limit of 1048576"), (None, "it has no size")],
)
def test_the_size_of_a_frame_is_checked_before_it_is_read(size: int | None, reason: str) -> None:
    compressor = zstandard.ZstdCompressor(write_content_size=size is not None)
    record = make_record(labels={"a": "x" * ((size or 100) - 11)})
    with Recorder("r.db") as recorder:
        recorder.append([make_record()])
    with opened_sqlite("r.db") as file:
        file.execute("UPDATE records SET body = ?, dictionary = 0", (compressor.compress(record),))
    with Recorder("r.db", read_only=True, max_record=1 << 20) as recorder:
        assert [each.reason if isinstance(each, Damaged) else "" for each in recorder] == [reason]
    assert size is None or len(record) == size


@pytest.mark.parametrize(("kept", "limit"), [("in.binpbs", 0), ("in.parquet", 0), ("in.db", 0), ("in.jsonl", 0)])
def test_the_limit_of_a_record_is_exact(kept: str, limit: int) -> None:
    """Half of a limit would refuse the first record, twice the limit would take the second."""
    sizes = [(1 << 20) - 100, (1 << 20) + 1]
    records = []
    for size in sizes:
        text = "x" * (size - 40)
        records.append(make_record(request_id=text))
    if kept == "in.jsonl":
        Path(kept).write_bytes(b"".join(wire_to_json(each, ChatCompletionRecord) + b"\n" for each in records[:1]))
        Path(kept).write_bytes(Path(kept).read_bytes() + b'{"request_id":"%s"}\n' % (b"y" * (1 << 20)))
    else:
        keep(kept, [records[0], make_record(request_id="x" * (1 << 20))])
    result = run("export", kept, "out.binpbs", "--type", "record", "--max-record", "1")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (1, f"1 record, 1 left out: {kept} to out.binpbs")


@pytest.mark.parametrize(
    "command",
    [
        ["export", "in.jsonl", "out.jsonl", "--to", "dataset"],
        ["export", "in.jsonl", "out.jsonl", "--to", "batch"],
        ["import", "in.jsonl", "out.db"],
        ["check", "in.jsonl"],
        ["inspect", "in.jsonl", "--limit", "2", "--no-values"],
        ["convert", "in.jsonl", "out.binpbs", "--type", "request"],
    ],
    ids=lambda command: "-".join((command[0], *command[4:5])),
)
def test_every_command_has_the_same_limit(command: list[str]) -> None:
    """Half of it would refuse the first line, twice as much would take the second."""
    line = '{"model":"m","messages":[{"role":"user","content":"%s"}]}\n'
    limit = (1 << 20) - len(line) + len("%s\n")
    Path("in.jsonl").write_text("".join(line % ("x" * size) for size in (limit, limit + 1)))
    result = run(*command, "--max-record", "1")
    assert result.exit_code == 1
    named = [line for line in result.stderr.splitlines() if line.startswith("in.jsonl:")]
    assert named == ["in.jsonl:2: a record of more than 1048576 bytes, the limit"]


def test_copy_in_sql_writes_nothing() -> None:
    storage.write("f.parquet", many(3))
    before = Path("f.parquet").read_bytes()
    for sql in (
        "COPY (SELECT 1 AS wire) TO 'f.parquet' (FORMAT parquet)",
        "SELECT 1; COPY (SELECT 1 AS wire) TO 'f.parquet' (FORMAT parquet)",
        "EXPLAIN ANALYZE COPY (SELECT 1 AS wire) TO 'f.parquet' (FORMAT parquet)",
        "ATTACH 'f.parquet' AS x",
        "CREATE TABLE t AS SELECT 1",
        "",
    ):
        result = run("query", "f.parquet", sql)
        assert (result.exit_code, "one statement that gives rows and only reads" in result.stderr) == (1, True), sql
    assert Path("f.parquet").read_bytes() == before
    assert run("query", "f.parquet", "DESCRIBE records").exit_code == 0


def test_bad_lines_are_summed() -> None:
    Path("in.jsonl").write_text('{"status":}\n' * 5_000 + '{"status":1}\n')
    result = run("export", "in.jsonl", "x.db")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 22
    assert result.stderr.splitlines()[-2:] == [
        "1 record, 5,000 left out: in.jsonl to x.db",
        "and 4,980 more like these",
    ]


def test_a_cut_recorder_file_is_counted() -> None:
    storage.write("r.db", many(3_000))
    data = Path("r.db").read_bytes()
    Path("r.db").write_bytes(data[: len(data) // 2])
    result = run("export", "r.db", "out.jsonl")
    written, left_out = map(int, _numbers(result.stderr.splitlines()[-1]))
    assert (result.exit_code, written + left_out) == (1, 3_000)


def _numbers(line: str) -> list[str]:
    words = line.replace(",", "").split()
    return [words[0], words[2]]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_other_encodings_are_told_once(encoding: str) -> None:
    Path("in.jsonl").write_bytes(('{"status":1}\n' * 100).encode(encoding))
    result = run("export", "in.jsonl", "x.db")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert "convert it with iconv" in result.stderr


def test_what_was_written_is_counted() -> None:
    records = [make_record(status=n, error={"error": {}} if n % 3 == 0 else None) for n in range(10)]
    storage.write("x.db", records)
    assert run("export", "x.db", "e.jsonl", "--only", "error").stderr == "4 errors: x.db to e.jsonl\n"
    assert len(Path("e.jsonl").read_text().splitlines()) == 4


def test_backup_has_what_the_log_has() -> None:
    with Recorder("r.db") as recorder:
        recorder.append(many(50))
        recorder.backup("copy.db")
        with pytest.raises(FileExistsError):
            recorder.backup("copy.db")
        with Recorder("copy.db", read_only=True) as copy:
            assert list(copy) == list(recorder) == many(50)
    assert stat.S_IMODE(os.stat("copy.db").st_mode) == 0o600
    assert list(verify("copy.db")) == []


PARTS = [
    ChatCompletion(id="a", model="m"),
    {"id": "a", "model": "m"},
    '{"id": "a", "model": "m"}',
    ChatCompletion(id="a", model="m").SerializeToString(),
]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_parts_in_every_form(part: Any) -> None:
    assert make_record(response=part) == make_record(response=PARTS[-1])
    with Recorder("r.db") as recorder:
        assert recorder.add(response=part, status=200) == 1
        assert recorder.get("a") == make_record(response=PARTS[-1], status=200)


@pytest.mark.parametrize(
    "part", [b'{"id": "a"}', b' {"id": "a"}', ChatCompletionRecord(), 5, [1], CreateChatCompletionRequest()]
)
def test_parts_of_other_types_are_told(part: Any) -> None:
    with pytest.raises((TypeError, JsonError)):
        make_record(response=part)


def test_append_takes_messages_and_one_record() -> None:
    message = ChatCompletionRecord(status=5)
    with Recorder("r.db") as recorder:
        assert recorder.append([message, message.SerializeToString()]) == range(1, 3)
        assert recorder.append(message.SerializeToString()) == range(3, 4)
        assert list(recorder) == [message.SerializeToString()] * 3
        wrongs: list[Any] = [[5], [ChatCompletion()], ["x"]]
        for wrong in wrongs:
            with pytest.raises((TypeError, ValueError)):
                recorder.append(wrong)
        assert len(recorder) == 3


def test_json_of_a_record() -> None:
    storage.write("x.db", [make_record(status=5)])
    with storage.open("x.db") as records:
        assert [json.loads(record.to_json()) for record in records] == [{"status": 5}]
