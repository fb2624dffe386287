"""Several threads give what one thread gives: items that are made ahead, and records that are compressed."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chatpb.storage import Recorder, _parquet, make_record, verify
from chatpb.storage._batch import Batch
from chatpb.storage._parquet import write_file
from chatpb.storage._prefetch import prefetch
from chatpb.storage._record_compression import RecordCompression, train_dictionary
from chatpb.storage._recorder import append_batches
from tests.support import opened_sqlite

RECORDS = [make_record(request_id=f"r{n}", peer="p" * (n % 50), status=n) for n in range(500)]


@pytest.mark.parametrize("threads", [1, 2, None])
def test_items_come_in_order_and_errors_in_their_place(threads: int | None) -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise ValueError("the sixth")

    found = prefetch(items(), threads)
    assert [next(found) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="^the sixth$"):
        next(found)
    assert list(prefetch([], threads)) == []


def test_prefetching_is_one_item_ahead_and_ends_with_its_reader() -> None:
    made: list[int] = []

    def item(number: int) -> int:
        made.append(number)
        return number

    items = prefetch(map(item, range(100)), 2)
    assert [next(items), next(items)] == [0, 1]
    items.close()
    assert made == [0, 1, 2]
    assert not any(thread.name.startswith("prefetch") for thread in threading.enumerate())


def test_a_large_item_is_alone() -> None:
    """None is made while it is in use, and nothing keeps it when its user has let go of it."""
    made: list[weakref.ref[bytearray]] = []

    class Large(bytearray):
        pass

    def items() -> Iterator[bytearray]:
        for size in (1, 32 << 20, 1, 1):
            item = Large(size)
            made.append(weakref.ref(item))
            yield item
            del item

    found = prefetch(items(), 2, len)
    for size, at_most in ((1, 2), (32 << 20, 2), (1, 4), (1, 4)):
        item = next(found)
        assert len(item) == size
        assert len(made) <= at_most
        del item
    assert next(found, None) is None
    assert all(each() is None for each in made)


@pytest.mark.parametrize(("size", "made_ahead"), [((16 << 20) - 1, 1), (16 << 20, 0)])
def test_an_item_of_16_mib_is_large(size: int, made_ahead: int) -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(3):
            made.append(number)
            yield number

    found = prefetch(items(), 2, lambda item: size)
    assert next(found) == 0
    found.close()  # waits for what is made ahead
    assert len(made) == 1 + made_ahead


@pytest.mark.parametrize("trained", [False, True])
def test_threads_compress_alike(trained: bool) -> None:
    compression = RecordCompression(6)
    dictionary = train_dictionary(RECORDS)
    assert dictionary
    compression.add_dictionary(1, dictionary)
    one, two = (compression.compress_all(RECORDS, int(trained), threads) for threads in (1, 2))
    assert one == two
    assert [compression.decompress(body, int(trained)) for body in two] == RECORDS
    assert compression.compress_all([], 0, 2) == []


def test_a_recorder_with_threads(tmp_path: Path) -> None:
    with Recorder(tmp_path / "x.db", threads=2) as recorder:
        for at in range(0, len(RECORDS), 100):
            recorder.append(RECORDS[at : at + 100])
        assert list(recorder) == RECORDS


@pytest.mark.parametrize("threads", [1, 2])
def test_batches_beside_another_writer(threads: int, tmp_path: Path) -> None:
    """What is trained while batches are appended compresses the later ones, and another thread may append meanwhile."""
    records = [make_record(request_id=f"r{n}", peer="p" * (n % 50), labels={"text": f"{n} " * 40}) for n in range(4000)]
    others = [make_record(request_id=f"other {n}") for n in range(200)]
    with Recorder(tmp_path / "x.db", threads=threads) as recorder:
        thread = threading.Thread(target=lambda: [recorder.append(other) for other in others])
        thread.start()
        batches = (records[at : at + 100] for at in range(0, len(records), 100))
        numbers = list(append_batches(recorder, batches, threads))
        thread.join()
        found = list(recorder)
        assert [found[number - 1] for each in numbers for number in each] == records
        assert [record for record in found if record in others] == others
    assert list(verify(tmp_path / "x.db")) == []
    with opened_sqlite(tmp_path / "x.db") as file:
        last = "SELECT dictionary FROM records WHERE seq = ?"
        assert (
            file.execute(last, (numbers[-1].start,)).fetchone()
            == file.execute("SELECT max(id) FROM dictionaries").fetchone()
        )


def test_a_row_group_is_made_while_the_one_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However large the group: only a record that is large by itself is alone in memory."""
    monkeypatch.setattr(_parquet, "GROUP_BYTES", 20 << 20)
    record = make_record(labels={"text": "t" * (900 << 10)})
    made_next = threading.Event()

    def batches() -> Iterator[Batch]:
        for number in range(8):
            if number == 5:  # the fifth, which did not fit in the first group, has been taken
                made_next.set()
            yield Batch(pa.array([record] * 5, pa.large_binary()), str)

    write_table = pq.ParquetWriter.write_table

    def write(*args: object, **options: object) -> None:
        assert made_next.wait(60)
        write_table(*args, **options)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", write)
    write_file(str(tmp_path / "x.parquet"), batches(), [], {}, None, 2)
    assert pq.ParquetFile(tmp_path / "x.parquet").num_row_groups == 2
