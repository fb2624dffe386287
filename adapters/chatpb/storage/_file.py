"""The SQLite file of a Recorder: its tables, how it is made and opened, and how a foreign file is told apart.

`seq` numbers records from 1 in the order of recording and without gaps: only the oldest are ever deleted, and `state`
says which numbers there must be. So a row that damage made disappear is missed.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final

from chatpb._errors import ChatpbError

__all__ = ["APPLICATION_ID", "PAGE", "PART", "RecorderError", "is_damage", "open_file", "transaction"]

APPLICATION_ID: Final = int.from_bytes(b"chpb", "big")
_VERSION: Final = 1

PAGE: Final = 8192
"""Bytes of a page."""

PART: Final = 18
"""Bits of a record's number that do not count for the part of `ids` it is in."""


_SCHEMA: Final = (
    """CREATE TABLE records (
        seq INTEGER PRIMARY KEY,      -- 1, 2, 3 ... in the order of recording
        time INTEGER NOT NULL,        -- microseconds since the Unix epoch; 0: not known
        model INTEGER,                -- of models; NULL: not known
        dictionary INTEGER NOT NULL,  -- of dictionaries; 0: none
        body BLOB NOT NULL            -- a zstd frame, with checksum, of a ChatCompletionRecord
    )""",
    "CREATE INDEX records_time ON records (time, model)",
    # In parts, as a hash goes anywhere in its part: in one of all records, each would be a page to write of its own.
    f"""CREATE TABLE ids (
        part INTEGER NOT NULL,        -- seq >> {PART}
        hash INTEGER NOT NULL,        -- the first 8 bytes of SHA-256 of an id, big-endian, signed
        seq INTEGER NOT NULL,
        PRIMARY KEY (part, hash, seq)
    ) WITHOUT ROWID""",
    "CREATE TABLE models (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    """CREATE TABLE dictionaries (
        id INTEGER PRIMARY KEY,
        body BLOB NOT NULL            -- a zstd frame of a zstd dictionary
    )""",
    # One damaged page must not take all records with it.
    "CREATE TABLE dictionary_copies (id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    """CREATE TABLE state (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        first INTEGER NOT NULL,       -- the oldest seq that is kept
        next INTEGER NOT NULL,        -- the seq of the next record
        bytes INTEGER NOT NULL        -- of all records ever appended, before compression
    )""",
    "INSERT INTO state VALUES (1, 1, 1, 0)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {_VERSION}",
)


class RecorderError(ChatpbError):
    """A recorder file that cannot be opened, read or written; the text names it."""


def open_file(path: str, read_only: bool, durable: bool, timeout: float) -> sqlite3.Connection:
    """The file, made if it is not there. Raises RecorderError, also for a file of another kind, and OSError."""
    if read_only and not os.path.exists(path):
        raise FileNotFoundError(2, "No such file", path)
    try:
        return _read_only(path, timeout) if read_only else _writable(path, durable, timeout)
    except sqlite3.DatabaseError as error:
        raise RecorderError(f"{path}: {error}") from None


def _connect(path: str, mode: str, timeout: float) -> sqlite3.Connection:
    uri = f"{Path(path).absolute().as_uri()}?{mode}"
    # A Recorder has a lock of its own around each use.
    return sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False)


def _read_only(path: str, timeout: float) -> sqlite3.Connection:
    # Of connections that might write, unlike of others, the last one clears the log away.
    connection = _connect(path, "mode=rw", timeout)
    try:
        connection.execute("PRAGMA query_only = ON")
        # With this SQLite also reads files that are cut short.
        connection.execute("PRAGMA writable_schema = ON")
        is_empty = _is_empty(connection, path)
    except sqlite3.OperationalError:
        # A directory that cannot be written to has no room for WAL's shared memory; nobody writes there either.
        connection.close()
        if os.path.exists(f"{path}-wal"):
            raise
        connection = _connect(path, "immutable=1", timeout)
        is_empty = _is_empty(connection, path)
    if is_empty:
        connection.close()
        raise RecorderError(f"{path}: the file is empty, and so no recorder file")
    return connection


def _writable(path: str, durable: bool, timeout: float) -> sqlite3.Connection:
    connection = _connect(path, "mode=rwc", timeout)
    try:
        if _is_empty(connection, path):
            connection.execute(f"PRAGMA page_size = {PAGE}")
            _use_wal(connection, timeout)
            with transaction(connection):
                if _is_empty(connection, path):
                    for statement in _SCHEMA:
                        connection.execute(statement)
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute(f"PRAGMA journal_size_limit = {64 << 20}")
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection, timeout: float) -> None:
    """Switch to WAL. SQLite does not wait for others here, so that two who make the same file would collide."""
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
    """Whether the file is yet to be made. Raises RecorderError for one of another kind."""
    # In one transaction, as another process may make it meanwhile.
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
        if application == APPLICATION_ID:
            if version > _VERSION:
                raise RecorderError(f"{path}: a recorder file of version {version}; this chatpb reads up to {_VERSION}")
            return False
        if application or version or pages > 1 or _has_tables(connection):
            raise RecorderError(f"{path}: not a recorder file, but another SQLite database")
    return True


def _has_tables(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Write, waiting for other writers at the start alone; or read what was there at one moment, if DEFERRED."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether an error tells of the file's content, rather than of a lock or of the system."""
    return not (isinstance(error, sqlite3.OperationalError) and any(word in str(error) for word in ("locked", "busy")))
