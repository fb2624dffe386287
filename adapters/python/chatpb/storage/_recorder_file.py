"""The SQLite file of a Recorder: its tables, how it is made and opened, and how other files are recognized.

A file may come from anyone. So it is opened only if its tables are exactly these, without a view or a trigger that
would run when it is read, and if its counts can be true; SQLite trusts nothing that the file defines.

`seq` numbers records from 1 in the order of recording and without gaps: only the oldest are ever deleted, and `state`
says which numbers there must be. So a missing row is noticed.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Final

from chatpb._errors import ChatpbError
from chatpb._files.write import private_opener

__all__ = ["PAGE_SIZE", "PART_BITS", "RecorderError", "is_damage", "open_recorder_file", "transaction"]

_APPLICATION_ID: Final = int.from_bytes(b"chpb", "big")
_VERSION: Final = 2

PAGE_SIZE: Final = 8192
"""Bytes of a page."""

PART_BITS: Final = 18
"""A record's `seq` without this many low bits is the number of its part of `ids`."""

# SQLite keeps the text of each statement, comments included, on the first page, which `restore_first_page` takes from a
# new file. So these texts stay as they are.
_SCHEMA: Final = (
    """CREATE TABLE records (
        seq INTEGER PRIMARY KEY,      -- 1, 2, 3 ... in the order of recording
        time INTEGER NOT NULL,        -- microseconds since the Unix epoch; 0: not known
        model INTEGER,                -- of models; NULL: not known
        dictionary INTEGER NOT NULL,  -- of dictionaries; 0: none
        body BLOB NOT NULL            -- a zstd frame, with checksum, of a ChatCompletionRecord
    )""",
    "CREATE INDEX records_time ON records (time, model)",
    # In parts, because hashes are random: in one tree of all records each id would be in a page of its own to write.
    f"""CREATE TABLE ids (
        part INTEGER NOT NULL,        -- seq >> {PART_BITS}
        hash INTEGER NOT NULL,        -- the first 8 bytes of SHA-256 of an id, big-endian, signed
        seq INTEGER NOT NULL,
        PRIMARY KEY (part, hash, seq)
    ) WITHOUT ROWID""",
    "CREATE TABLE models (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    """CREATE TABLE dictionaries (
        id INTEGER PRIMARY KEY,
        body BLOB NOT NULL            -- a zstd frame of a zstd dictionary
    )""",
    # A copy of `dictionaries`, so that one damaged page does not make all records unreadable.
    "CREATE TABLE dictionary_copies (id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    """CREATE TABLE state (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        first INTEGER NOT NULL,       -- the oldest seq that is kept
        next INTEGER NOT NULL,        -- the seq of the next record
        bytes INTEGER NOT NULL        -- of all records ever appended, before compression
    )""",
    """CREATE TABLE arrivals (
        seq INTEGER PRIMARY KEY,      -- the first record of an append
        time INTEGER NOT NULL         -- when it was appended, in microseconds since the Unix epoch
    )""",
    "INSERT INTO state VALUES (1, 1, 1, 0)",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_VERSION}",
)


class RecorderError(ChatpbError):
    """A recorder file that cannot be opened, read or written. The text names the file.

    Examples:
        >>> from pathlib import Path
        >>> from chatpb.storage import Recorder, RecorderError
        >>> size = Path("notes.txt").write_text("These are no records.")
        >>> try:
        ...     Recorder("notes.txt")
        ... except RecorderError as error:
        ...     print(error)
        ...
        notes.txt: not a recorder file, and no SQLite database at all

    """


def open_recorder_file(path: str, read_only: bool, durable: bool, timeout: float) -> sqlite3.Connection:
    """Open a recorder file; make it if it does not exist, unless `read_only`.

    Raises RecorderError for a file that cannot be opened or is of another kind, OSError where there is none to read.
    """
    if read_only and not os.path.exists(path):
        raise FileNotFoundError(2, "No such file", path)
    try:
        return _open_to_read(path, timeout) if read_only else _open_to_write(path, durable, timeout)
    except sqlite3.DatabaseError as error:
        raise RecorderError(f"{path}: {error}") from None


def _connect(path: str, mode: str, timeout: float) -> sqlite3.Connection:
    uri = f"{Path(path).absolute().as_uri()}?{mode}"
    # Any thread may use the connection, since a Recorder takes a lock around each use.
    connection = sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _open_to_read(path: str, timeout: float) -> sqlite3.Connection:
    # Opened as if to write, since only such a connection, if it is the last, removes the write-ahead log.
    connection = _connect(path, "mode=rw", timeout)
    try:
        connection.execute("PRAGMA query_only = ON")
        # With this setting SQLite also reads files that are cut short.
        connection.execute("PRAGMA writable_schema = ON")
        is_empty = _is_empty(connection, path)
    except sqlite3.OperationalError:
        # SQLite cannot put the shared memory of its log into a directory without write permission. Without a log
        # nobody writes to the file either.
        connection.close()
        if os.path.exists(f"{path}-wal"):
            raise
        connection = _connect(path, "immutable=1", timeout)
        is_empty = _is_empty(connection, path)
    try:
        if is_empty:
            raise RecorderError(f"{path}: the file is empty, and so no recorder file")
        _check_content(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _open_to_write(path: str, durable: bool, timeout: float) -> sqlite3.Connection:
    if not os.path.exists(path):
        with suppress(FileExistsError), open(path, "xb", opener=private_opener):
            pass  # SQLite gives the files beside it the mode of this one
    connection = _connect(path, "mode=rwc", timeout)
    try:
        if _is_empty(connection, path):
            connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
            _use_wal(connection, timeout)
            with transaction(connection):
                if _is_empty(connection, path):
                    for statement in _SCHEMA:
                        connection.execute(statement)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != _VERSION:
            raise RecorderError(
                f"{path}: of an earlier version: `chatpb export` makes a file of it that can be written"
            )
        _check_content(connection, path)
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute(f"PRAGMA journal_size_limit = {64 << 20}")
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection, timeout: float) -> None:
    """Switch to a write-ahead log, and wait for other processes that do: SQLite itself would not wait here."""
    end = time.monotonic() + timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if is_damage(error) or time.monotonic() > end:
                raise
            time.sleep(0.01)


def _is_empty(connection: sqlite3.Connection, path: str) -> bool:
    """Return whether the file has no tables yet. Raises RecorderError for a file of another kind."""
    # In one transaction, since another process may be making the tables.
    with nullcontext() if connection.in_transaction else transaction(connection, "DEFERRED"):
        try:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            if "not a database" not in str(error):
                raise
            raise RecorderError(f"{path}: not a recorder file, and no SQLite database at all") from None
        if application == _APPLICATION_ID:
            if version > _VERSION:
                raise RecorderError(f"{path}: a recorder file of version {version}; this chatpb reads up to {_VERSION}")
            return False
        if application or version or pages > 1 or _has_tables(connection):
            raise RecorderError(f"{path}: not a recorder file, but another SQLite database")
    return True


def _check_content(connection: sqlite3.Connection, path: str) -> None:
    """Raise RecorderError for tables that are not those of a recorder's file, and for counts that cannot be true."""
    try:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite^_%' ESCAPE '^'")
        for name, sql in found.fetchall():
            if sql not in _SCHEMA:
                raise RecorderError(f"{path}: not a recorder file: its {name!r} is not one of a recorder's tables")
        states = connection.execute("SELECT typeof(first), typeof(next), first, next FROM state").fetchall()
        (size,) = connection.execute(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        ).fetchone()
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return  # reading reports the damage
    for *types, first, following in states:
        # Each record takes some bytes, so that a file has fewer records than bytes.
        if types != ["integer"] * 2 or not 1 <= first <= following <= min(first + size, 1 << 62):
            raise RecorderError(f"{path}: it says that its records are {first!r} up to {following!r}, which cannot be")


def _has_tables(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Run the block in a transaction, which an error rolls back.

    IMMEDIATE waits for other writers at its start, and not again. DEFERRED reads the state of one moment.
    """
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Return whether an error may come from the file's content, rather than from a lock."""
    return not (isinstance(error, sqlite3.OperationalError) and any(word in str(error) for word in ("locked", "busy")))
