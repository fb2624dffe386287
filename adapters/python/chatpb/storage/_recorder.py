"""Recorder: records kept in one SQLite file, to which several processes append.

Rules: an append is one transaction, and returns when it is committed. SQLite's write-ahead log needs no repair after a
process died: what was committed is there, and what was not is not. Records are compressed before the transaction, so
that a writer waits only while others write, not while they compress. Of many batches, one is compressed while the one
before it is written.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message

from chatcompletion.v1 import ChatCompletionRecord
from chatpb._errors import ChatpbError
from chatpb._files.framing import LARGE
from chatpb._files.read import MAX_DOCUMENT
from chatpb._files.write import private_opener
from chatpb._records.columns import columns_of, seconds_of
from chatpb._records.parts import check_records, make_record, wire_of_part
from chatpb.storage._prefetch import prefetch
from chatpb.storage._record_compression import (
    MAX_DICTIONARY,
    MIN_SAMPLES,
    RecordCompression,
    size_of_record,
    train_dictionary,
)
from chatpb.storage._recorder_file import PART_BITS, RecorderError, open_recorder_file, transaction
from chatpb.storage._recorder_reader import Damaged, RecorderReader, hash_of_id, model_key
from chatpb.storage._sift import sift

__all__ = ["DEFAULT_LEVEL", "Recorder", "append_batches", "index_records"]

DEFAULT_LEVEL: Final = 6
"""The level of zstd, unless the caller sets another."""

_TRAINING: Final = ((128 << 10, 16 << 10), (2 << 20, MAX_DICTIONARY))
"""For each dictionary of a file, the bytes of records after which it is trained, and its size: a small early one, and
one that has seen more."""

_ARRIVALS_APART: Final = 1_000_000
"""Microseconds between two arrivals that are noted; records between them arrived with the first."""

_LATEST_ARRIVAL: Final = "SELECT coalesce((SELECT time FROM arrivals ORDER BY seq DESC LIMIT 1), 0)"

_FIXED_BYTES: Final = """SELECT (SELECT coalesce(sum(2 * length(name) + 24), 0) FROM models)
    + (SELECT coalesce(sum(length(body)), 0) FROM dictionaries)
    + (SELECT coalesce(sum(length(body)), 0) FROM dictionary_copies)"""
"""The SQL of the bytes that stay when records are deleted; a model's name is in a table and in an index."""

_DELETE_UNUSED_MODELS: Final = "DELETE FROM models WHERE id NOT IN (SELECT model FROM records WHERE model IS NOT NULL)"

_ROWS_AT_ONCE: Final = 500
"""Rows that are deleted at once, or read at once to train a dictionary."""


class RecordKeys(NamedTuple):
    """What a record is found by: its time, its model and the hashes of its ids."""

    time: int
    model: str | None
    hashes: tuple[int, ...]


class _Compressed(NamedTuple):
    """Records that are ready to be written: what each is found by, their bodies, and their bytes before compression."""

    keys: list[RecordKeys]
    bodies: list[bytes]
    dictionary: int
    size: int


class Recorder(RecorderReader):
    """An append-only file of records, each the wire bytes of a ChatCompletionRecord (package `zstandard`).

    Records are numbered from 1 in the order of recording. Threads may share a Recorder, and processes a file.

    An acknowledged record survives the death of the process. When the system crashes or power fails, the file stays
    whole, and all that was synced is there: with `durable` every acknowledged record, otherwise all but those of the
    last moments, as many as the write-ahead log has taken since its last checkpoint, about 8 MB.

    Args:
        path: the file; it is made if it does not exist, except with `read_only`.
        read_only: refuse to write.
        level: the level of zstd, 1 to 22: the higher, the smaller and the slower.
        durable: sync to the disk with every append.
        max_bytes: the size of the file beyond which the oldest records are deleted; their room is used again. The
            write-ahead log beside the file comes on top, and so does what cannot be deleted, as far as it takes more
            than half of the size.
        max_age: seconds after their arrival in this file when records are deleted, to the second. Both limits are
            applied at each append, and neither deletes a record of that append.
        max_record: bytes of a record at most that are read; a larger one counts as damaged.
        timeout: seconds to wait for another writer.
        threads: how many threads compress the records of one append.

    Raises RecorderError for a file that is not a recorder's or is locked, OSError where there is none to read.

    Examples:
        >>> from chatpb.storage import Recorder
        >>> with Recorder("traffic.db") as recorder:
        ...     recorder.add(request={"model": "m"}, response={"id": "c1"}, labels={"team": "search"})
        ...     len(recorder)
        ...
        1
        1

    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        read_only: bool = False,
        level: int = DEFAULT_LEVEL,
        durable: bool = False,
        max_bytes: int | None = None,
        max_age: float | None = None,
        max_record: int = MAX_DOCUMENT,
        timeout: float = 10.0,
        threads: int = 1,
    ) -> None:
        connection = open_recorder_file(os.fspath(path), read_only, durable, timeout)
        super().__init__(path, connection, RecordCompression(level), max_record)
        self._read_only = read_only
        self._threads = threads
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._dictionary = 0
        self._train_at = 0

    def __enter__(self) -> Recorder:
        return self

    def append(self, records: Iterable[bytes | Message] | bytes | Message) -> range:
        """Append records, all or none, and return their numbers once they are committed.

        Raises WireError for bytes that are no record, with the record's place as its path; TypeError for what is
        neither bytes nor a ChatCompletionRecord; RecorderError when the file is locked for longer than the timeout, the
        disk is full, or the file is damaged.
        """
        if self._read_only:
            raise RecorderError(f"{self.path}: opened for reading alone")
        if isinstance(records, (bytes, Message)):
            records = [records]
        wires = check_records([wire_of_part(each, ChatCompletionRecord) for each in records])
        self._find_dictionary()
        return self._write(self._compress(wires))

    def add(self, **parts: Any) -> int:
        """Append the record that `make_record` makes of its arguments, and return its number once it is committed."""
        (number,) = self.append([make_record(**parts)])
        return number

    def backup(self, path: str | os.PathLike[str]) -> None:
        """Copy the file with all that is committed, also what is still in the write-ahead log, while others write.

        Raises FileExistsError if there is a file of that name, RecorderError where the file cannot be read.
        """
        name = os.fspath(path)
        try:
            open(name, "xb", opener=private_opener).close()
        except FileExistsError as error:
            reason = "there is a file of this name, and a backup replaces none: give another name"
            raise FileExistsError(error.errno, reason, name) from None
        try:
            with self._lock, self._sqlite_errors(), closing(sqlite3.connect(name)) as copy:
                self._connection.backup(copy)
        except BaseException:
            os.unlink(name)
            raise

    def _find_dictionary(self) -> None:
        """Note the newest dictionary, which another process may have trained."""
        with self._lock, self._sqlite_errors():
            self._dictionary = self._newest_dictionary()

    def _compress(self, records: list[bytes]) -> _Compressed:
        """Return records that can be read, ready to be written. Other threads may write meanwhile."""
        dictionary = self._dictionary
        keys = index_records(records)
        bodies = self._compression.compress_all(records, dictionary, self._threads)
        return _Compressed(keys, bodies, dictionary, sum(map(len, records)))

    def _write(self, records: _Compressed) -> range:
        with self._lock, self._sqlite_errors():
            with transaction(self._connection):
                numbers = self._insert(records)
                self._apply_limits(numbers.start)
            self._train_if_due()
        return numbers

    def _insert(self, records: _Compressed) -> range:
        keys, bodies, dictionary, size = records
        (first,) = self._connection.execute("SELECT next FROM state").fetchone()
        numbers = range(first, first + len(keys))
        models = self._model_ids({each.model for each in keys if each.model is not None})
        rows = [
            (number, each.time, models.get(each.model), dictionary, body)
            for number, each, body in zip(numbers, keys, bodies, strict=True)
        ]
        insert = "INSERT INTO records VALUES (?, ?, ?, ?, ?)"
        self._connection.executemany(insert, [row for row in rows if not _is_large(row)])
        for *row, body in filter(_is_large, rows):
            self._insert_large(row, body)
        ids = [
            (number >> PART_BITS, hash, number)
            for number, each in zip(numbers, keys, strict=True)
            for hash in each.hashes
        ]
        ids.sort()
        self._connection.executemany("INSERT INTO ids VALUES (?, ?, ?)", ids)
        now = time.time_ns() // 1000
        (latest,) = self._connection.execute(_LATEST_ARRIVAL).fetchone()
        if numbers and abs(now - latest) >= _ARRIVALS_APART:
            self._connection.execute("INSERT INTO arrivals VALUES (?, ?)", (first, now))
        self._connection.execute("UPDATE state SET next = ?, bytes = bytes + ?", (numbers.stop, size))
        return numbers

    def _insert_large(self, row: list[Any], body: bytes) -> None:
        """Insert a row with a large body, which is written in pieces, since SQLite copies what it is given."""
        self._connection.execute("INSERT INTO records VALUES (?, ?, ?, ?, zeroblob(?))", (*row, len(body)))
        connection: Any = self._connection  # Python 3.10, which mypy checks for, has no `blobopen`
        with connection.blobopen("records", "body", row[0]) as blob:
            for start in range(0, len(body), LARGE):
                blob.write(body[start : start + LARGE])

    def _model_ids(self, names: set[str]) -> dict[str | None, int]:
        """Return the numbers of models, which get one if they have none."""
        found: dict[str | None, int] = {}
        for name in sorted(names):
            self._connection.execute("INSERT OR IGNORE INTO models (name) VALUES (?)", (name,))
            (found[name],) = self._connection.execute("SELECT id FROM models WHERE name = ?", (name,)).fetchone()
        return found

    def _apply_limits(self, new: int) -> None:
        """Delete the oldest records beyond `max_age` and `max_bytes`, but no record from number `new` on."""
        if self._max_age is not None:
            oldest = time.time_ns() // 1000 - int(self._max_age * 1e6) - _ARRIVALS_APART
            (old,) = self._connection.execute("SELECT max(seq) FROM arrivals WHERE time < ?", (oldest,)).fetchone()
            if old is not None:
                later = "SELECT coalesce(min(seq), ?) FROM arrivals WHERE seq > ?"
                self._delete_before(self._connection.execute(later, (new, old)).fetchone()[0])
        if self._max_bytes is None or self.size <= self._max_bytes:
            return
        # Models and dictionaries stay when records go. However many they are, half of the size is left to records.
        (fixed,) = self._connection.execute(_FIXED_BYTES).fetchone()
        if fixed > self._max_bytes // 2:
            self._connection.execute(_DELETE_UNUSED_MODELS)
            (fixed,) = self._connection.execute(_FIXED_BYTES).fetchone()
        limit = max(self._max_bytes, fixed + self._max_bytes // 2)
        while self.size > limit and (first := self._bounds()[0]) < new:
            self._delete_before(min(first + min(_ROWS_AT_ONCE, -(-len(self) // 10)), new))

    def _delete_before(self, number: int) -> None:
        """Delete the records before a number, with their ids."""
        first = self._bounds()[0]
        while first < number:
            rows, stop = self._fetch_rows(first, min(first + _ROWS_AT_ONCE, number) - 1)
            parts = range(first >> PART_BITS, ((stop - 1) >> PART_BITS) + 1)
            for record in map(self._decompress, rows):
                # The ids of a record that cannot be read stay, and lead nowhere.
                for (indexed,) in sift([record], index_records, _skip) if isinstance(record, bytes) else ():
                    ids = [(part, hash, first, stop) for part in parts for hash in indexed.hashes]
                    delete = "DELETE FROM ids WHERE part = ? AND hash = ? AND seq >= ? AND seq < ?"
                    self._connection.executemany(delete, ids)
            self._connection.execute("DELETE FROM records WHERE seq < ?", (stop,))
            # The newest arrival before the oldest record is that record's own.
            old = "DELETE FROM arrivals WHERE seq < (SELECT max(seq) FROM arrivals WHERE seq <= ?)"
            self._connection.execute(old, (stop,))
            self._connection.execute("UPDATE state SET first = ?", (stop,))
            first = stop

    def _newest_dictionary(self) -> int:
        """Return the number of the newest dictionary; 0 if there is none, or it cannot be read."""
        (number,) = self._connection.execute("SELECT coalesce(max(id), 0) FROM dictionaries").fetchone()
        return int(number) if self._load_dictionary(number) else 0

    def _train_if_due(self) -> None:
        """Train the next dictionary if there are enough records, unless another process has just done so."""
        (total,) = self._connection.execute("SELECT bytes FROM state").fetchone()
        count = "SELECT count(*) FROM dictionaries"
        (trained,) = self._connection.execute(count).fetchone()
        if trained == len(_TRAINING):
            return
        enough, size = _TRAINING[trained]
        if total < max(enough, self._train_at) or len(self) < MIN_SAMPLES:
            return
        dictionary = train_dictionary(self._newest_records(enough), trained + 1, size)
        if dictionary is None:
            self._train_at = 2 * total
            return
        body = self._compression.compress(dictionary)
        with transaction(self._connection):
            if self._connection.execute(count).fetchone() == (trained,):
                for table in ("dictionaries", "dictionary_copies"):
                    self._connection.execute(f"INSERT INTO {table} VALUES (?, ?)", (trained + 1, body))  # noqa: S608

    def _newest_records(self, size: int) -> list[bytes]:
        """Return the starts of the newest records, of `size` bytes or somewhat more together.

        None has so many bytes that they would be too few to train a dictionary.
        """
        found: list[bytes] = []
        most = size // MIN_SAMPLES
        first, number = self._bounds()
        while number >= first and size > 0:
            (row,), _ = self._fetch_rows(number, number)
            is_sample = (
                not isinstance(row, Damaged) and size_of_record(row[2]) < LARGE
            )  # training takes many times that
            record = self._decompress(row) if is_sample else None
            if isinstance(record, bytes):
                found.append(record[:most])
                size -= len(found[-1])
            number -= 1
        return found


def _is_large(row: tuple[Any, ...]) -> bool:
    """Return whether a row's body is to be written in pieces, which Python's SQLite can from 3.11 on."""
    return len(row[-1]) >= LARGE and sys.version_info >= (3, 11)


def _skip(place: int, error: ChatpbError) -> None:
    """Leave a record out."""


def append_batches(recorder: Recorder, batches: Iterable[list[bytes]], threads: int | None) -> Iterator[range]:
    """Append batches of records that can be read, each batch all or none, and yield their numbers.

    One batch is read and compressed while the one before it is written. Raises RecorderError as `Recorder.append`.
    """
    recorder._find_dictionary()
    compressed = map(recorder._compress, batches)
    for records in prefetch(compressed, threads, lambda records: records.size):
        numbers = recorder._write(records)
        del records  # before the next are read
        recorder._find_dictionary()
        yield numbers


def index_records(records: Sequence[bytes]) -> list[RecordKeys]:
    """Return what records are found by. Raises WireError, with the record's place as its path."""
    names = ("request_id", "id", "start_time", "created", "model")
    return [_keys(*values) for values in zip(*columns_of(records, *names), strict=True)]


def _keys(request_id: Any, id: Any, start: Any, created: Any, model: Any) -> RecordKeys:
    time = start if start is not None else (seconds_of(created) or 0) * 1_000_000
    hashes = tuple({hash_of_id(each) for each in (request_id, id) if each is not None})
    return RecordKeys(time if -(2**63) <= time < 2**63 else 0, model_key(model) if model else model, hashes)
