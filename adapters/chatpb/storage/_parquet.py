"""Records in Parquet: a file, or a dataset partitioned by day, on this machine or on any fsspec store.

The columns are those of `chatpb.arrow.SCHEMA`, or `wire` and some of them. Pages have checksums, and what is read is
checked, so that a damaged row group is found and named, and the others are read.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs
import pyarrow.parquet as pq

from chatpb._errors import ChatpbError
from chatpb.arrow import SCHEMA, with_columns
from chatpb.storage._ahead import ahead
from chatpb.storage._stores import filesystem_of, first_line, new_file, new_folder, reaching

__all__ = ["ParquetInput", "write_dataset", "write_file"]

LEVEL: Final = 9
"""The zstd level unless another is asked for."""

GROUP_ROWS: Final = 100_000
GROUP_BYTES: Final = 64 << 20
"""Rows, and bytes of records, of a row group at most."""

ROWS: Final = 4096
"""Rows that are handed on at a time."""

_REPEATING: Final = [
    "model",
    "streamed",
    "status",
    "error",
    "finish_reasons.list.element",
    "tool_names.list.element",
    "peer",
]
_INTEGERS: Final = [
    field.name for field in SCHEMA if pa.types.is_int64(field.type) or pa.types.is_timestamp(field.type)
]
_BOUNDED: Final = ["time", "created", "model", "status"]
"""Columns whose least and greatest values tell a reader which row groups to skip."""

_DAY: Final = "day"

OPEN: Final = 256
"""Files that are written at once; when records of more days come by turns, a day has several."""


def _options(level: int | None) -> dict[str, Any]:
    return {
        "compression": "zstd",
        "compression_level": LEVEL if level is None else level,
        "use_dictionary": _REPEATING,
        "column_encoding": {
            **dict.fromkeys(_INTEGERS, "DELTA_BINARY_PACKED"),
            # Lengths apart from the bytes, which then follow each other as text does.
            "wire": "DELTA_LENGTH_BYTE_ARRAY",
        },
        # A page is what is compressed at once: one that holds the whole row group's records gives zstd its full window.
        "data_page_size": GROUP_BYTES,
        "write_statistics": _BOUNDED,
        "write_page_checksum": True,
    }


def write_file(
    path: str,
    batches: Iterable[pa.Array],
    columns: Sequence[str] | None,
    level: int | None,
    threads: int | None,
) -> None:
    """Write columns of records' wire bytes to one file, which appears when all of it is written.

    Args:
        path: the file's, or its URL.
        batches: the wire bytes.
        columns: what is written beside `wire`, of the names of SCHEMA; None for all.
        level: that of zstd; None for LEVEL.
        threads: how many share the work on columns; None for one a core.

    Raises ChatpbError for a column that is not in SCHEMA.

    """
    schema = _schema(columns)
    # Arrow's own schema repeats that of Parquet, and weighs more than the columns of a small file.
    options = {**_options(level), "store_schema": False}
    with (
        new_file(path) as (filesystem, name),
        pq.ParquetWriter(name, schema, filesystem=filesystem, **options) as writer,
    ):
        for table in ahead(_groups(batches, threads), threads):
            writer.write_table(table.select(schema.names), row_group_size=table.num_rows)


def write_dataset(
    path: str,
    batches: Iterable[pa.Array],
    columns: Sequence[str] | None,
    level: int | None,
    threads: int | None,
) -> None:
    """Write a dataset with a folder for each day (`day=2026-01-31`; `day=unknown` for records without a time).

    It appears when all of it is written. Raises ChatpbError if there is one already, or as `write_file`.
    """
    schema = _schema(columns)
    with new_folder(path) as (filesystem, name), closing(_Days(filesystem, name, schema, _options(level))) as days:
        for table in ahead(map(_with_day, _groups(batches, threads)), threads):
            for day in table.column(_DAY).unique().to_pylist():
                days.write(day, table.filter(pc.equal(table.column(_DAY), day)).select(schema.names))


class _Days:
    """The files of a dataset, a folder for each day.

    Arrow's own writer of datasets has threads that still write when it has failed; those that write to a store run
    Python, which does not survive that at the end of the process.
    """

    def __init__(
        self, filesystem: pyarrow.fs.FileSystem, folder: str, schema: pa.Schema, options: dict[str, Any]
    ) -> None:
        filesystem.create_dir(folder, recursive=True)
        self._filesystem = filesystem
        self._folder = folder
        self._schema = schema
        self._options = options
        self._writers: OrderedDict[str, pq.ParquetWriter] = OrderedDict()
        self._parts: Counter[str] = Counter()

    def write(self, day: str, table: pa.Table) -> None:
        writer = self._writers.pop(day, None) or self._open(day)
        self._writers[day] = writer
        writer.write_table(table, row_group_size=GROUP_ROWS)

    def _open(self, day: str) -> pq.ParquetWriter:
        if len(self._writers) == OPEN:
            self._writers.popitem(last=False)[1].close()
        folder = f"{self._folder}/{_DAY}={day}"
        self._filesystem.create_dir(folder, recursive=True)
        file = f"{folder}/part-{self._parts[day]}.parquet"
        self._parts[day] += 1
        return pq.ParquetWriter(file, self._schema, filesystem=self._filesystem, **self._options)

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()


class ParquetInput:
    """The records of a file, or of all files under a folder, in the order of their names."""

    def __init__(self, path: str) -> None:
        """Open it. Raises ChatpbError where there are no records."""
        filesystem, name = filesystem_of(path)
        self.name = path
        layout = ds.partitioning(flavor="hive")
        try:
            with reaching(path):
                self._dataset = ds.dataset(name, filesystem=filesystem, partitioning=layout, format=_checked())
                self._rows = self._dataset.count_rows()
        except (pa.ArrowInvalid, OSError) as error:
            raise ChatpbError(f"{path}: no Parquet that can be read: {first_line(error)}") from None
        if "wire" not in self._dataset.schema.names:
            raise ChatpbError(f"{path}: a Parquet file without the column 'wire' holds no records")
        self._done = 0

    def fraction(self) -> float:
        """How much has been read, from 0 to 1."""
        return self._done / self._rows if self._rows else 1.0

    def batches(self, refuse: Callable[[str], None]) -> Iterator[pa.Array]:
        """Columns of wire bytes; `refuse` is told of the row groups that cannot be read."""
        for fragment in self._dataset.get_fragments():
            for group in fragment.split_by_row_group():
                numbers = ", ".join(str(info.id) for info in group.row_groups)
                rows = sum(info.num_rows for info in group.row_groups)
                try:
                    with reaching(self.name):
                        column = group.to_table(columns=["wire"], schema=self._dataset.schema).column("wire")
                except (pa.ArrowInvalid, OSError) as error:
                    refuse(f"{group.path}: row group {numbers}, {rows} records: {first_line(error)}")
                else:
                    for chunk in column.cast(pa.large_binary()).chunks:
                        yield from (chunk.slice(at, ROWS) for at in range(0, len(chunk), ROWS))
                self._done += rows


def _schema(columns: Sequence[str] | None) -> pa.Schema:
    if columns is None:
        return SCHEMA
    for name in columns:
        if name not in SCHEMA.names:
            raise ChatpbError(f"there is no column {name!r} of records, only {', '.join(SCHEMA.names)}")
    return pa.schema([field for field in SCHEMA if field.name == "wire" or field.name in columns])


def _checked() -> ds.ParquetFileFormat:
    return ds.ParquetFileFormat(
        default_fragment_scan_options=ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    )


def _groups(batches: Iterable[pa.Array], threads: int | None) -> Iterator[pa.Table]:
    """The tables that become row groups."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for wires in batches:
        for start in range(0, len(wires), GROUP_ROWS):
            batch = with_columns(wires.slice(start, GROUP_ROWS), threads=threads)
            if held and (rows + batch.num_rows > GROUP_ROWS or size + batch.nbytes > GROUP_BYTES):
                yield pa.Table.from_batches(held).combine_chunks()
                held, rows, size = [], 0, 0
            held.append(batch)
            rows += batch.num_rows
            size += batch.nbytes
    if held:
        yield pa.Table.from_batches(held).combine_chunks()


def _with_day(table: pa.Table) -> pa.Table:
    day = pc.fill_null(pc.strftime(table.column("time"), "%Y-%m-%d"), "unknown")
    return table.append_column(_DAY, day)
