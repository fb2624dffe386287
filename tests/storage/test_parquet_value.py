"""A large record of Parquet that is read without Arrow: it is what Arrow reads, or left to Arrow."""

from __future__ import annotations

import io
import random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatpb import storage
from chatpb.storage._parquet_value import only_value

VALUE = random.Random(1).randbytes(3 << 20) + b"\n" * (3 << 20)
OURS: dict[str, Any] = {
    "compression": "zstd",
    "use_dictionary": False,
    "column_encoding": {"wire": "DELTA_LENGTH_BYTE_ARRAY"},
    "write_page_checksum": True,
    "write_statistics": False,
    "data_page_size": 64 << 20,
}


def file_of(values: list[bytes | None], *, nullable: bool = False, **options: Any) -> bytes:
    table = pa.table({"wire": pa.array(values, pa.binary())}, pa.schema([pa.field("wire", pa.binary(), nullable)]))
    file = io.BytesIO()
    pq.write_table(table, file, **{**OURS, **options})
    return file.getvalue()


def read(data: bytes) -> bytes | None:
    return only_value(pa.BufferReader(data), pq.ParquetFile(io.BytesIO(data)), 0, 0)


@pytest.mark.parametrize("value", [b"", b"x", b"x" * 200, VALUE], ids=len)
@pytest.mark.parametrize("options", [{}, {"write_page_checksum": False}], ids=["checksum", "none"])
def test_as_it_is_written_here(value: bytes, options: dict[str, Any]) -> None:
    assert read(file_of([value], **options)) == value


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ([VALUE], {"compression": "snappy"}),
        ([VALUE], {"compression": "none"}),
        ([VALUE], {"column_encoding": {"wire": "PLAIN"}}),
        ([VALUE], {"column_encoding": {"wire": "DELTA_BYTE_ARRAY"}}),
        ([VALUE], {"use_dictionary": True, "column_encoding": None}),
        ([VALUE], {"data_page_version": "2.0"}),
        ([VALUE], {"write_statistics": True}),
        ([VALUE], {"nullable": True}),
        ([None], {"nullable": True}),
        ([b"x", VALUE], {}),
    ],
)
def test_what_is_left_to_arrow(values: list[bytes | None], options: dict[str, Any]) -> None:
    assert read(file_of(values, **options)) in (None, VALUE)


def test_a_file_of_another_program(tmp_path: Any) -> None:
    """Its record is the same by either way."""
    record = storage.make_record(request_id="r", labels={"text": "text " * (1 << 19)})
    others: list[dict[str, Any]] = [{}, {"compression": "snappy"}, {"nullable": True}]
    for number, options in enumerate(others):
        path = tmp_path / f"{number}.parquet"
        path.write_bytes(file_of([record], **options))
        assert [each.wire for each in storage.open(path)] == [record]


SMALL = file_of([b"a text " * 40])


@given(st.integers(4, len(SMALL) - 1), st.integers(1, 255), st.booleans())
def test_damage_gives_no_other_value(at: int, bits: int, is_cut: bool) -> None:
    """The footer stays whole: Arrow has read it before."""
    opened = pq.ParquetFile(io.BytesIO(SMALL))
    damaged = SMALL[:at] if is_cut else SMALL[:at] + bytes([SMALL[at] ^ bits]) + SMALL[at + 1 :]
    assert only_value(pa.BufferReader(damaged), opened, 0, 0) in (None, b"a text " * 40)


def test_a_record_above_the_limit_is_not_read(tmp_path: Any) -> None:
    path = tmp_path / "x.parquet"
    large, small = (storage.make_record(labels={"text": "x" * size}) for size in (4 << 20, 1 << 20))
    storage.write(path, [large, small])
    with storage.open(path, max_record=2 << 20) as records:
        assert [each.wire for each in records] == [small]
    (line,) = records.refusals.lines
    assert line.startswith(f"{path}: record 1: it ")
    assert line.endswith(f"above the limit of {2 << 20}")
