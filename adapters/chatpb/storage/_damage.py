"""Damage to a recorder's file: all of it told, and a lost first page put back.

Reading finds what it meets. What only leads to records (times, models, ids, the index) is held against the records
here, so that a flipped bit anywhere shows, unless it is where nothing is read from.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from chatpb.storage._file import PAGE, PART, RecorderError, is_damage
from chatpb.storage._reader import Damaged, Reader
from chatpb.storage._recorder import Recorder, rows_of

__all__ = ["restore_first_page", "verify"]

_ROWS: Final = 1_000
"""Rows that are looked at at once."""

_PAGES: Final = slice(28, 32)
"""Where SQLite's header has the number of pages."""


def verify(path: str | os.PathLike[str]) -> Iterator[str]:
    """Read all of a recorder's file, and tell what is wrong, a line each; none if nothing is.

    Records that it does not name are as they were appended: `chatpb export damaged.db whole.db` makes a file of them.
    Raises RecorderError if the file cannot be opened.
    """
    with Recorder(path, read_only=True) as recorder:
        yield from _of_sqlite(recorder)
        yield from _of_dictionaries(recorder)
        first, last = recorder._bounds()
        for start in range(first, last + 1, _ROWS):
            yield from _of_rows(recorder, start, min(start + _ROWS - 1, last))


def restore_first_page(path: str | os.PathLike[str]) -> None:
    """Put back the first page of a recorder's file that cannot be opened, since that page is damaged.

    It is the same in all of them, but for what tells how long the file is. Raises RecorderError for a file that can be
    opened, or still cannot afterwards; it is as it was then.
    """
    name = os.fspath(path)
    with open(name, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        before = file.read(PAGE)
        if _what_is_wrong(path) is None:
            raise RecorderError(f"{name}: its first page is whole")
        file.seek(0)
        file.write(_first_page(size // PAGE))
        file.flush()
        if reason := _what_is_wrong(path):
            file.seek(0)
            file.write(before)
            raise RecorderError(f"{name}: a new first page does not help: {reason}")


def _what_is_wrong(path: str | os.PathLike[str]) -> str | None:
    """Why the file cannot be opened and read from; None if it can."""
    try:
        with Recorder(path, read_only=True) as recorder:
            recorder._connection.execute("SELECT next FROM state").fetchone()
    except (RecorderError, sqlite3.DatabaseError) as error:
        return str(error)
    return None


def _first_page(pages: int) -> bytes:
    with tempfile.TemporaryDirectory(prefix="chatpb-") as folder:
        path = Path(folder) / "new.db"
        Recorder(path).close()
        page = bytearray(path.read_bytes()[:PAGE])
    page[_PAGES] = pages.to_bytes(4, "big")
    return bytes(page)


def _of_sqlite(reader: Reader) -> Iterator[str]:
    try:
        for (line,) in reader._connection.execute("PRAGMA integrity_check"):
            if line != "ok":
                yield f"SQLite: {line}"
    except sqlite3.DatabaseError as error:
        yield f"SQLite: {error}"


def _of_dictionaries(reader: Reader) -> Iterator[str]:
    query = "SELECT id, a.body, b.body FROM dictionaries AS a LEFT JOIN dictionary_copies AS b USING (id)"
    try:
        for number, body, copy in reader._connection.execute(query).fetchall():
            if body != copy:
                yield f"dictionary {number}: it and its copy differ"
    except sqlite3.DatabaseError as error:
        yield f"dictionaries: {error}"


def _of_rows(reader: Reader, first: int, last: int) -> Iterator[str]:
    found: dict[int, bytes] = {}
    number = first
    for each in reader._walk(first, last):
        if isinstance(each, Damaged):
            yield f"records {each.first} to {each.last}: {each.reason}"
            number = each.last + 1
        else:
            found[number] = each
            number += 1
    query = "SELECT time, name FROM records LEFT JOIN models ON models.id = model WHERE seq = ?"
    has_id = "SELECT count(*) FROM ids WHERE part = ? AND hash = ? AND seq = ?"
    for number, row in zip(found, rows_of(list(found.values())), strict=True):
        try:
            if reader._connection.execute(query, (number,)).fetchone() != (row.time, row.model):
                yield f"record {number}: its time or model is not found by `scan`"
            for hash in row.hashes:
                if reader._connection.execute(has_id, (number >> PART, hash, number)).fetchone() != (1,):
                    yield f"record {number}: its id is not found by `get`"
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            yield f"record {number}: {error}"
