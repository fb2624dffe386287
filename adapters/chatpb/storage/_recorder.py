"""Recorder: records kept in one SQLite file, to which several processes append.

Rules: an append is one transaction, and returns when it is committed. SQLite's write-ahead log needs no repair after a
process died: what was committed is there, and what was not is not. Records are compressed before the transaction, so
that writers wait for each other's writing alone. The record itself is the truth: columns and ids only lead to it, and
an id is compared with the record's own.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from types import TracebackType
from typing import Any, Final

from chatpb.storage._bodies import BadBody, Bodies, train
from chatpb.storage._columns import columns_of
from chatpb.storage._file import PART, RecorderError, is_damage, open_file, transaction

__all__ = ["LEVEL", "Damaged", "Recorder"]

LEVEL: Final = 6
"""The zstd level unless another is asked for."""

_STAGES: Final = (128 << 10, 1 << 20)
"""Bytes of records after which a dictionary is trained: an early one, and one that has seen more."""

_FIND: Final = """WITH RECURSIVE parts (part) AS (VALUES (?) UNION ALL SELECT part - 1 FROM parts WHERE part > ?)
SELECT seq FROM parts CROSS JOIN ids USING (part) WHERE hash = ? ORDER BY seq DESC"""

_ROWS: Final = 64
"""Rows that are read at once."""

_TRIMMED: Final = 500
"""Rows that are deleted at once."""


@dataclass(frozen=True)
class Damaged:
    """Records that cannot be read.

    Attributes:
        first: number of the first.
        last: number of the last.
        reason: what is wrong.

    """

    first: int
    last: int
    reason: str


@dataclass(frozen=True)
class _Row:
    time: int
    model: str | None
    hashes: tuple[int, ...]
    record: bytes


class Recorder:
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
    ) -> None:
        self.path = os.fspath(path)
        self._bodies = Bodies(level)
        self._read_only = read_only
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._lock = threading.RLock()
        self._models: dict[str, int] = {}
        self._train_at = 0
        self._connection = open_file(self.path, read_only, durable, timeout)

    def append(self, records: Iterable[bytes]) -> range:
        """Keep records, all or none, and return their numbers once they are committed.

        Raises WireError for bytes that are no record, its path being their place; RecorderError when the file is
        locked for longer than the timeout, the disk is full, or the file is damaged.
        """
        if self._read_only:
            raise RecorderError(f"{self.path}: opened for reading alone")
        rows = _rows(list(records))
        with self._lock:
            try:
                dictionary = self._newest()
                bodies = [self._bodies.compress(row.record, dictionary) for row in rows]
                with transaction(self._connection):
                    numbers = self._insert(rows, bodies, dictionary)
                    self._trim()
                self._train()
            except sqlite3.DatabaseError as error:
                self._models.clear()  # what a transaction that failed has added is not there
                raise RecorderError(f"{self.path}: {error}") from None
        return numbers

    def get(self, id: str) -> bytes | None:
        """The record of a completion's id or a request's id, the newest if there are several; None if there is none.

        Raises RecorderError if damage stands in the way.
        """
        with self._lock:
            try:
                oldest, newest = self._bounds()
                found = self._connection.execute(_FIND, (newest >> PART, oldest >> PART, _hash(id)))
                for (seq,) in found.fetchall():
                    for record in self._read(seq, seq, "", ()):
                        if isinstance(record, Damaged):
                            raise RecorderError(f"{self.path}: record {seq} may be it, but {record.reason}")
                        if [id] in columns_of([record], "id", "request_id"):
                            return record
            except sqlite3.DatabaseError as error:
                raise RecorderError(f"{self.path}: ids cannot be looked up: {error}") from None
        return None

    def __iter__(self) -> Iterator[bytes | Damaged]:
        """All records in the order of recording, and in the place of those that cannot be read what is wrong."""
        return self._walk(*self._bounds(), "", ())

    def scan(
        self, *, start: int | None = None, end: int | None = None, model: str | None = None
    ) -> Iterator[bytes | Damaged]:
        """Records in the order of recording, of a time or a model, and Damaged for those that cannot be read.

        Rows that damage made disappear are told by iterating over everything alone.

        Args:
            start: the earliest time, in microseconds since the Unix epoch: the record's start, else when the
                completion was created. A record with neither counts as of time 0.
            end: the time before which they are.
            model: the answer's, else the request's.

        """
        with self._lock:
            conditions: list[tuple[str, Any]] = []
            if start is not None:
                conditions.append(("time >= ?", start))
            if end is not None:
                conditions.append(("time < ?", end))
            if model is not None:
                found = self._connection.execute("SELECT id FROM models WHERE name = ?", (model,)).fetchone()
                if found is None:
                    return iter(())
                conditions.append(("model = ?", found[0]))
            if not conditions:
                return iter(self)
            where = " AND ".join(condition for condition, _ in conditions)
            values = tuple(value for _, value in conditions)
            try:
                query = f"SELECT min(seq), max(seq) FROM records INDEXED BY records_time WHERE {where}"  # noqa: S608
                first, last = self._connection.execute(query, values).fetchone()
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise RecorderError(f"{self.path}: {error}") from None
                first, last = self._bounds()
        return iter(()) if first is None else self._walk(first, last, f" AND {where}", values)

    def __len__(self) -> int:
        """How many records are kept."""
        first, last = self._bounds()
        return last - first + 1

    @property
    def size(self) -> int:
        """Bytes of the file that are in use. The write-ahead log beside it, of up to some MB, comes on top."""
        pages, free, size = (self._pragma(name) for name in ("page_count", "freelist_count", "page_size"))
        return (pages - free) * size

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _insert(self, rows: Sequence[_Row], bodies: Sequence[bytes], dictionary: int) -> range:
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
            records = [each for each in self._read(first, stop - 1, "", ()) if isinstance(each, bytes)]
            parts = range(first >> PART, ((stop - 1) >> PART) + 1)
            gone = [(part, hash, first, stop) for part in parts for row in _rows(records) for hash in row.hashes]
            self._connection.executemany("DELETE FROM ids WHERE part = ? AND hash = ? AND seq >= ? AND seq < ?", gone)
            self._connection.execute("DELETE FROM records WHERE seq < ?", (stop,))
            self._connection.execute("UPDATE state SET first = ?", (stop,))
            first = stop

    def _newest(self) -> int:
        """The number of the newest dictionary that can be read; 0 without one."""
        (number,) = self._connection.execute("SELECT coalesce(max(id), 0) FROM dictionaries").fetchone()
        return int(number) if self._load(number) else 0

    def _load(self, number: int) -> bool:
        """Read a dictionary, or its copy. Whether it is known now."""
        if self._bodies.knows(number):
            return True
        for table in ("dictionaries", "dictionary_copies"):
            query = f"SELECT body FROM {table} WHERE id = ?"  # noqa: S608
            try:
                found = self._connection.execute(query, (number,)).fetchone()
                if found:
                    self._bodies.add(number, self._bodies.decompress(found[0]))
                    return True
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
            except BadBody:
                pass
        return False

    def _train(self) -> None:
        """Train a dictionary if it is time for one, unless another process just did."""
        (total,) = self._connection.execute("SELECT bytes FROM state").fetchone()
        count = "SELECT count(*) FROM dictionaries"
        (trained,) = self._connection.execute(count).fetchone()
        if trained == len(_STAGES) or total < max(_STAGES[trained], self._train_at):
            return
        dictionary = train(self._latest(_STAGES[trained]))
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
            for each in self._read(max(first, last - _ROWS + 1), last, "", ()):
                if isinstance(each, bytes):
                    found.append(each)
                    size -= len(each)
            last -= _ROWS
        return found

    def _bounds(self) -> tuple[int, int]:
        """The numbers of the oldest and the newest record."""
        with self._lock:
            try:
                try:
                    first, following = self._connection.execute("SELECT first, next FROM state").fetchone()
                except (TypeError, sqlite3.DatabaseError) as error:
                    if isinstance(error, sqlite3.DatabaseError) and not is_damage(error):
                        raise
                    query = "SELECT coalesce(min(seq), 1), coalesce(max(seq), 0) + 1 FROM records"
                    first, following = self._connection.execute(query).fetchone()
            except sqlite3.DatabaseError as error:
                raise RecorderError(f"{self.path}: {error}") from None
        return first, following - 1

    def _walk(self, first: int, last: int, where: str, values: tuple[Any, ...]) -> Iterator[bytes | Damaged]:
        """Read a range in pieces, damaged neighbours as one. No transaction is open while a caller holds a record."""
        held: Damaged | None = None
        while first <= last:
            with self._lock:
                piece = list(self._read(first, min(first + _ROWS - 1, last), where, values))
                first += _ROWS
                # What a limit deletes while others read is not missing.
                oldest = self._bounds()[0]
            for each in piece:
                if isinstance(each, Damaged):
                    if each.last < oldest:
                        continue
                    if held and (held.last + 1, held.reason) == (each.first, each.reason):
                        each = Damaged(held.first, each.last, each.reason)
                    elif held:
                        yield held
                    held = each
                else:
                    if held:
                        yield held
                        held = None
                    yield each
        if held:
            yield held

    def _read(self, first: int, last: int, where: str, values: tuple[Any, ...]) -> Iterator[bytes | Damaged]:
        """Read a range; where SQLite cannot, its halves, down to the rows at fault."""
        query = f"SELECT seq, dictionary, body FROM records WHERE seq BETWEEN ? AND ?{where} ORDER BY seq"  # noqa: S608
        try:
            rows = self._connection.execute(query, (first, last, *values)).fetchall()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise RecorderError(f"{self.path}: {error}") from None
            if first == last:
                yield Damaged(first, last, str(error))
            else:
                middle = (first + last) // 2
                yield from self._read(first, middle, where, values)
                yield from self._read(middle + 1, last, where, values)
            return
        expected = first
        for seq, dictionary, body in rows:
            if not where and seq > expected:
                yield Damaged(expected, seq - 1, "its row is missing")
            expected = seq + 1
            try:
                if not self._load(dictionary):
                    raise BadBody("its dictionary cannot be read")
                yield self._bodies.decompress(body, dictionary)
            except BadBody as error:
                yield Damaged(seq, seq, str(error))
        if not where and expected <= last:
            yield Damaged(expected, last, "its row is missing")

    def _pragma(self, name: str) -> int:
        with self._lock:
            return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])


def _rows(records: Sequence[bytes]) -> list[_Row]:
    """What is looked up by. Raises WireError."""
    names = ("request_id", "id", "start_time", "created", "model")
    columns = columns_of(records, *names)
    return [_row(record, *values) for record, *values in zip(records, *columns, strict=True)]


def _row(record: bytes, request_id: Any, id: Any, start: int | None, created: int | None, model: Any) -> _Row:
    time = start if start is not None else (created or 0) * 1_000_000
    hashes = tuple({_hash(each) for each in (request_id, id) if each is not None})
    return _Row(time if -(2**63) <= time < 2**63 else 0, model, hashes, record)


def _hash(id: str) -> int:
    return int.from_bytes(sha256(id.encode()).digest()[:8], "big", signed=True)
