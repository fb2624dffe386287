"""Recorder: records come back by number, id, time and model, from several writers, and within limits."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from chatpb import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRecord,
    CreateChatCompletionRequest,
    WireError,
    compact_stream,
    expand_stream,
    json_to_wire,
    wire_to_json,
)
from chatpb._records.parts import make_record, parts_of
from chatpb.storage import Recorder, RecorderError
from tests.support import ROOT, exactly_equal, opened_sqlite, recording


def completion(number: int, **members: Any) -> bytes:
    obj = {"id": f"c{number}", "created": 1_700_000_000 + number, "model": f"m{number % 3}", **members}
    return make_record(response=json_to_wire(json.dumps(obj)), request_id=f"r{number}")


def many(count: int, text: str = "The quick brown fox") -> list[bytes]:
    """Return records that differ enough to train a dictionary with."""
    words = text.split()
    return [
        completion(n, choices=[{"message": {"content": " ".join(words[(n * k) % len(words)] for k in range(9)) + str(n)}}])
        for n in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["completion", "request", "stream"])
def test_recorded_traffic_comes_back(kind: str, tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.db") as recorder:
        if kind == "stream":
            groups = [
                list(group) for _, group in groupby(map(json.loads, recording("chunk")), lambda obj: obj.get("id"))
            ]
            given = [[json_to_wire(json.dumps(obj), ChatCompletionChunk) for obj in group] for group in groups]
            recorder.append(make_record(stream=compact_stream(chunks)) for chunks in given)
            found = [expand_stream(parts_of(each)["stream"]) for each in recorder if isinstance(each, bytes)]
            for chunks, objects in zip(found, groups, strict=True):
                for chunk, obj in zip(chunks, objects, strict=True):
                    assert exactly_equal(json.loads(wire_to_json(chunk, ChatCompletionChunk)), obj)
        else:
            message_type = ChatCompletion if kind == "completion" else CreateChatCompletionRequest
            part = "response" if kind == "completion" else "request"
            lines = recording(kind)
            for at in range(0, len(lines), 50):
                wires = [json_to_wire(line, message_type) for line in lines[at : at + 50]]
                recorder.append(make_record(**{part: wire}) for wire in wires)  # type: ignore[arg-type]
            found_records = list(recorder)
            for record, line in zip(found_records, lines, strict=True):
                assert isinstance(record, bytes)
                assert exactly_equal(json.loads(wire_to_json(parts_of(record)[part], message_type)), json.loads(line))


def test_dictionaries_are_trained_and_used(tmp_path: Path) -> None:
    records = many(6_000, " ".join(f"word{n * n}" for n in range(400)))
    with Recorder(tmp_path / "r.db", level=3) as recorder:
        for at in range(0, len(records), 500):
            recorder.append(records[at : at + 500])
        assert list(recorder) == records
    with opened_sqlite(tmp_path / "r.db") as file:
        used = file.execute("SELECT DISTINCT dictionary FROM records ORDER BY seq").fetchall()
        assert [number for (number,) in used][:2] == [0, 1]
        (without,), (with_it,) = file.execute("SELECT avg(length(body)) FROM records GROUP BY dictionary > 0")
    assert with_it < without


def test_numbers_and_length(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.db") as recorder:
        assert (list(recorder), len(recorder)) == ([], 0)
        assert recorder.append([]) == range(1, 1)
        assert recorder.append(many(3)) == range(1, 4)
        assert recorder.append(many(2)) == range(4, 6)
        assert len(recorder) == 5


def test_size_is_that_of_the_pages_in_use(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.db") as recorder:
        recorder.append(many(10))
        before = recorder.size
        assert before % 8192 == 0
        with opened_sqlite(tmp_path / "r.db") as file:
            for pages in (6, 15, 36):
                file.execute("INSERT INTO dictionary_copies VALUES (9, zeroblob(?))", (pages * 8192 + 2000,))
                assert recorder.size == before + pages * 8192
                file.execute("DELETE FROM dictionary_copies WHERE id = 9")
                assert recorder.size == before
        assert recorder._pragma("page_count") * 8192 > before


def test_get(tmp_path: Path) -> None:
    newer = completion(7, choices=[])
    with Recorder(tmp_path / "r.db") as recorder:
        records = many(20)
        recorder.append(records)
        assert recorder.get("c5") == recorder.get("r5") == records[5]
        assert recorder.get("c99") is None
        recorder.append([newer])
        assert recorder.get("c7") == newer


def test_ids_of_equal_hash_are_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("_recorder_reader", "_recorder"):
        monkeypatch.setattr(f"chatpb.storage.{module}.hash_of_id", lambda id: 1)
    with Recorder(tmp_path / "r.db") as recorder:
        records = many(5)
        recorder.append(records)
        assert recorder.get("c2") == records[2]
        assert recorder.get("c9") is None


SECOND = 1_000_000
START = 1_700_000_000 * SECOND


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({}, range(200)),
        ({"start": START + 190 * SECOND}, range(190, 200)),
        ({"end": START + 3 * SECOND}, range(3)),
        ({"start": START + 5 * SECOND, "end": START + 9 * SECOND, "model": "m0"}, [6]),
        ({"model": "m1"}, range(1, 200, 3)),
        ({"model": "other"}, []),
        ({"start": START + 200 * SECOND}, []),
    ],
)
def test_scan(query: dict[str, Any], numbers: Any, tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.db") as recorder:
        records = many(200)
        recorder.append(records)
        assert list(recorder.scan(**query)) == [records[number] for number in numbers]


def test_the_start_time_comes_before_created(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.db") as recorder:
        response = json_to_wire('{"created": 5}')
        records = [make_record(response=response, start_time=7), make_record(response=response), make_record()]
        recorder.append(records)
        assert list(recorder.scan(start=6, end=8)) == records[:1]
        assert list(recorder.scan(start=5 * SECOND)) == records[1:2]
        assert list(recorder.scan(end=1)) == records[2:]


def test_an_append_with_a_bad_record_appends_nothing(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.db") as recorder:
        with pytest.raises(WireError) as caught:
            recorder.append([completion(1), b"\xff"])
        assert caught.value.path.startswith("/1")
        assert list(recorder) == []


def test_size_limit(tmp_path: Path) -> None:
    limit = 400_000
    with Recorder(tmp_path / "r.db", level=1, max_bytes=limit) as recorder:
        for batch in range(30):
            recorder.append(completion(batch * 100 + n, noise=f"{(batch, n)}" * 20) for n in range(100))
            assert recorder.size <= limit
        found = list(recorder)
        assert 0 < len(found) == len(recorder) < 3_000
        assert found[-1] == completion(2999, noise=f"{(29, 99)}" * 20)
        assert recorder.get("c0") is None
        assert recorder.get("c2999")
    with opened_sqlite(tmp_path / "r.db") as file:
        assert file.execute("SELECT count(*) FROM ids").fetchone() == (2 * len(found),)
        # Pages that became free are used again, so the file is not much larger than its limit.
        assert file.execute("PRAGMA page_count").fetchone()[0] * 8192 < 1.5 * limit


class Clock:
    """The time of day as a recorder reads it, in nanoseconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_750_000_000 * 10**9
        monkeypatch.setattr("chatpb.storage._recorder.time.time_ns", lambda: self.now)

    def advance(self, seconds: float) -> None:
        self.now += int(seconds * 1e9)


def test_age_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records are deleted by their arrival, whatever time they have themselves, and whatever a clock did before."""
    clock = Clock(monkeypatch)
    year = 365 * 86_400
    with Recorder(tmp_path / "r.db", max_age=3600) as recorder:
        recorder.append([make_record(start_time=clock.now // 1000 + year * SECOND), make_record(start_time=0)])
        clock.advance(year)
        recorder.append([make_record(status=1)])  # while the clock is a year ahead
        assert list(recorder) == [make_record(status=1)]
        clock.advance(-year + 3000)
        recorder.append([make_record(status=2)])
        clock.advance(500)
        recorder.append([make_record(start_time=1)])
        clock.advance(102)
        recorder.append([])
        assert list(recorder) == [make_record(status=1), make_record(status=2), make_record(start_time=1)]
        clock.advance(3000)
        recorder.append([])
        assert list(recorder) == [make_record(start_time=1)]
        clock.advance(year)
        assert recorder.append([make_record(start_time=2)]) == range(6, 7)
        assert list(recorder) == [make_record(start_time=2)]
    with opened_sqlite(tmp_path / "r.db") as file:
        assert file.execute("SELECT count(*) FROM arrivals").fetchone() == (1,)


def test_reading_while_records_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    with Recorder(tmp_path / "r.db") as reader, Recorder(tmp_path / "r.db", max_age=1) as writer:
        reader.append(many(300))
        walk = iter(reader)
        first = next(walk)
        clock.advance(3)
        writer.append([])
        rest = list(walk)
        assert first == many(1)[0]
        assert all(isinstance(each, bytes) for each in rest)
        assert len(rest) < 1999


def script(path: Path, sql: str) -> None:
    with opened_sqlite(path) as file:
        file.executescript(sql)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b"no database " * 99), "not a recorder file, and no SQLite database at all"),
        (
            lambda path: script(path, "CREATE TABLE t (x)"),
            "not a recorder file, but another SQLite database",
        ),
        (
            lambda path: script(path, "PRAGMA application_id = 7"),
            "not a recorder file, but another SQLite database",
        ),
    ],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_foreign_files_are_refused_and_left_alone(make: Any, reason: str, read_only: bool, tmp_path: Path) -> None:
    path = tmp_path / "foreign.db"
    make(path)
    before = path.read_bytes()
    with pytest.raises(RecorderError) as caught:
        Recorder(path, read_only=read_only)
    assert str(caught.value) == f"{path}: {reason}"
    assert path.read_bytes() == before


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    Recorder(tmp_path / "r.db").close()
    with opened_sqlite(tmp_path / "r.db") as file:
        file.execute("PRAGMA user_version = 3")
    with pytest.raises(RecorderError, match="a recorder file of version 3; this chatpb reads up to 2"):
        Recorder(tmp_path / "r.db")


def test_an_earlier_version_is_read_but_not_written(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.db") as recorder:
        recorder.append(many(1))
    with opened_sqlite(tmp_path / "r.db") as file:
        file.execute("PRAGMA user_version = 1")
    with pytest.raises(RecorderError, match="of an earlier version: `chatpb export` makes a file of it"):
        Recorder(tmp_path / "r.db")
    with Recorder(tmp_path / "r.db", read_only=True) as reader:
        assert list(reader) == many(1)


def test_the_log_shrinks_to_what_the_page_says(tmp_path: Path) -> None:
    (megabytes,) = re.findall(r"afterwards it is at most (\d+) MB", (ROOT / "docs" / "storage.md").read_text())
    with Recorder(tmp_path / "r.db") as recorder:
        assert recorder._connection.execute("PRAGMA journal_size_limit").fetchone() == (int(megabytes) << 20,)


def test_a_read_only_recorder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Recorder(tmp_path / "r.db", read_only=True)
    with Recorder(tmp_path / "r.db") as writer, Recorder(tmp_path / "r.db", read_only=True) as reader:
        writer.append(many(3))
        assert list(reader) == many(3)
        with pytest.raises(RecorderError, match="opened for reading alone"):
            reader.append(many(1))


def test_errors_of_sqlite_are_recorder_errors(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "r.db")
    recorder.append(many(1))
    walk, scan = iter(recorder), recorder.scan(end=START + SECOND)
    recorder.close()
    uses: list[Any] = [
        lambda: recorder.append(many(1)),
        lambda: recorder.get("c0"),
        lambda: recorder.size,
        lambda: len(recorder),
        lambda: next(walk),
        lambda: next(scan),
    ]
    for use in uses:
        with pytest.raises(RecorderError, match=re.escape(f"{tmp_path / 'r.db'}: ")):
            use()


def test_other_languages_can_read_it(tmp_path: Path) -> None:
    """They need only SQLite, zstd and protobuf."""
    import zstandard

    with Recorder(tmp_path / "r.db") as recorder:
        records = many(3_000)
        for at in range(0, 3_000, 1_000):
            recorder.append(records[at : at + 1_000])
    with opened_sqlite(tmp_path / "r.db") as file:
        plain = zstandard.ZstdDecompressor()
        readers = {0: plain}
        for number, body in file.execute("SELECT id, body FROM dictionaries"):
            data = zstandard.ZstdCompressionDict(plain.decompress(body))
            readers[number] = zstandard.ZstdDecompressor(dict_data=data)
        rows = file.execute("SELECT dictionary, body FROM records ORDER BY seq").fetchall()
    found = [ChatCompletionRecord.FromString(readers[number].decompress(body)) for number, body in rows]
    assert [each.response.id for each in found] == [f"c{n}" for n in range(3_000)]
    assert len(readers) > 1
    assert {zstandard.get_frame_parameters(body).dict_id == number for number, body in rows} == {True}


WRITER = """
import sys
from chatpb.storage import Recorder
from chatpb._records.parts import make_record
with Recorder(sys.argv[1], level=1, timeout=300) as recorder:
    for number in range(100):
        recorder.append([make_record(request_id=f"{sys.argv[2]}-{number}-{part}") for part in range(3)])
"""


def test_several_writers(tmp_path: Path) -> None:
    """They also make the file at the same time."""
    path = tmp_path / "r.db"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    with Recorder(path, read_only=True) as recorder:
        found = [ChatCompletionRecord.FromString(each).request_id for each in recorder if isinstance(each, bytes)]
        assert recorder.get("b-50-1")
    for name in "abc":
        mine = [id for id in found if id.startswith(name)]
        assert mine == [f"{name}-{number}-{part}" for number in range(100) for part in range(3)]
    assert len(found) == 900
