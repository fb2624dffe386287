"""Records are read in runs, which several threads decompress at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatpb.storage import Damaged, Recorder, make_record
from chatpb.storage._recorder_reader import RecordRun
from tests.support import opened_sqlite

RECORDS = [make_record(request_id=f"r{n}", peer="p" * (n % 50), labels={"n": f"{n}" * 400}) for n in range(2000)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recorder's file with records of each dictionary, and of none."""
    path = tmp_path_factory.mktemp("runs") / "x.db"
    with Recorder(path) as recorder:
        for at in range(0, len(RECORDS), 50):
            recorder.append(RECORDS[at : at + 50])
    return path


def records_of(run: RecordRun) -> list[bytes]:
    ends = [sum(run.sizes[: place + 1]) for place in range(len(run.sizes))]
    return [run.data[end - size : end] for end, size in zip(ends, run.sizes, strict=True)]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [1, 20_000, 1 << 30])
def test_runs_have_all_records_in_order(path: Path, size: int, threads: int) -> None:
    with Recorder(path, read_only=True) as recorder:
        runs = [run for run in recorder.runs(size, threads=threads) if isinstance(run, RecordRun)]
    assert [record for run in runs for record in records_of(run)] == RECORDS
    assert [number for run in runs for number in run.numbers] == list(range(1, len(RECORDS) + 1))
    assert all(len(run.data) - run.sizes[-1] < size for run in runs)  # the last one may go beyond
    if size == 1:
        assert len(runs) == len(RECORDS)
    else:
        assert any(len(run.numbers) > 1 for run in runs)


def test_runs_of_a_time(path: Path) -> None:
    with Recorder(path, read_only=True) as recorder:
        assert list(recorder.runs(1 << 20, start=1)) == []
        found = [run for run in recorder.runs(1 << 20, end=1) if isinstance(run, RecordRun)]
    assert sum(len(run.numbers) for run in found) == len(RECORDS)


@pytest.mark.parametrize("body", [b"", b"no frame", b"\0", "text", 7])
def test_damage_costs_no_neighbour(path: Path, tmp_path: Path, body: object) -> None:
    with Recorder(path, read_only=True) as recorder:
        recorder.backup(tmp_path / "y.db")
    with opened_sqlite(tmp_path / "y.db") as file:
        file.execute("UPDATE records SET body = ? WHERE seq IN (700, 701, 900)", (body,))
        file.execute("DELETE FROM records WHERE seq = 1500")
    with Recorder(tmp_path / "y.db", read_only=True) as recorder:
        found = list(recorder.runs(1 << 20, threads=2))
        one_by_one = list(recorder)
    damaged = [each for each in found if isinstance(each, Damaged)]
    assert [(each.first, each.last) for each in damaged] == [(700, 701), (900, 900), (1500, 1500)]
    assert damaged == [each for each in one_by_one if isinstance(each, Damaged)]
    records = [record for run in found if isinstance(run, RecordRun) for record in records_of(run)]
    assert records == [each for each in one_by_one if isinstance(each, bytes)]
    assert records == [record for number, record in enumerate(RECORDS, 1) if number not in (700, 701, 900, 1500)]
