"""What several threads do is what one does: items read ahead, bodies compressed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatpb.storage import Recorder, make_record
from chatpb.storage._ahead import ahead
from chatpb.storage._bodies import Bodies, train

RECORDS = [make_record(request_id=f"r{n}", peer="p" * (n % 50), status=n) for n in range(500)]


@pytest.mark.parametrize("threads", [1, 2, None])
def test_items_come_in_order_and_errors_in_their_place(threads: int | None) -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise ValueError("the sixth")

    found = ahead(items(), threads)
    assert [next(found) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="^the sixth$"):
        next(found)
    assert list(ahead([], threads)) == []


def test_reading_ahead_goes_one_item_ahead_and_ends_with_its_reader() -> None:
    made: list[int] = []

    def item(number: int) -> int:
        made.append(number)
        return number

    items = ahead(map(item, range(100)), 2)
    assert [next(items), next(items)] == [0, 1]
    items.close()
    assert made == [0, 1, 2]
    assert not any(thread.name.startswith("ahead") for thread in threading.enumerate())


@pytest.mark.parametrize("trained", [False, True])
def test_bodies_are_the_same(trained: bool) -> None:
    bodies = Bodies(6)
    bodies.add(1, train(RECORDS))
    one, two = (bodies.compress_all(RECORDS, int(trained), threads) for threads in (1, 2))
    assert one == two
    assert [bodies.decompress(body, int(trained)) for body in two] == RECORDS
    assert bodies.compress_all([], 0, 2) == []


def test_a_recorder_with_threads(tmp_path: Path) -> None:
    with Recorder(tmp_path / "x.db", threads=2) as recorder:
        for at in range(0, len(RECORDS), 100):
            recorder.append(RECORDS[at : at + 100])
        assert list(recorder) == RECORDS
