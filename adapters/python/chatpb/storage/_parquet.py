"""Records in Parquet: a file, or a folder with a folder for each day, on this machine or on any fsspec store.

The columns are those of `chatpb.arrow.SCHEMA`, or `wire` and some of them. Pages have checksums, which are verified in
reading, so that a damaged row group is reported and all others are read.
"""

from __future__ import annotations

import errno
import json
import os
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import PurePath
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs
import pyarrow.parquet as pq

from chatpb._errors import ChatpbError
from chatpb._files.framing import LARGE
from chatpb._files.memory import check_memory
from chatpb._files.refusals import Refusals
from chatpb._files.write import private_opener
from chatpb.arrow import SCHEMA, record_batch, with_columns
from chatpb.storage._batch import BATCH_BYTES, BATCH_ROWS, Batch, Place, checked
from chatpb.storage._member_columns import COLUMN_PATHS, DAY, member_fields, with_members
from chatpb.storage._parquet_value import only_value
from chatpb.storage._prefetch import prefetch
from chatpb.storage._stores import filesystem_of, first_line, is_remote, new_file, new_folder, store_errors

__all__ = ["ParquetSource", "parquet_below", "write_dataset", "write_file"]

DEFAULT_LEVEL: Final = 9
"""The level of zstd, unless the caller sets another."""

GROUP_ROWS: Final = 100_000
"""Rows of a row group at most."""

GROUP_BYTES: Final = 64 << 20
"""Bytes of the columns of a row group at most, before compression."""

_MAX_HEADERS: Final = 1 << 10
"""Bytes that the headers of a record's page may take beside it."""

_ARROW_TIMES: Final = 3
"""How often Arrow has a record that it reads: the page as it is stored, the page, and the column made of it."""

MAX_OPEN_FILES: Final = 256
"""Files that are written at once. When records of more days come in turns, a day has several files."""

_REPETITIVE: Final = [
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
_WITH_STATISTICS: Final = ["time", "created", "model", "status"]
"""Columns whose least and greatest values let a reader skip row groups."""


def _writer_options(level: int | None) -> dict[str, Any]:
    return {
        "compression": "zstd",
        "compression_level": DEFAULT_LEVEL if level is None else level,
        "use_dictionary": _REPETITIVE,
        "column_encoding": {
            **dict.fromkeys(_INTEGERS, "DELTA_BINARY_PACKED"),
            # Lengths apart from the bytes: then bytes follow bytes, and compress better.
            "wire": "DELTA_LENGTH_BYTE_ARRAY",
        },
        # Each page is compressed alone. One page for the records of a whole row group gives zstd its full window.
        "data_page_size": GROUP_BYTES,
        "write_statistics": _WITH_STATISTICS,
        "write_page_checksum": True,
    }


def write_file(
    path: str,
    batches: Iterable[Batch],
    columns: Sequence[str] | None,
    members: Mapping[str, str],
    level: int | None,
    threads: int | None,
) -> None:
    """Write records to one file, which appears when all of it is written.

    Args:
        path: the file's path or URL.
        batches: the records.
        columns: the columns to write beside `wire`, by their names in SCHEMA; None for all.
        members: columns of members of the records' JSON: the path of each by its name.
        level: the level of zstd; None for DEFAULT_LEVEL.
        threads: how many threads share the work on columns; None for one a core.

    Raises ChatpbError for a column that is not in SCHEMA, or a member's that cannot be one.

    """
    schema = _schema_of(columns, members)
    # Arrow's own schema repeats that of Parquet, and takes more room than the columns of a small file.
    options = {**_writer_options(level), "store_schema": False}
    with (
        new_file(path) as (filesystem, name),
        pq.ParquetWriter(name, schema, filesystem=filesystem, **options) as writer,
    ):
        for table in prefetch(_row_groups(batches, members, threads), threads, _size_of_large):
            writer.write_table(table.select(schema.names), row_group_size=table.num_rows)
            is_large = bool(_size_of_large(table))
            del table
            if is_large:
                _release_pages()
        writer.add_key_value_metadata(_metadata(members))


def write_dataset(
    path: str,
    batches: Iterable[Batch],
    columns: Sequence[str] | None,
    members: Mapping[str, str],
    level: int | None,
    threads: int | None,
) -> None:
    """Write records to a folder with a folder for each day, which appears when all of it is written.

    The folder of a day is `day=2026-01-31`, or `day=unknown` for records without a time. The arguments are those of
    `write_file`. Raises ChatpbError for a column that is not in SCHEMA, or if the folder exists already.
    """
    schema = _schema_of(columns, members)
    with (
        new_folder(path) as (filesystem, name),
        closing(_DayFiles(filesystem, name, schema, _metadata(members), _writer_options(level))) as days,
    ):
        days_of = map(_with_day, _row_groups(batches, members, threads))
        for table in prefetch(days_of, threads, _size_of_large):
            found = table.column(DAY).unique().to_pylist()
            for day in found:  # one day alone takes no copy
                of_day = table if len(found) == 1 else table.filter(pc.equal(table.column(DAY), day))
                days.write(day, of_day.select(schema.names))
                del of_day
            is_large = bool(_size_of_large(table))
            del table
            if is_large:
                _release_pages()


class _DayFiles:
    """The files of a dataset that is being written, in a folder for each day.

    Arrow's own writer of datasets is not used: its threads still write after it has failed, and writing to a store runs
    Python code, which crashes at the end of the process.
    """

    def __init__(
        self,
        filesystem: pyarrow.fs.FileSystem,
        folder: str,
        schema: pa.Schema,
        metadata: dict[str, str],
        options: dict[str, Any],
    ) -> None:
        filesystem.create_dir(folder, recursive=True)
        self._filesystem = filesystem
        self._folder = folder
        self._schema = schema
        self._metadata = metadata
        self._options = options
        self._writers: OrderedDict[str, pq.ParquetWriter] = OrderedDict()
        self._parts: Counter[str] = Counter()

    def write(self, day: str, table: pa.Table) -> None:
        writer = self._writers.pop(day, None) or self._open(day)
        self._writers[day] = writer
        writer.write_table(table, row_group_size=GROUP_ROWS)

    def _open(self, day: str) -> pq.ParquetWriter:
        if len(self._writers) == MAX_OPEN_FILES:
            self._writers.popitem(last=False)[1].close()
        folder = f"{self._folder}/{DAY}={day}"
        file = f"{folder}/part-{self._parts[day]}.parquet"
        if isinstance(self._filesystem, pyarrow.fs.LocalFileSystem):
            # Made before Arrow opens it, so that only the owner can read it, also when the folder is opened to others.
            os.makedirs(folder, 0o700, exist_ok=True)
            open(file, "xb", opener=private_opener).close()
        else:
            self._filesystem.create_dir(folder, recursive=True)
        self._parts[day] += 1
        writer = pq.ParquetWriter(file, self._schema, filesystem=self._filesystem, **self._options)
        writer.add_key_value_metadata(self._metadata)
        return writer

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()


class ParquetSource:
    """The records of a file, or of all Parquet files below a folder, in the order of their names.

    Raises ChatpbError where there are no records.
    """

    def __init__(self, path: str, max_record: int, threads: int | None, check: bool = True) -> None:
        self.name = path
        self._max_record = max_record
        self._threads = threads
        self._check = check
        self._filesystem, self._root = filesystem_of(path)
        with store_errors(path):
            kind = self._filesystem.get_file_info(self._root).type
            if kind is pyarrow.fs.FileType.NotFound:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), *([] if is_remote(path) else [path]))
            files = [self._root]
            if kind is pyarrow.fs.FileType.Directory:
                found = self._filesystem.get_file_info(pyarrow.fs.FileSelector(self._root, recursive=True))
                files = parquet_below(self._root, (info.path for info in found if info.is_file))
        if not files:
            raise ChatpbError(f"{path}: no .parquet file is in it")
        self._rows = {file: self._count(file) for file in files}
        self._done = 0

    def _count(self, file: str) -> int:
        """Return how many records a file has. Raises ChatpbError for one that holds none."""
        try:
            with store_errors(self.name), self._open(file) as opened:
                if "wire" in opened.schema_arrow.names:
                    return int(opened.metadata.num_rows)
        except (pa.ArrowInvalid, OSError) as error:
            raise ChatpbError(f"{self._named(file)}: no Parquet that can be read: {first_line(error)}") from None
        raise ChatpbError(f"{self._named(file)}: a Parquet file without the column 'wire' holds no records")

    def _open(self, file: str) -> pq.ParquetFile:
        return pq.ParquetFile(file, filesystem=self._filesystem, page_checksum_verification=True, pre_buffer=False)

    def _named(self, file: str) -> str:
        """Return a file's name as the user knows it."""
        return self.name + file.removeprefix(self._root)

    def fraction(self) -> float:
        """Return how much has been read, from 0 to 1."""
        rows = sum(self._rows.values())
        return self._done / rows if rows else 1.0

    def batches(self, refusals: Refusals, id: str | None = None) -> Iterator[Batch]:
        """Yield the records, or those of the row groups that may have an id; report the groups that cannot be read."""
        for file in self._rows:
            with store_errors(self.name), self._open(file) as opened:
                row = 1
                for group in range(opened.num_row_groups):
                    rows = opened.metadata.row_group(group).num_rows
                    if id is None or self._may_have(opened, group, id):
                        yield from self._group(opened, file, group, row, refusals)
                    row += rows

    def _may_have(self, opened: pq.ParquetFile, group: int, id: str) -> bool:
        """Return whether a row group has an id, as far as its columns show that."""
        try:
            columns = opened.read_row_group(group, ["id", "request_id"]).columns
            return len(columns) < 2 or any(pc.any(pc.equal(column, id)).as_py() for column in columns)
        except (pa.ArrowException, OSError):
            return True  # reading the records reports what is wrong

    def _group(self, opened: pq.ParquetFile, file: str, group: int, row: int, refusals: Refusals) -> Iterator[Batch]:
        """Yield the records of a row group, whose first one has the number `row`, as far as they can be read."""
        metadata = opened.metadata.row_group(group)
        left = metadata.num_rows
        try:
            for batch in self._unchecked(opened, file, group, row):
                count = len(batch.wire)
                left -= count
                self._done += count
                limit, threads, whole = self._max_record, self._threads, self._check
                good = [checked(batch, refusals, max_record=limit, threads=threads, whole=whole)]
                del batch
                yield good.pop()  # so that nothing here has it any longer
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and is_remote(self.name):
                raise
            numbers = f"row group {group}, {left} records"
            refusals(f"{self._named(file)}: {numbers}: {first_line(error)}", left)
            self._done += left
        except ChatpbError as error:
            refusals(f"{self._place(file, row)(0)}: {error}", left)
            self._done += left

    def _unchecked(self, opened: pq.ParquetFile, file: str, group: int, row: int) -> Iterator[Batch]:
        """Yield the records of a row group. Raises as `_only_wire` where they cannot be read."""
        metadata = opened.metadata.row_group(group)
        if metadata.num_rows == 1:
            yield Batch.of_one(self._only_wire(opened, file, group), f"{self._named(file)}: record {row}")
            return
        at_once = max(1, min(BATCH_ROWS, metadata.num_rows * BATCH_BYTES // max(1, metadata.total_byte_size)))
        for rows in opened.iter_batches(at_once, [group], ["wire"], use_threads=False):
            yield Batch(rows.column(0).cast(pa.large_binary()), self._place(file, row))
            row += rows.num_rows
            del rows

    def _place(self, file: str, first: int) -> Place:
        return lambda row: f"{self._named(file)}: record {first + row}"

    def _only_wire(self, opened: pq.ParquetFile, file: str, group: int) -> bytes:
        """Return the wire bytes of a row group of one row. Raises ArrowException, OSError, ChatpbError."""
        metadata = opened.metadata.row_group(group)
        paths = [metadata.column(column).path_in_schema for column in range(metadata.num_columns)]
        column = paths.index("wire")
        size = metadata.column(column).total_uncompressed_size
        if size > self._max_record + _MAX_HEADERS:
            raise ChatpbError(f"it takes {size} bytes uncompressed, above the limit of {self._max_record}")
        if size >= LARGE:
            with self._filesystem.open_input_file(file) as raw:
                wire = only_value(raw, opened, group, column)
            if wire is not None:
                return wire
            check_memory(_ARROW_TIMES * size, self._max_record)
        (wires,) = opened.read_row_group(group, ["wire"], use_threads=False).column(0).chunks
        if size >= LARGE:
            _release_pages()
        return wires[0].as_py() or b""


def _release_pages() -> None:
    """Give the memory of pages back to the system, which Arrow would keep for later ones."""
    pa.default_memory_pool().release_unused()


def parquet_below(root: str, names: Iterable[str]) -> list[str]:
    """Return the Parquet files of a folder, without those that another program is still writing."""
    parquet = (name for name in sorted(names) if name.lower().endswith((".parquet", ".pq")))
    return [name for name in parquet if not any(part[0] in "._" for part in PurePath(name).relative_to(root).parts)]


def _schema_of(columns: Sequence[str] | None, members: Mapping[str, str]) -> pa.Schema:
    for name in columns or ():
        if name not in SCHEMA.names:
            raise ChatpbError(f"there is no column {name!r} of records, only {', '.join(SCHEMA.names)}")
    chosen = [field for field in SCHEMA if columns is None or field.name == "wire" or field.name in columns]
    return pa.schema([*chosen, *member_fields(members)])


def _metadata(members: Mapping[str, str]) -> dict[str, str]:
    return {COLUMN_PATHS: json.dumps(dict(members))} if members else {}


def _row_groups(batches: Iterable[Batch], members: Mapping[str, str], threads: int | None) -> Iterator[pa.Table]:
    """Yield records with their columns in tables that become row groups."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for records in batches:
        for start in range(0, len(records.wire), GROUP_ROWS):
            if records.large is not None:
                batch = record_batch([records.large])
            else:
                batch = with_columns(records.wire.slice(start, GROUP_ROWS), threads=threads)
            batch = with_members(batch, members, threads, records.large)
            if held and (rows + batch.num_rows > GROUP_ROWS or size + batch.nbytes > GROUP_BYTES):
                yield pa.Table.from_batches(held)
                held, rows, size = [], 0, 0
            held.append(batch)
            rows += batch.num_rows
            size += batch.nbytes
            is_large = batch.nbytes > GROUP_BYTES // 4
            del batch
        del records
        if held and is_large:  # it is written before the next one is read
            yield pa.Table.from_batches(held)
            held, rows, size = [], 0, 0
    if held:
        yield pa.Table.from_batches(held)


def _size_of_large(table: pa.Table) -> int:
    """Return the bytes of a row group that a large record has to itself; 0 for one whose size is bounded."""
    return table.nbytes if table.num_rows == 1 else 0


def _with_day(table: pa.Table) -> pa.Table:
    day = pc.fill_null(pc.strftime(table.column("time"), "%Y-%m-%d"), "unknown")
    return table.append_column(DAY, day)
