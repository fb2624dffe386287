"""Several threads give what one thread gives: items that are made ahead, and records that are compressed."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatpb.storage import Recorder, make_record
from chatpb.storage._prefetch import prefetch
from chatpb.storage._record_compression import RecordCompression, train_dictionary

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
