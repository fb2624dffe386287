"""Records of any form as a dataset that DuckDB scans."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import Any

import pyarrow as pa
from pyarrow import dataset as ds

from chatpb.arrow import SCHEMA, with_columns
from chatpb.storage._forms import ROWS, Form, Refuse, form_of, open_source
from chatpb.storage._recorder import Damaged, Recorder

__all__ = ["Records", "in_utc"]


class Records(ds.Dataset):  # type: ignore[misc]
    """Records of any form, as a dataset that DuckDB scans as often as it needs."""

    def __init__(self, path: str, since: datetime | None, until: datetime | None, refuse: Refuse) -> None:
        self.path = path
        self._limits = [None if limit is None else _micros(limit) for limit in (since, until)]
        self._refuse = refuse
        self.fraction = 0.0
        """How much the latest scan has read, from 0 to 1; 0 where that is not known."""

    @property
    def schema(self) -> pa.Schema:
        return SCHEMA

    def scanner(self, columns: list[str] | None = None, filter: ds.Expression | None = None, **_: Any) -> _Scan:
        """What DuckDB calls for each scan, with the columns and the rows that it needs."""
        return _Scan(self._wires(), columns or SCHEMA.names, filter)

    def _wires(self) -> Iterator[pa.Array]:
        start, end = self._limits
        if form_of(self.path) is not Form.RECORDER or (start is None and end is None):
            with open_source(self.path) as source:
                for batch in source.batches(self._refuse):
                    yield batch
                    self.fraction = source.fraction()
            return
        # The file finds its own records of a time.
        with Recorder(self.path, read_only=True) as recorder:
            found = recorder.scan(start=start, end=end)
            while batch := list(islice(found, ROWS)):
                for damaged in (each for each in batch if isinstance(each, Damaged)):
                    self._refuse(f"{self.path}: records {damaged.first} to {damaged.last}: {damaged.reason}")
                yield pa.array([each for each in batch if isinstance(each, bytes)], pa.large_binary())


class _Scan:
    """One scan, of which DuckDB asks for its reader. Unlike Arrow's own it has no thread that reads ahead.

    Such a thread would still run Python when the process ends, which Python does not survive.
    """

    def __init__(self, wires: Iterator[pa.Array], columns: list[str], filter: ds.Expression | None) -> None:
        self._wires = wires
        self._schema = pa.schema([SCHEMA.field(name) for name in columns])
        self._filter = filter

    def to_reader(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self._schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        names = self._schema.names
        for wire in self._wires:
            if names == ["wire"] and self._filter is None:
                yield pa.record_batch([wire.cast(pa.binary())], schema=self._schema)
                continue
            table = pa.Table.from_batches([with_columns(wire)])
            if self._filter is not None:
                table = table.filter(self._filter)
            yield from table.select(names).to_batches()


def _micros(moment: datetime) -> int:
    return (in_utc(moment) - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)


def in_utc(moment: datetime) -> datetime:
    """A moment with its time zone, which is UTC unless it has one."""
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
