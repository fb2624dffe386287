"""Batches: bounded by bytes and rows, in order, large records alone, and bad ones told from good ones."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatpb import ChatpbError
from chatpb._files.refusals import Refusals
from chatpb.storage import _batch
from chatpb.storage._batch import Batch, in_batches
from chatpb.storage._sift import sift

ROWS, BYTES, LARGE = 4, 20, 50


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_batch, "BATCH_ROWS", ROWS)
        patch.setattr(_batch, "BATCH_BYTES", BYTES)
        patch.setattr(_batch, "LARGE", LARGE)
        yield


@given(st.lists(st.sampled_from([0, 1, 5, 9, 10, 11, 19, 20, 21, LARGE - 1, LARGE, LARGE + 1])))
def test_a_batch_ends_with_the_record_that_fills_it(sizes: list[int]) -> None:
    records = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    batches = list(in_batches(enumerate(records), lambda number: f"record {number}"))
    assert [wire for batch in batches for wire in batch.wires()] == records
    assert [batch.place(row) for batch in batches for row in range(len(batch.wire))] == [
        f"record {number}" for number in range(len(records))
    ]
    for number, batch in enumerate(batches):
        *before, last = (len(wire) for wire in batch.wires())
        if last >= LARGE:
            assert not before
            assert batch.large == batch.wire[0].as_py()
            continue
        assert batch.large is None
        assert sum(before) < BYTES
        assert len(before) < ROWS
        is_full = sum(before) + last >= BYTES or len(before) + 1 == ROWS
        # Only the end, or a large record, ends a batch that is not full.
        assert is_full or number + 1 == len(batches) or batches[number + 1].large is not None


def refuse_odd(rows: list[int]) -> list[int]:
    if any(row % 2 for row in rows):
        raise ChatpbError("odd")
    return rows


@given(st.lists(st.integers(0, 9)))
def test_bad_ones_are_told_from_good_ones(rows: list[int]) -> None:
    bad: list[int] = []
    made = list(sift(rows, refuse_odd, lambda row, error: bad.append(row)))
    assert [row for piece in made for row in piece] == [row for row in rows if not row % 2]
    assert bad == [place for place, row in enumerate(rows) if row % 2]
    if not bad:
        assert len(made) == 1  # nothing is divided for nothing


@given(st.lists(st.integers(0, 9), max_size=20))
def test_a_batch_without_bad_rows_has_the_places_of_the_others(rows: list[int]) -> None:
    told: list[str] = []
    batch = Batch(pa.array([b"%d" % row for row in rows], pa.large_binary()), lambda row: f"place {row}")
    good = batch.without_bad(lambda each: refuse_odd([int(row.as_py()) for row in each]), Refusals(told.append))
    expected = [place for place, row in enumerate(rows) if not row % 2]
    assert [good.place(row) for row in range(len(good.wire))] == [f"place {place}" for place in expected]
    assert [int(wire) for wire in good.wires()] == [rows[place] for place in expected]
    assert told == [f"place {place}: odd" for place, row in enumerate(rows) if row % 2]


@given(st.lists(st.integers(0, 9), min_size=2, max_size=9))
def test_halves_have_their_places(rows: list[int]) -> None:
    batch = Batch(pa.array([b"%d" % row for row in rows], pa.large_binary()), lambda row: f"place {row}")
    second, first = batch.halves()
    assert first.wires() + second.wires() == batch.wires()
    places = [half.place(row) for half in (first, second) for row in range(len(half.wire))]
    assert places == [f"place {row}" for row in range(len(rows))]
    assert 0 <= len(second.wire) - len(first.wire) <= 1
