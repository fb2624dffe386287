"""Reading a recorder's file: records in order, by id, time and model, and what damage has reached.

Rules: the record itself is the truth; columns and ids only lead to it, and an id is compared with the record's own.
What SQLite cannot read is halved down to the rows at fault, so that the others are read. No transaction is open while a
caller holds a record.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from types import TracebackType
from typing import Any, Final

from chatpb.storage._bodies import BadBody, Bodies
from chatpb.storage._columns import columns_of
from chatpb.storage._file import PART, RecorderError, is_damage

__all__ = ["Damaged", "Reader", "hash_of"]

_ROWS: Final = 64
"""Rows that are read at once."""

_IDS: Final = f"""WITH RECURSIVE parts (part) AS (
    SELECT next - 1 >> {PART} FROM state UNION ALL SELECT part - 1 FROM parts, state WHERE part > first >> {PART}
)
SELECT seq FROM parts CROSS JOIN ids USING (part) WHERE hash = ? ORDER BY seq DESC"""  # noqa: S608
_RECORDS: Final = f"SELECT seq, dictionary, body FROM ({_IDS}) LEFT JOIN records USING (seq) ORDER BY seq DESC"  # noqa: S608


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


class Reader:
    """The records of a file that is open."""

    def __init__(self, path: str | os.PathLike[str], connection: sqlite3.Connection, bodies: Bodies) -> None:
        self.path = os.fspath(path)
        self._connection = connection
        self._bodies = bodies
        self._lock = threading.RLock()

    def get(self, id: str) -> bytes | None:
        """The record of a completion's id or a request's id, the newest if there are several; None if there is none.

        Raises RecorderError if damage stands in the way.
        """
        key = (hash_of(id),)
        with self._lock, self._errors("ids cannot be looked up: "):
            try:
                found = self._connection.execute(_RECORDS, key).fetchall()
            except sqlite3.DatabaseError:
                # By numbers alone, to tell which.
                found = [(seq, None, None) for (seq,) in self._connection.execute(_IDS, key)]
            for seq, dictionary, body in found:
                record = self._body(seq, dictionary, body) if body is not None else next(self._read(seq, seq))
                if isinstance(record, Damaged):
                    raise RecorderError(f"{self.path}: record {seq} may be it, but {record.reason}")
                if [id] in columns_of([record], "id", "request_id"):
                    return record
        return None

    def __iter__(self) -> Iterator[bytes | Damaged]:
        """All records in the order of recording, and in the place of those that cannot be read what is wrong."""
        return self._walk(*self._bounds())

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
        with self._lock, self._errors():
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
            query = f"SELECT count(*), min(seq), max(seq) FROM records INDEXED BY records_time WHERE {where}"  # noqa: S608
            try:
                count, first, last = self._connection.execute(query, values).fetchone()
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                return self._walk(*self._bounds(), where, values)
        return iter(()) if first is None else self._counted(count, first, last, where, values)

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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _bounds(self) -> tuple[int, int]:
        """The numbers of the oldest and the newest record."""
        with self._lock, self._errors():
            try:
                first, following = self._connection.execute("SELECT first, next FROM state").fetchone()
            except (TypeError, sqlite3.DatabaseError) as error:
                if isinstance(error, sqlite3.DatabaseError) and not is_damage(error):
                    raise
                query = "SELECT coalesce(min(seq), 1), coalesce(max(seq), 0) + 1 FROM records"
                first, following = self._connection.execute(query).fetchone()
        return first, following - 1

    def _counted(
        self, count: int, first: int, last: int, where: str, values: tuple[Any, ...]
    ) -> Iterator[bytes | Damaged]:
        """Those of a range that meet a condition, of which the index has `count`."""
        found = 0
        for each in self._walk(first, last, where, values):
            found += each.last - each.first + 1 if isinstance(each, Damaged) else 1
            yield each
        # What a limit deletes while others read is not missing.
        if found != count and self._bounds()[0] <= first:
            yield Damaged(first, last, f"times or models are damaged: {found} are here, and {count} should be")

    def _walk(self, first: int, last: int, where: str = "", values: tuple[Any, ...] = ()) -> Iterator[bytes | Damaged]:
        """Read a range in pieces, damaged neighbours as one."""
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

    def _read(self, first: int, last: int, where: str = "", values: tuple[Any, ...] = ()) -> Iterator[bytes | Damaged]:
        """Read a range; where SQLite cannot, its halves, down to the rows at fault."""
        condition = f" AND {where}" if where else ""
        query = f"SELECT seq, dictionary, body FROM records WHERE seq BETWEEN ? AND ?{condition} ORDER BY seq"  # noqa: S608
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
            if not expected <= seq <= last:
                continue  # a damaged page may give any numbers
            if not where and seq > expected:
                yield Damaged(expected, seq - 1, "its row is missing")
            expected = seq + 1
            yield self._body(seq, dictionary, body)
        if not where and expected <= last:
            yield Damaged(expected, last, "its row is missing")

    def _body(self, seq: int, dictionary: int, body: object) -> bytes | Damaged:
        """What a row holds."""
        try:
            if not self._load(dictionary):
                raise BadBody("its dictionary cannot be read")
            return self._bodies.decompress(body, dictionary)
        except BadBody as error:
            return Damaged(seq, seq, str(error))

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

    def _pragma(self, name: str) -> int:
        with self._lock:
            return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    @contextmanager
    def _errors(self, what: str = "") -> Iterator[None]:
        """Tell SQLite's errors as RecorderError."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise RecorderError(f"{self.path}: {what}{error}") from None


def hash_of(id: str) -> int:
    """What ids are looked up by."""
    return int.from_bytes(sha256(id.encode()).digest()[:8], "big", signed=True)
