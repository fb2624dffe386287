"""Recorder: records kept in one SQLite file, to which several processes append.

Rules: an append is one transaction, and returns when it is committed. SQLite's write-ahead log needs no repair after a
process died: what was committed is there, and what was not is not. Records are compressed before the transaction, so
that writers wait for each other's writing alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chatpb.storage._bodies import DICTIONARY, Bodies, train
from chatpb.storage._columns import columns_of
from chatpb.storage._file import PART, RecorderError, open_file, transaction
from chatpb.storage._reader import Damaged, Reader, hash_of

__all__ = ["LEVEL", "Damaged", "Recorder", "rows_of"]

LEVEL: Final = 6
"""The zstd level unless another is asked for."""

_STAGES: Final = ((128 << 10, 16 << 10), (2 << 20, DICTIONARY))
"""Bytes of records after which a dictionary is trained, and its size: an early small one, and one that saw more."""

_TRIMMED: Final = 500
"""Rows that are deleted at once, and records that are looked at for a dictionary at once."""


@dataclass(frozen=True)
class Row:
    """A record, and what leads to it."""

    time: int
    model: str | None
    hashes: tuple[int, ...]
    record: bytes


class Recorder(Reader):
    """An append-only file of records, each the wire bytes of a ChatCompletionRecord (package `zstandard`).

    Records are numbered from 1 in the order of recording. Threads may share a Recorder, and processes a file.

    An acknowledged record survives the death of the process. When the system crashes or power fails, the file stays
    whole, and all that was synced is there: with `durable` every acknowledged record, otherwise all but those of the
    last moments, as many as the write-ahead log has taken since its last checkpoint, about 8 MB.

    Args:
        path: the file; it is made if it is not there, except with `read_only`.
        read_only: refuse to write.
        level: zstd's level, 1 to 22: the higher, the smaller and the slower.
        durable: sync to the disk with every append.
        max_bytes: size of the file beyond which the oldest records go; their room is used again. The write-ahead log
            beside the file comes on top.
        max_age: seconds after which records go, by their time. One without a time goes with those recorded after it.
            Both limits are kept at each append.
        timeout: seconds to wait for another writer.
        threads: how many compress the records of one append.

    Raises RecorderError for a file that is not a recorder's or is locked, OSError where there is none to read.

    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        read_only: bool = False,
        level: int = LEVEL,
        durable: bool = False,
        max_bytes: int | None = None,
        max_age: float | None = None,
        timeout: float = 10.0,
        threads: int = 1,
    ) -> None:
        super().__init__(path, open_file(os.fspath(path), read_only, durable, timeout), Bodies(level))
        self._read_only = read_only
        self._threads = threads
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._models: dict[str, int] = {}
        self._train_at = 0

    def __enter__(self) -> Recorder:
        return self

    def append(self, records: Iterable[bytes]) -> range:
        """Keep records, all or none, and return their numbers once they are committed.

        Raises WireError for bytes that are no record, its path being their place; RecorderError when the file is
        locked for longer than the timeout, the disk is full, or the file is damaged.
        """
        if self._read_only:
            raise RecorderError(f"{self.path}: opened for reading alone")
        rows = rows_of(list(records))
        with self._lock, self._errors():
            try:
                dictionary = self._newest()
                bodies = self._bodies.compress_all([row.record for row in rows], dictionary, self._threads)
                with transaction(self._connection):
                    numbers = self._insert(rows, bodies, dictionary)
                    self._trim()
                self._train()
            except BaseException:
                self._models.clear()  # what a transaction that failed has added is not there
                raise
        return numbers

    def _insert(self, rows: Sequence[Row], bodies: Sequence[bytes], dictionary: int) -> range:
        (first,) = self._connection.execute("SELECT next FROM state").fetchone()
        numbers = range(first, first + len(rows))
        self._connection.executemany(
            "INSERT INTO records VALUES (?, ?, ?, ?, ?)",
            [
                (seq, row.time, self._model(row.model), dictionary, body)
                for seq, row, body in zip(numbers, rows, bodies, strict=True)
            ],
        )
        hashes = sorted((seq >> PART, hash, seq) for seq, row in zip(numbers, rows, strict=True) for hash in row.hashes)
        self._connection.executemany("INSERT INTO ids VALUES (?, ?, ?)", hashes)
        size = sum(len(row.record) for row in rows)
        self._connection.execute("UPDATE state SET next = ?, bytes = bytes + ?", (numbers.stop, size))
        return numbers

    def _model(self, name: str | None) -> int | None:
        if name is None:
            return None
        if name not in self._models:
            self._connection.execute("INSERT OR IGNORE INTO models (name) VALUES (?)", (name,))
            found = self._connection.execute("SELECT id FROM models WHERE name = ?", (name,)).fetchone()
            self._models[name] = found[0]
        return self._models[name]

    def _trim(self) -> None:
        """Delete the oldest records beyond the limits."""
        if self._max_age is not None:
            oldest = int((time.time() - self._max_age) * 1e6)
            young = "SELECT seq FROM records WHERE time >= ? ORDER BY seq LIMIT 1"
            found = self._connection.execute(young, (oldest,)).fetchone()
            self._delete(found[0] if found else self._bounds()[1] + 1)
        while self._max_bytes is not None and self.size > self._max_bytes and len(self):
            self._delete(self._bounds()[0] + min(_TRIMMED, -(-len(self) // 10)))

    def _delete(self, before: int) -> None:
        """Delete the records before a number, with their ids."""
        first = self._bounds()[0]
        while first < before:
            stop = min(first + _TRIMMED, before)
            records = [each for each in self._read(first, stop - 1) if isinstance(each, bytes)]
            parts = range(first >> PART, ((stop - 1) >> PART) + 1)
            gone = [(part, hash, first, stop) for part in parts for row in rows_of(records) for hash in row.hashes]
            self._connection.executemany("DELETE FROM ids WHERE part = ? AND hash = ? AND seq >= ? AND seq < ?", gone)
            self._connection.execute("DELETE FROM records WHERE seq < ?", (stop,))
            self._connection.execute("UPDATE state SET first = ?", (stop,))
            first = stop

    def _newest(self) -> int:
        """The number of the newest dictionary that can be read; 0 without one."""
        (number,) = self._connection.execute("SELECT coalesce(max(id), 0) FROM dictionaries").fetchone()
        return int(number) if self._load(number) else 0

    def _train(self) -> None:
        """Train a dictionary if it is time for one, unless another process just did."""
        (total,) = self._connection.execute("SELECT bytes FROM state").fetchone()
        count = "SELECT count(*) FROM dictionaries"
        (trained,) = self._connection.execute(count).fetchone()
        if trained == len(_STAGES):
            return
        enough, size = _STAGES[trained]
        if total < max(enough, self._train_at):
            return
        dictionary = train(self._latest(enough), trained + 1, size)
        if dictionary is None:
            self._train_at = 2 * total
            return
        body = self._bodies.compress(dictionary)
        with transaction(self._connection):
            if self._connection.execute(count).fetchone() == (trained,):
                for table in ("dictionaries", "dictionary_copies"):
                    self._connection.execute(f"INSERT INTO {table} VALUES (?, ?)", (trained + 1, body))  # noqa: S608

    def _latest(self, size: int) -> list[bytes]:
        """The newest records that have some bytes together."""
        found: list[bytes] = []
        first, last = self._bounds()
        while last >= first and size > 0:
            for each in self._read(max(first, last - _TRIMMED + 1), last):
                if isinstance(each, bytes):
                    found.append(each)
                    size -= len(each)
            last -= _TRIMMED
        return found


def rows_of(records: Sequence[bytes]) -> list[Row]:
    """What is looked up by. Raises WireError."""
    names = ("request_id", "id", "start_time", "created", "model")
    columns = columns_of(records, *names)
    return [_row(record, *values) for record, *values in zip(records, *columns, strict=True)]


def _row(record: bytes, request_id: Any, id: Any, start: int | None, created: int | None, model: Any) -> Row:
    time = start if start is not None else (created or 0) * 1_000_000
    hashes = tuple({hash_of(each) for each in (request_id, id) if each is not None})
    return Row(time if -(2**63) <= time < 2**63 else 0, model, hashes, record)
