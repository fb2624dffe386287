"""Damage to a recorder's file: report all of it, and restore a lost first page.

Reading only finds the damage that it meets. Here everything that leads to records (times, models, ids, the index) is
compared with the records too, so that a flipped bit shows wherever it is, except in bytes that nothing is read from.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from chatcompletion.v1 import ChatCompletionRecord
from chatpb._convert import wire_to_json
from chatpb._errors import ChatpbError
from chatpb.storage._recorder import Recorder, index_records
from chatpb.storage._recorder_file import PAGE_SIZE, PART_BITS, RecorderError, is_damage
from chatpb.storage._recorder_reader import Damaged, RecorderReader

__all__ = ["restore_first_page", "verify"]

_PAGE_COUNT: Final = slice(28, 32)
"""The bytes of SQLite's header that hold the number of pages."""


def verify(path: str | os.PathLike[str]) -> Iterator[str]:
    """Read all of a recorder's file, and yield a line for each thing that is wrong; none if all is well.

    A record that is whole but cannot be written as JSON, as it holds NaN, has a line too. Records that no line names
    are as they were appended: `chatpb export damaged.db whole.db` makes a file of them.
    Raises RecorderError if the file cannot be opened, or is locked.

    Examples:
        >>> from chatpb.storage import Recorder, verify
        >>> with Recorder("traffic.db") as recorder:
        ...     number = recorder.add(response={"id": "c1"})
        ...
        >>> list(verify("traffic.db"))
        []

    """
    with Recorder(path, read_only=True) as recorder, recorder._sqlite_errors():
        yield from _sqlite_problems(recorder)
        yield from _dictionary_problems(recorder)
        yield from _record_problems(recorder)


def restore_first_page(path: str | os.PathLike[str]) -> None:
    """Restore the first page of a recorder's file that cannot be opened, because that page is damaged.

    The first page is the same in all such files, except for the number of pages. Raises RecorderError for a file that
    can be opened, and for one that still cannot be opened afterwards, which is left as it was.

    Examples:
        >>> from chatpb.storage import Recorder, RecorderError, restore_first_page
        >>> Recorder("traffic.db").close()
        >>> try:
        ...     restore_first_page("traffic.db")
        ... except RecorderError as error:
        ...     print(error)
        ...
        traffic.db: its first page is whole

    """
    name = os.fspath(path)
    with open(name, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        before = file.read(PAGE_SIZE)
        if _reason_not_readable(path) is None:
            raise RecorderError(f"{name}: its first page is whole")
        file.seek(0)
        file.write(_first_page(size // PAGE_SIZE))
        file.flush()
        if reason := _reason_not_readable(path):
            file.seek(0)
            file.write(before)
            raise RecorderError(f"{name}: a new first page does not help: {reason}")


def _reason_not_readable(path: str | os.PathLike[str]) -> str | None:
    """Return why the file cannot be opened and read; None if it can."""
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
        page = bytearray(path.read_bytes()[:PAGE_SIZE])
    page[_PAGE_COUNT] = pages.to_bytes(4, "big")
    return bytes(page)


def _sqlite_problems(reader: RecorderReader) -> Iterator[str]:
    try:
        for (line,) in reader._connection.execute("PRAGMA integrity_check"):
            if line != "ok":
                yield f"SQLite: {line}"
    except sqlite3.DatabaseError as error:
        yield f"SQLite: {error}"


def _dictionary_problems(reader: RecorderReader) -> Iterator[str]:
    query = "SELECT id, a.body, b.body FROM dictionaries AS a LEFT JOIN dictionary_copies AS b USING (id)"
    try:
        for number, body, copy in reader._connection.execute(query).fetchall():
            if body != copy:
                yield f"dictionary {number}: it and its copy differ"
    except sqlite3.DatabaseError as error:
        yield f"dictionaries: {error}"


def _record_problems(reader: RecorderReader) -> Iterator[str]:
    for each in reader.numbered():
        if isinstance(each, Damaged):
            yield f"records {each.first} to {each.last}: {each.reason}"
        else:
            yield from _problems_of_record(reader, *each)


def _problems_of_record(reader: RecorderReader, number: int, record: bytes) -> Iterator[str]:
    try:
        wire_to_json(record, ChatCompletionRecord, unknown_fields="skip")
        (indexed,) = index_records([record])
    except ChatpbError as error:
        yield f"record {number}: {error}"
        return
    query = "SELECT time, name FROM records LEFT JOIN models ON models.id = model WHERE seq = ?"
    has_id = "SELECT count(*) FROM ids WHERE part = ? AND hash = ? AND seq = ?"
    try:
        if reader._connection.execute(query, (number,)).fetchone() != (indexed.time, indexed.model):
            yield f"record {number}: its time or model is not found by `scan`"
        for hash in indexed.hashes:
            if reader._connection.execute(has_id, (number >> PART_BITS, hash, number)).fetchone() != (1,):
                yield f"record {number}: its id is not found by `get`"
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        yield f"record {number}: {error}"
