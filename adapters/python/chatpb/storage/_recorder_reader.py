"""Reading a recorder's file: records in order, by id, time and model, and the damage that is met on the way.

Rules: the record itself is the truth. Columns and ids only lead to a record, and an id that was looked up is compared
with the record's own. Where SQLite cannot read a range of rows, each is read alone, so that only damaged
ones are left out. No transaction is open while a caller holds a record, and no more records are in memory than one and
some compressed ones.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from struct import Struct
from types import TracebackType
from typing import Any, Final, TypeVar

from chatpb._files.framing import LARGE, emptied
from chatpb._records.columns import columns_of
from chatpb.storage._record_compression import MAX_DICTIONARY, CorruptBodyError, RecordCompression, size_of_record
from chatpb.storage._recorder_file import PART_BITS, RecorderError, is_damage

__all__ = ["Damaged", "RecordRun", "RecorderReader", "hash_of_id", "model_key"]

_ROWS_AT_ONCE: Final = 1024
_BYTES_AT_ONCE: Final = 4 << 20
"""Rows, and bytes of their bodies, after which no more are read at once."""

MAX_NAME: Final = 256
"""Characters of a model's name in the table of models; a longer one stands there by its start and its hash."""

_HASH: Final = Struct(">q")
"""How the first bytes of a digest are a number."""

T = TypeVar("T")

_Row = tuple[int, int, object]
"""The number of a record, that of its dictionary, and its body."""

_NUMBERS_BY_HASH: Final = f"""WITH RECURSIVE parts (part) AS (
    SELECT next - 1 >> {PART_BITS} FROM state
    UNION ALL SELECT part - 1 FROM parts, state WHERE part > first >> {PART_BITS}
)
SELECT seq FROM parts CROSS JOIN ids USING (part) WHERE hash = ? ORDER BY seq DESC"""  # noqa: S608


@dataclass(frozen=True)
class Damaged:
    """Records that cannot be read.

    Attributes:
        first: the number of the first.
        last: the number of the last.
        reason: what is wrong.

    Examples:
        >>> from chatpb.storage import Damaged
        >>> damaged = Damaged(first=7, last=9, reason="a block fails its checksum")
        >>> f"records {damaged.first} to {damaged.last}: {damaged.reason}"
        'records 7 to 9: a block fails its checksum'

    """

    first: int
    last: int
    reason: str


@dataclass(frozen=True)
class RecordRun:
    """Records that follow each other in a file.

    Attributes:
        numbers: the number of each.
        data: their bytes, one after the other.
        sizes: the bytes of each.

    """

    numbers: Sequence[int]
    data: bytes
    sizes: Sequence[int]


class RecorderReader:
    """The records of a recorder's file that is open."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        connection: sqlite3.Connection,
        compression: RecordCompression,
        max_record: int,
    ) -> None:
        self.path = os.fspath(path)
        self._max_record = max_record
        self._connection = connection
        self._compression = compression
        self._lock = threading.RLock()

    def get(self, id: str) -> bytes | None:
        """Return the record of a completion's id or a request's id, the newest of several; None if there is none.

        Raises RecorderError where damage leaves the answer open.
        """
        with self._lock, self._sqlite_errors("ids cannot be looked up: "):
            # The bodies of all at once would be sorted too, and so be in memory several times.
            for (number,) in self._connection.execute(_NUMBERS_BY_HASH, (hash_of_id(id),)).fetchall():
                record = self._decompress(self._fetch_row(number))
                if isinstance(record, Damaged):
                    if number < self._bounds()[0]:
                        continue  # a limit deleted it in the meantime
                    raise RecorderError(f"{self.path}: record {number} may be it, but {record.reason}")
                if [id] in columns_of([record], "id", "request_id"):
                    return record
        return None

    def _fetch_row(self, number: int) -> _Row | Damaged:
        """Return the row of a record."""
        query = "SELECT seq, dictionary, body FROM records WHERE seq = ?"
        try:
            found: list[_Row] = self._connection.execute(query, (number,)).fetchall()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            return Damaged(number, number, str(error))
        return found[0] if found else Damaged(number, number, "its row is missing")

    def __iter__(self) -> Iterator[bytes | Damaged]:
        """Iterate over all records in the order of recording; Damaged is in the place of those that cannot be read."""
        return self.scan()

    def scan(
        self, *, start: int | None = None, end: int | None = None, model: str | None = None
    ) -> Iterator[bytes | Damaged]:
        """Iterate over the records of a time or a model, in the order of recording.

        Damaged stands for those that cannot be read. Only iterating over everything reports rows that damage removed.

        Args:
            start: the earliest time, in microseconds since the Unix epoch: the record's start, else when the
                completion was created. A record with neither counts as of time 0.
            end: the time before which records are taken.
            model: the answer's model, else the request's.

        """
        found = self.numbered(start=start, end=end, model=model)
        return (each if isinstance(each, Damaged) else each[1] for each in found)

    def numbered(
        self, *, start: int | None = None, end: int | None = None, model: str | None = None
    ) -> Iterator[tuple[int, bytes] | Damaged]:
        """Iterate as `scan` does, over the number of each record and the record."""
        return _joined(self._each(rows) for rows in self._rows(start, end, model))

    def runs(
        self, size: int, *, start: int | None = None, end: int | None = None, threads: int = 1
    ) -> Iterator[RecordRun | Damaged]:
        """Iterate as `scan` does, over runs of records of about `size` bytes; several threads decompress a run."""
        return _joined(self._runs(rows, size, threads) for rows in self._rows(start, end))

    def _rows(self, start: int | None, end: int | None, model: str | None = None) -> Iterator[list[_Row | Damaged]]:
        """Return an iterator over the rows of a time or a model, in pieces."""
        with self._lock, self._sqlite_errors():
            conditions: list[tuple[str, Any]] = []
            if start is not None:
                conditions.append(("time >= ?", start))
            if end is not None:
                conditions.append(("time < ?", end))
            if model is not None:
                found = self._connection.execute("SELECT id FROM models WHERE name = ?", (model_key(model),)).fetchone()
                if found is None:
                    return iter(())
                conditions.append(("model = ?", found[0]))
            if not conditions:
                return self._read_range(*self._bounds())
            where = " AND ".join(condition for condition, _ in conditions)
            values = tuple(value for _, value in conditions)
            query = f"SELECT count(*), min(seq), max(seq) FROM records INDEXED BY records_time WHERE {where}"  # noqa: S608
            try:
                count, first, last = self._connection.execute(query, values).fetchone()
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                return self._read_range(*self._bounds(), where, values)
            oldest, newest = self._bounds()
        if first is None:
            return iter(())
        return self._read_counted(count, max(first, oldest), min(last, newest), where, values)

    def __len__(self) -> int:
        """Return how many records the file keeps."""
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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _bounds(self) -> tuple[int, int]:
        """Return the numbers of the oldest and the newest record."""
        with self._lock, self._sqlite_errors():
            try:
                first, following = self._connection.execute("SELECT first, next FROM state").fetchone()
            except (TypeError, sqlite3.DatabaseError) as error:
                if isinstance(error, sqlite3.DatabaseError) and not is_damage(error):
                    raise
                query = "SELECT coalesce(min(seq), 1), coalesce(max(seq), 0) + 1 FROM records"
                first, following = self._connection.execute(query).fetchone()
        return first, following - 1

    def _read_counted(
        self, count: int, first: int, last: int, where: str, values: tuple[Any, ...]
    ) -> Iterator[list[_Row | Damaged]]:
        """Yield the rows of a range that meet a condition, and Damaged if they are not as many as the index has."""
        found = 0
        for rows in self._read_range(first, last, where, values):
            found += sum(each.last - each.first + 1 if isinstance(each, Damaged) else 1 for each in rows)
            yield rows
        # Records that a limit deleted in the meantime are not damage.
        if found != count and self._bounds()[0] <= first:
            yield [Damaged(first, last, f"times or models are damaged: {found} are here, and {count} should be")]

    def _read_range(
        self, first: int, last: int, where: str = "", values: tuple[Any, ...] = ()
    ) -> Iterator[list[_Row | Damaged]]:
        """Yield the rows of a range in pieces."""
        while first <= last:
            with self._lock, self._sqlite_errors():
                rows, first = self._fetch_rows(first, last, where, values)
                # Records that a limit deleted in the meantime are not damage.
                oldest = self._bounds()[0]
            found = [each for each in rows if not isinstance(each, Damaged) or each.last >= oldest]
            del rows  # whoever takes the rows empties the list as they are used
            yield found

    def _each(self, rows: list[_Row | Damaged]) -> Iterator[tuple[int, bytes] | Damaged]:
        """Yield the record of each row, with its number."""
        for row in emptied(rows):
            if isinstance(row, Damaged):
                yield row
            else:
                number, record = row[0], self._decompress(row)
                del row
                yield record if isinstance(record, Damaged) else (number, record)
                del record

    def _runs(self, rows: list[_Row | Damaged], size: int, threads: int) -> Iterator[RecordRun | Damaged]:
        """Yield the records of rows in runs of about `size` bytes, each of one dictionary; a large one is alone."""
        run: list[_Row] = []
        left = size
        for row in emptied(rows):
            size_of_row = 0 if isinstance(row, Damaged) else size_of_record(row[2])
            if run and (left <= 0 or isinstance(row, Damaged) or size_of_row >= LARGE or row[1] != run[0][1]):
                yield from self._run(run, threads)
                left = size
            if isinstance(row, Damaged):
                yield row
            else:
                run.append(row)
                left -= size if size_of_row >= LARGE else size_of_row
            del row
        yield from self._run(run, threads)

    def _run(self, rows: list[_Row], threads: int) -> Iterator[RecordRun | Damaged]:
        """Yield the records of rows of one dictionary at once, or one by one if any is damaged, and empty the list."""
        if len(rows) > 1 and (found := self._decompressed(rows, threads)):
            rows.clear()
            yield found
        rows.reverse()
        while rows:
            number, record = rows[-1][0], self._decompress(rows.pop())
            made = [record if isinstance(record, Damaged) else RecordRun((number,), record, (len(record),))]
            del record
            yield made.pop()  # so that nothing here has it any longer

    def _decompressed(self, rows: list[_Row], threads: int) -> RecordRun | None:
        """Return the records of rows of one dictionary; None if any is damaged."""
        numbers, (dictionary, *_), bodies = zip(*rows, strict=True)
        with suppress(CorruptBodyError), self._lock:
            if self._load_dictionary(dictionary):
                return RecordRun(
                    numbers, *self._compression.decompress_all(bodies, dictionary, self._max_record, threads)
                )
        return None

    def _fetch_rows(
        self, first: int, last: int, where: str = "", values: tuple[Any, ...] = ()
    ) -> tuple[list[_Row | Damaged], int]:
        """Return rows from the start of a range, not more than memory takes easily, and the number that follows them.

        Where SQLite cannot read a row, the rows around it are read one by one.
        """
        if not where and (rows := self._fetch_small(first, min(first + _ROWS_AT_ONCE, last))):
            return rows, first + len(rows)
        condition = f" AND {where}" if where else ""
        query = f"SELECT seq, dictionary, body FROM records WHERE seq BETWEEN ? AND ?{condition} ORDER BY seq LIMIT ?"  # noqa: S608
        found: list[_Row | Damaged] = []
        expected, size = first, 0
        try:
            for row in self._connection.execute(query, (first, last, *values, _ROWS_AT_ONCE)):
                number, _, body = row
                if not expected <= number <= last:
                    continue  # a damaged page may give any numbers
                if number > expected and not where:
                    found.append(Damaged(expected, number - 1, "its row is missing"))
                found.append(row)
                expected = number + 1
                size += len(body) if isinstance(body, bytes) else 0
                if size > _BYTES_AT_ONCE or len(found) >= _ROWS_AT_ONCE:
                    return found, expected
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise RecorderError(f"{self.path}: {error}") from None
            if expected > first:
                return found, expected
            if first == last:
                return [Damaged(first, last, str(error))], last + 1
            return self._fetch_each(first, min(first + _ROWS_AT_ONCE, last), where, values)
        if not where and expected <= last:
            found.append(Damaged(expected, last, "its row is missing"))
        return found, last + 1

    def _fetch_small(self, first: int, last: int) -> list[_Row | Damaged]:
        """Return all rows of a range, at little cost for each; none if one is missing, or they are large or damaged."""
        of_range = "FROM records WHERE seq BETWEEN ? AND ?"
        try:
            sizes = f"SELECT sum(length(body)) {of_range}"
            (size,) = self._connection.execute(sizes, (first, last)).fetchone()  # reads no body
            if size is None or size > _BYTES_AT_ONCE:
                return []
            query = f"SELECT seq, dictionary, body {of_range} ORDER BY seq"
            rows = self._connection.execute(query, (first, last)).fetchall()
        except sqlite3.DatabaseError:
            return []  # what it is, is found row by row
        return rows if [row[0] for row in rows] == list(range(first, last + 1)) else []

    def _fetch_each(
        self, first: int, last: int, where: str, values: tuple[Any, ...]
    ) -> tuple[list[_Row | Damaged], int]:
        """Return the rows of a range of which SQLite cannot read some."""
        found: list[_Row | Damaged] = []
        for number in range(first, last + 1):
            found += self._fetch_rows(number, number, where, values)[0]
        return found, last + 1

    def _decompress(self, row: _Row | Damaged) -> bytes | Damaged:
        """Return the record that a row holds."""
        if isinstance(row, Damaged):
            return row
        number, dictionary, body = row
        try:
            with self._lock:
                if not self._load_dictionary(dictionary):
                    raise CorruptBodyError("its dictionary cannot be read")
                return self._compression.decompress(body, dictionary, self._max_record)
        except CorruptBodyError as error:
            return Damaged(number, number, str(error))

    def _load_dictionary(self, number: int) -> bool:
        """Read a dictionary or its copy, unless it is known already. Return whether it is known now."""
        if self._compression.has_dictionary(number):
            return True
        for table in ("dictionaries", "dictionary_copies"):
            query = f"SELECT body FROM {table} WHERE id = ?"  # noqa: S608
            try:
                found = self._connection.execute(query, (number,)).fetchone()
                if found:
                    self._compression.add_dictionary(
                        number, self._compression.decompress(found[0], limit=MAX_DICTIONARY)
                    )
                    return True
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise RecorderError(f"{self.path}: {error}") from None
            except CorruptBodyError:
                pass
        return False

    def _pragma(self, name: str) -> int:
        with self._lock, self._sqlite_errors():
            (value,) = self._connection.execute(f"PRAGMA {name}").fetchone()
            return int(value)

    @contextmanager
    def _sqlite_errors(self, what: str = "") -> Iterator[None]:
        """Raise RecorderError, with the file's name, for an error of SQLite."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise RecorderError(f"{self.path}: {what}{error}") from None


def _joined(pieces: Iterable[Iterable[T | Damaged]]) -> Iterator[T | Damaged]:
    """Yield what is in pieces, neighbours of one damage as one Damaged."""
    held: Damaged | None = None
    for piece in pieces:
        for each in piece:
            if not isinstance(each, Damaged):
                if held:
                    yield held
                    held = None
                found = [each]
                del each
                yield found.pop()  # so that nothing here has it any longer
            elif held and (held.last + 1, held.reason) == (each.first, each.reason):
                held = Damaged(held.first, each.last, each.reason)
            else:
                if held:
                    yield held
                held = each
    if held:
        yield held


def model_key(name: str) -> str:
    """Return what stands for a model's name in the table of models, which no limit trims."""
    if len(name) <= MAX_NAME:
        return name
    return f"{name[: MAX_NAME - 65]} {sha256(name.encode()).hexdigest()}"


def hash_of_id(id: str) -> int:
    """Return the hash that an id is looked up by: the first 8 bytes of its SHA-256, as a signed integer."""
    (hash,) = _HASH.unpack_from(sha256(id.encode()).digest())
    return int(hash)
