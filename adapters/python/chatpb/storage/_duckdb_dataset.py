"""Records of any form as a dataset that DuckDB scans."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
from pyarrow import dataset as ds

from chatpb._files.refusals import Refusals
from chatpb.arrow import SCHEMA, record_batch, with_columns
from chatpb.storage._forms import open_source
from chatpb.storage._prefetch import prefetch
from chatpb.storage._sift import sift
from chatpb.storage._times import in_utc

__all__ = ["RecordsDataset"]


class RecordsDataset(ds.Dataset):  # type: ignore[misc]
    """Records of any form, as a dataset that DuckDB can scan any number of times.

    Args:
        path: the file of records.
        since: the earliest time, for a recorder's file; DuckDB itself filters the records of other forms.
        until: the time before which records of a recorder's file are taken.
        refusals: takes the records that cannot be read, once for all scans.
        open_options: options of `open_source`.

    """

    def __init__(
        self, path: str, since: datetime | None, until: datetime | None, refusals: Refusals, **open_options: Any
    ) -> None:
        self.path = path
        self._open_options = open_options
        self._start, self._end = (None if limit is None else _micros(limit) for limit in (since, until))
        self._refusals = refusals
        self.fraction = 0.0
        """How much the latest scan has read, from 0 to 1; 0 if that is not known."""

    @property
    def schema(self) -> pa.Schema:
        return SCHEMA

    def scanner(
        self, columns: list[str] | None = None, filter: ds.Expression | None = None, **_: Any
    ) -> _RecordsScanner:
        """Return a scanner, which DuckDB asks for with the columns and the rows that it needs."""
        return _RecordsScanner(self._tables(), columns or SCHEMA.names, filter)

    def _tables(self) -> Iterator[pa.RecordBatch]:
        # A query may scan the records more than once, and what is left out is reported once.
        refusals, self._refusals = self._refusals, Refusals()
        # Reading their columns reads the records once more, so they are not checked before.
        with open_source(self.path, start=self._start, end=self._end, check=False, **self._open_options) as source:
            for batch in prefetch(source.batches(refusals), None, lambda batch: batch.wire.nbytes):
                refuse = batch.refuse(refusals)
                if batch.large is None:
                    yield from sift(batch.wire, with_columns, refuse)
                else:
                    yield from sift([batch.large], record_batch, refuse)
                del batch, refuse
                self.fraction = source.fraction()


class _RecordsScanner:
    """One scan of records. Unlike Arrow's own scanner it leaves no thread behind that reads ahead.

    Such a thread would still run Python code at the end of the process, which crashes Python.
    """

    def __init__(self, tables: Iterator[pa.RecordBatch], columns: list[str], filter: ds.Expression | None) -> None:
        self._tables = tables
        self._schema = pa.schema([SCHEMA.field(name) for name in columns])
        self._filter = filter

    def to_reader(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self._schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for batch in self._tables:
            table = pa.Table.from_batches([batch])
            if self._filter is not None:
                table = table.filter(self._filter)
            yield from table.select(self._schema.names).to_batches()


def _micros(moment: datetime) -> int:
    return (in_utc(moment) - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)
