"""Where files are: on this machine, or on stores that fsspec knows by a URL, such as s3:// or gs://.

Rules: what is written appears when all of it has gone well, and what a store raises becomes ChatpbError with the URL,
whatever package it is of.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from io import SEEK_END, SEEK_SET, BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.fs

from chatpb._compression import compressing
from chatpb._errors import ChatpbError
from chatpb._records import open_output, unfinished

__all__ = [
    "create_stored",
    "filesystem_of",
    "first_line",
    "is_remote",
    "new_file",
    "new_folder",
    "open_stored",
    "reaching",
    "store_of",
]

_AT_ONCE: Final = 8 << 20
"""Bytes that are read at once of a file that is read from its start to its end."""


def is_remote(path: str) -> bool:
    """Whether a path is the URL of a store."""
    return "://" in path


def store_of(url: str) -> tuple[Any, str]:
    """The fsspec store of a URL, and the name there. Raises ChatpbError without the package for it.

    What is read from it is what was asked for and no more: those who read Parquet know which bytes they need.
    """
    try:
        import fsspec

        # The instance is changed, so it is not the one that others have.
        store, name = fsspec.core.url_to_fs(url, skip_instance_cache=True)
    except ImportError as error:
        raise ChatpbError(f"{url}: this store needs a package: {error}") from None
    except ValueError as error:
        raise ChatpbError(f"{url}: {error}") from None
    store.open = partial(store.open, cache_type="none")
    if type(store).modified is fsspec.AbstractFileSystem.modified:
        # DuckDB asks when a file was modified, which this store does not know.
        store.modified = lambda path: datetime.fromtimestamp(0, timezone.utc)
    return store, name


@contextmanager
def reaching(path: str) -> Iterator[None]:
    """Makes ChatpbError of what a store raises, which may be of its own packages."""
    try:
        yield
    except (ChatpbError, pa.ArrowException):
        raise
    except Exception as error:
        is_of_store = not error.filename if isinstance(error, OSError) else type(error).__module__ != "builtins"
        if not is_remote(path) or not is_of_store:
            raise
        missing = "not found: " if isinstance(error, FileNotFoundError) else ""
        raise ChatpbError(f"{path}: {missing}{first_line(error) or type(error).__name__}") from error


def filesystem_of(path: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """Arrow's view of where a path or URL is, and the name there. Raises ChatpbError as `store_of`."""
    if not is_remote(path):
        return pyarrow.fs.LocalFileSystem(), os.path.abspath(path)
    store, name = store_of(path)
    return pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(store)), name


@contextmanager
def new_file(path: str) -> Iterator[tuple[pyarrow.fs.FileSystem, str]]:
    """Where Arrow is to write a file that appears when all has gone well."""
    filesystem, name = filesystem_of(path)
    if is_remote(path):
        with _transaction(path, filesystem.handler.fs):
            yield filesystem, name
        return
    with open_output(path) as output:
        output.close()  # only its name is of use, as Arrow opens the file itself
        yield filesystem, output.name


@contextmanager
def new_folder(path: str) -> Iterator[tuple[pyarrow.fs.FileSystem, str]]:
    """The same for a folder. Raises ChatpbError if there is one already."""
    filesystem, name = filesystem_of(path)
    with reaching(path):
        if filesystem.get_file_info(name).type != pyarrow.fs.FileType.NotFound:
            raise ChatpbError(f"{path}: there is one already; name another folder")
    if is_remote(path):
        with _transaction(path, filesystem.handler.fs):
            yield filesystem, name
        return
    part = unfinished(Path(name))
    try:
        yield filesystem, str(part)
        os.replace(part, name)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


@contextmanager
def open_stored(url: str) -> Iterator[tuple[BufferedReader[Any], int]]:
    """A file for reading, and its size in bytes."""
    store, name = store_of(url)
    with reaching(url):
        raw = _Raw(url, store.open(name, "rb"))
        size = raw.seek(0, SEEK_END)
        raw.seek(0)
    with BufferedReader(raw, _AT_ONCE) as buffered:
        yield buffered, size


@contextmanager
def create_stored(url: str) -> Iterator[BinaryIO]:
    """A file for writing, compressed as its name says."""
    store, name = store_of(url)
    with _transaction(url, store), store.open(name, "wb") as file, compressing(url, file) as packed:
        yield packed


@contextmanager
def _transaction(url: str, store: Any) -> Iterator[None]:
    """What is written to a store inside appears in the end, and not at all if something goes wrong."""
    from fsspec.spec import AbstractBufferedFile

    with reaching(url), store.transaction:
        try:
            yield
        except BaseException:
            for file in store.transaction.files:
                # Arrow leaves some open, which would begin to be uploaded when they are collected.
                if isinstance(file, AbstractBufferedFile):
                    file.closed = True
            raise


class _Raw(RawIOBase):
    """A file of a store whose errors have its URL."""

    def __init__(self, url: str, file: Any) -> None:
        self._url = url
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        found: int = self._file.seek(offset, whence)
        return found

    def tell(self) -> int:
        found: int = self._file.tell()
        return found

    def readinto(self, buffer: Any) -> int:
        with reaching(self._url):
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    return str(error).partition("\n")[0]
