"""Faults of a recorder's file: killed writers, damaged pages, full disks and locks.

`CHATPB_KILLS=200 pytest tests/storage/test_faults.py -k killed` kills 200 writers rather than 8.
"""

from __future__ import annotations

import math
import os
import random
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from chatpb._records.parts import make_record
from chatpb.storage import BackgroundRecorder, Damaged, Recorder, RecorderError, restore_first_page, verify
from tests.storage.test_recorder import completion, many
from tests.support import ROOT, opened_sqlite

KILLS = int(os.environ.get("CHATPB_KILLS", "8"))

APPENDING = """
import os, sys
from chatpb.storage import Recorder
from tests.storage.test_recorder import completion
with Recorder(sys.argv[1], level=1) as recorder:
    number = len(recorder)
    while True:
        count = number % 7 + 1
        recorder.append([completion(number + n, noise="x" * ((number + n) % 900)) for n in range(count)])
        number += count
        os.write(1, b"%d\\n" % number)
"""


def test_a_writer_killed_at_any_moment_loses_nothing_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(1)
    path = tmp_path / "r.db"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(ROOT)])}
    checked = 0
    for _ in range(KILLS):
        writer = subprocess.Popen([sys.executable, "-c", APPENDING, str(path)], stdout=subprocess.PIPE, env=environment)
        assert writer.stdout
        for _ in range(chance.randrange(1, 60)):
            writer.stdout.readline()
        # The writer goes on while this counts, so that the signal comes at any moment.
        sum(range(chance.randrange(50_000)))
        writer.kill()
        rest = writer.stdout.read().splitlines()
        writer.wait()
        writer.stdout.close()
        acknowledged = int(rest[-1]) if rest and rest[-1] else checked
        with Recorder(path) as recorder:
            assert len(recorder) >= acknowledged
            found = list(recorder.scan(start=(1_700_000_000 + checked) * 1_000_000))
            assert found == [completion(n, noise="x" * (n % 900)) for n in range(checked, len(recorder))]
            assert recorder.get(f"c{len(recorder) - 1}") == found[-1]
            checked = len(recorder)
    with opened_sqlite(path) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def page_of(path: Path, seq: int) -> int:
    """Return the page, from 0, that holds the start of a record's body."""
    with opened_sqlite(path) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (body,) = file.execute("SELECT body FROM records WHERE seq = ?", (seq,)).fetchone()
    return path.read_bytes().index(body[:40]) // 8192


def numbers_of(found: list[bytes | Damaged], records: list[bytes]) -> set[int]:
    """Return the numbers of the records reported as damaged. Assert that all others are as they were."""
    damaged: set[int] = set()
    at = 1
    for each in found:
        if isinstance(each, Damaged):
            assert each.first == at
            at = each.last + 1
            damaged.update(range(each.first, at))
        else:
            assert each == records[at - 1]
            at += 1
    assert at == len(records) + 1
    return damaged


def record(path: Path, records: list[bytes]) -> bytes:
    """Write records to a file, leave no log beside it, and return the file's bytes."""
    with Recorder(path, level=1) as recorder:
        recorder.append(records)
    page_of(path, 1)
    return path.read_bytes()


def flip(path: Path, whole: bytes, at: int, bit: int) -> None:
    """Write a file's bytes with one bit changed."""
    data = bytearray(whole)
    data[at] ^= 1 << bit
    path.write_bytes(data)


def place_of(whole: bytes, number: int) -> int:
    """Return where a record's row has its time, highest byte first."""
    return whole.index(((1_700_000_000 + number) * 1_000_000).to_bytes(8, "big"))


def reports_damage(found: list[bytes | Damaged], expected: list[bytes]) -> bool:
    """Return whether damage is reported. Assert that otherwise the records are as expected."""
    reported = any(isinstance(each, Damaged) for each in found)
    assert reported or found == expected
    return reported


@pytest.mark.parametrize("torn", ["zeros", "noise", "half"])
def test_a_torn_page_costs_its_own_records(torn: str, tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    records = many(2_000)
    with Recorder(path, level=1) as recorder:
        recorder.append(records)
    page = page_of(path, 1_000)
    data = bytearray(path.read_bytes())
    start, size = page * 8192, 4096 if torn == "half" else 8192
    data[start : start + size] = bytes(size) if torn == "zeros" else random.Random(1).randbytes(size)
    path.write_bytes(data)
    with Recorder(path) as recorder:
        damaged = numbers_of(list(recorder), records)
        assert 1_000 in damaged
        assert len(damaged) < 300
        with pytest.raises(RecorderError):
            recorder.get("c999")
        assert recorder.get("c5") == records[5]
        # Records can still be appended.
        recorder.append(many(3))
        assert list(recorder)[-3:] == many(3)


def test_a_file_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    records = many(4_000)
    with Recorder(path, level=1) as recorder:
        for start in range(0, 4_000, 500):
            recorder.append(records[start : start + 500])
    page_of(path, 1)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4 + 100])
    with Recorder(path, read_only=True) as recorder:
        damaged = numbers_of(list(recorder), records)
        assert 0 < len(damaged) < 3_000
        assert recorder.get("c5") == records[5]
    assert list(verify(path))


def test_a_flipped_bit_in_a_body_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    records = many(300)
    whole = record(path, records)
    with opened_sqlite(path) as file:
        (body,) = file.execute("SELECT body FROM records WHERE seq = 100").fetchone()
    at = whole.index(body)
    for place in range(len(body)):
        flip(path, whole, at + place, place % 8)
        with Recorder(path, read_only=True) as recorder:
            # A flip in a frame's header may leave its content unchanged.
            assert numbers_of(list(recorder), records) <= {100}
            if place >= 8:
                assert numbers_of(list(recorder), records) == {100}


def test_a_flipped_bit_in_a_rows_time_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    records = many(50)
    whole = record(path, records)
    noticed = 0
    for number in range(50):
        at = place_of(whole, number)
        for bit in range(20, 64, 3):
            flip(path, whole, at + 7 - bit // 8, bit % 8)
            with Recorder(path, read_only=True) as recorder:
                found = list(recorder.scan(start=1_700_000_010_000_000, end=1_700_000_030_000_000))
                noticed += reports_damage(found, records[10:30])
                assert list(recorder) == records
    assert noticed > 200


def test_a_flipped_bit_in_a_rows_model_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    records = many(50)
    whole = record(path, records)
    noticed = 0
    # The first model's id takes no byte in the row; the ids of others follow the time.
    for number in (each for each in range(50) if each % 3):
        at = place_of(whole, number) + 8
        assert whole[at] == number % 3 + 1
        for bit in range(8):
            flip(path, whole, at, bit)
            with Recorder(path, read_only=True) as recorder:
                for model in range(3):
                    noticed += reports_damage(list(recorder.scan(model=f"m{model}")), records[model::3])
                assert list(recorder) == records
    assert noticed > 200


def test_flipped_bits_anywhere_lose_no_record_unseen(tmp_path: Path) -> None:
    """`verify` reports each flip that changes any answer."""
    path = tmp_path / "r.db"
    records = many(400)
    whole = record(path, records)
    chance = random.Random(7)
    opened = reported = 0
    for _ in range(150):
        flip(path, whole, chance.randrange(100, len(whole)), chance.randrange(8))
        try:
            with Recorder(path, read_only=True) as recorder:
                found = list(recorder)
        except RecorderError:
            continue
        opened += 1
        good = [each for each in found if isinstance(each, bytes)]
        assert set(good) <= set(records)
        assert len(good) == len(records) or any(isinstance(each, Damaged) for each in found)
        if list(verify(path)):
            reported += 1
        else:
            assert_answers(path, records)
    assert opened > 140
    assert reported > 50


def assert_answers(path: Path, records: list[bytes]) -> None:
    """Assert that records are found by iterating, by model, by time and by id."""
    with Recorder(path, read_only=True) as recorder:
        assert list(recorder) == records
        for model in range(3):
            assert list(recorder.scan(model=f"m{model}")) == records[model::3]
        for start in range(0, len(records), 50):
            assert list(recorder.scan(start=(1_700_000_000 + start) * 1_000_000)) == records[start:]
        for number in range(0, len(records), 9):
            assert recorder.get(f"c{number}") == recorder.get(f"r{number}") == records[number]


def test_a_destroyed_first_page_is_restored(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    records = many(3_000)
    with Recorder(path, level=1) as recorder:
        recorder.append(records[:2_000])
        recorder.append(records[2_000:])
    page_of(path, 1)
    with pytest.raises(RecorderError, match="its first page is whole"):
        restore_first_page(path)
    data = path.read_bytes()
    for torn in (bytes(8192), random.Random(1).randbytes(8192), data[:4096] + bytes(4096)):
        path.write_bytes(torn + data[8192:])
        restore_first_page(path)
        assert list(verify(path)) == []
        assert_answers(path, records)
    with Recorder(path) as recorder:
        recorder.append(many(1))
        assert list(recorder) == [*records, *many(1)]
    foreign = random.Random(2).randbytes(5 * 8192)
    path.write_bytes(foreign)
    with pytest.raises(RecorderError, match="a new first page does not help"):
        restore_first_page(path)
    assert path.read_bytes() == foreign


def test_a_damaged_dictionary_has_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    records = many(3_000)
    with Recorder(path, level=1) as recorder:
        recorder.append(records)
        more = [completion(n, noise="more") for n in range(50)]
        recorder.append(more)
    with opened_sqlite(path) as file:
        assert file.execute("SELECT max(dictionary) FROM records").fetchone() == (1,)
        file.execute("UPDATE dictionaries SET body = zeroblob(length(body))")
    with Recorder(path) as recorder:
        assert list(recorder) == records + more
    with opened_sqlite(path) as file:
        file.execute("UPDATE dictionary_copies SET body = zeroblob(length(body))")
    with Recorder(path) as recorder:
        found = list(recorder)
        assert found == [*records, Damaged(3_001, 3_050, "its dictionary cannot be read")]
        recorder.append(many(1))
        assert list(recorder)[-1] == many(1)[0]


def test_a_missing_row_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with Recorder(path) as recorder:
        recorder.append(many(10))
    with opened_sqlite(path) as file:
        file.execute("DELETE FROM records WHERE seq IN (1, 4, 5, 10)")
    with Recorder(path) as recorder:
        assert [each for each in recorder if isinstance(each, Damaged)] == [
            Damaged(first, last, "its row is missing") for first, last in ((1, 1), (4, 5), (10, 10))
        ]


def fill(recorder: Recorder) -> None:
    """Keep the database from growing, as a full disk does."""
    pages = recorder._pragma("page_count")
    recorder._connection.execute(f"PRAGMA max_page_count = {pages}")


def noise(number: int) -> list[bytes]:
    chance = random.Random(number)
    return [completion(number, noise=chance.randbytes(20_000).hex())]


def test_a_full_disk_refuses_records_and_keeps_those_it_has(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.db") as recorder:
        recorder.append(many(10))
        fill(recorder)
        with pytest.raises(RecorderError, match="database or disk is full"):
            recorder.append(noise(1))
        assert list(recorder) == many(10)
        recorder._connection.execute("PRAGMA max_page_count = 100000")
        assert recorder.append(noise(1)) == range(11, 12)


def test_a_locked_file(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with Recorder(path, timeout=0.05) as recorder:
        recorder.append(many(3))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RecorderError, match="database is locked"):
            recorder.append(many(1))
        assert list(recorder) == many(3)
        other.execute("ROLLBACK")
        other.close()
        assert recorder.append(many(1)) == range(4, 5)


def test_in_the_background(tmp_path: Path) -> None:
    counted: list[tuple[str, int]] = []
    writer = BackgroundRecorder(
        Recorder(tmp_path / "r.db"), on_count=lambda what, number: counted.append((what, number))
    )
    records = many(1_000)
    assert all(writer.put(lambda record=record: record, len(record)) for record in records)  # type: ignore[misc]
    writer.close()
    assert (writer.written, writer.lost) == (1_000, 0)
    assert sum(number for _, number in counted) == 1_000
    with Recorder(tmp_path / "r.db") as recorder:
        assert list(recorder) == records
    assert not writer.put(lambda: b"", 0)
    assert writer.lost == 1


@pytest.mark.parametrize("trouble", ["full", "locked"])
def test_losses_in_the_background_are_counted_and_logged(
    trouble: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder(tmp_path / "r.db", timeout=0.01)
    other = sqlite3.connect(tmp_path / "r.db", isolation_level=None)
    if trouble == "full":
        fill(recorder)
    else:
        other.execute("BEGIN IMMEDIATE")
    writer = BackgroundRecorder(recorder, log_every=math.inf)
    for number in range(50):
        assert writer.put(lambda number=number: noise(number)[0], 20_000)  # type: ignore[misc]
    writer.close()
    other.close()
    assert (writer.written, writer.lost) == (0, 50)
    logged = [record.getMessage() for record in caplog.records]
    assert 1 <= len(logged) <= 2
    assert ("database is locked" if trouble == "locked" else "database or disk is full") in logged[0]
    assert "noise" not in "".join(logged)


@pytest.mark.parametrize(
    ("times", "logged"),
    [
        ([100], [1]),
        ([100, 109.9], [1]),  # the second is logged at the end
        ([100, 110], [1, 1]),
        ([100, 105, 109, 111, 112, 121], [1, 3, 2]),
    ],
    ids=str,
)
def test_losses_are_logged_once_in_a_while(
    times: list[float],
    logged: list[int],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writer = BackgroundRecorder(Recorder(tmp_path / "r.db"), max_bytes=1)
    for now in times:
        monkeypatch.setattr("chatpb.storage._background_recorder.time.monotonic", lambda now=now: now)
        assert not writer.put(make_record, 2)
    assert [int(record.getMessage().split()[0]) for record in caplog.records] == logged
    monkeypatch.undo()
    writer.close()
    assert sum(int(record.getMessage().split()[0]) for record in caplog.records) == len(times) == writer.lost


def test_a_full_queue_loses_new_records_and_a_bad_record_only_itself(tmp_path: Path) -> None:
    writer = BackgroundRecorder(Recorder(tmp_path / "r.db"), max_records=3)
    begun, go = threading.Event(), threading.Event()

    def slow() -> bytes:
        begun.set()
        go.wait()
        return make_record()

    def bad() -> bytes:
        raise ValueError("what was said")

    assert writer.put(slow, 1)
    begun.wait()
    assert [writer.put(make, 1) for make in (make_record, bad, make_record, make_record, make_record)] == [
        True, True, True, False, False,
    ]  # fmt: skip
    go.set()
    writer.close()
    assert (writer.written, writer.lost) == (3, 3)


def test_bytes_in_the_queue_are_bounded(tmp_path: Path) -> None:
    writer = BackgroundRecorder(Recorder(tmp_path / "r.db"), max_bytes=100)
    assert not writer.put(make_record, 101)
    assert writer.put(make_record, 100)
    writer.close()
    assert (writer.written, writer.lost) == (1, 1)


def test_closing_takes_no_longer_than_its_timeout(tmp_path: Path) -> None:
    writer = BackgroundRecorder(Recorder(tmp_path / "r.db"))
    begun, go = threading.Event(), threading.Event()

    def stuck() -> bytes:
        begun.set()
        go.wait()
        return make_record()

    writer.put(stuck, 1)
    begun.wait()
    for _ in range(3):
        writer.put(make_record, 1)
    for _ in range(2):
        writer.close(timeout=0.01)
    go.set()
    writer._thread.join()
    # Also the one in hand: whether it was written could not be awaited.
    assert (writer.written, writer.lost) == (0, 4)
    writer._recorder.close()
