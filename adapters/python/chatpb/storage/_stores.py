"""Files on this machine, and on stores that fsspec reaches by a URL, such as s3:// or gs://.

Rules: a new file or folder appears only when all of it has been written. An error that a store raises, of whichever
package, becomes a ChatpbError that names the URL.
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

from chatpb._errors import ChatpbError
from chatpb._extras import extra_for
from chatpb._files.compression import compressing
from chatpb._files.write import open_output, unfinished_name

__all__ = [
    "create_stored",
    "filesystem_of",
    "first_line",
    "is_remote",
    "new_file",
    "new_folder",
    "open_stored",
    "store_errors",
    "store_of",
]

_READ_SIZE: Final = 8 << 20
"""Bytes that are fetched at once of a file that is read from start to end."""


def is_remote(path: str) -> bool:
    """Return whether a path is the URL of a store."""
    return "://" in path


def store_of(url: str) -> tuple[Any, str]:
    """Return the fsspec store of a URL, and the name there.

    The store fetches only the bytes that are asked for, since a reader of Parquet knows which it needs. Raises
    ChatpbError for a URL that fsspec does not know or has no package for.
    """
    with extra_for(f"{url}: this store"):
        import fsspec
    try:
        # Without the cache, since the changes below must not reach a store that other code has.
        store, name = fsspec.core.url_to_fs(url, skip_instance_cache=True)
    except ImportError as error:
        # Each store has a package of its own, which no extra of chatpb brings. The error says which.
        raise ChatpbError(f"{url}: this store needs a package: {error}") from None
    except ValueError as error:
        raise ChatpbError(f"{url}: {error}") from None
    store.open = partial(store.open, cache_type="none")
    if type(store).modified is fsspec.AbstractFileSystem.modified:
        # DuckDB asks when a file was modified, and this store cannot answer.
        store.modified = lambda path: datetime.fromtimestamp(0, timezone.utc)
    return store, name


@contextmanager
def store_errors(path: str) -> Iterator[None]:
    """Raise ChatpbError, with the URL, for an error of the store that a path is on, also one of the store's package."""
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
    """Return Arrow's file system for a path or URL, and the name there. Raises ChatpbError where there is no store."""
    if not is_remote(path):
        return pyarrow.fs.LocalFileSystem(), os.path.abspath(path)
    store, name = store_of(path)
    return pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(store)), name


@contextmanager
def new_file(path: str) -> Iterator[tuple[pyarrow.fs.FileSystem, str]]:
    """Give the file system and the name where Arrow can write a file, which appears if the block raises no error."""
    filesystem, name = filesystem_of(path)
    if is_remote(path):
        with _transaction(path, filesystem.handler.fs):
            yield filesystem, name
        return
    with open_output(path) as output:
        output.close()  # Arrow opens the file itself, by its name
        yield filesystem, output.name


@contextmanager
def new_folder(path: str) -> Iterator[tuple[pyarrow.fs.FileSystem, str]]:
    """Give the file system and the name where Arrow can write a folder, which appears if the block raises no error.

    Raises ChatpbError if the folder exists already.
    """
    filesystem, name = filesystem_of(path)
    with store_errors(path):
        if filesystem.get_file_info(name).type != pyarrow.fs.FileType.NotFound:
            raise ChatpbError(f"{path}: there is one already; name another folder")
    if is_remote(path):
        with _transaction(path, filesystem.handler.fs):
            yield filesystem, name
        return
    part = unfinished_name(Path(name))
    try:
        part.mkdir(mode=0o700)  # what is in it is for its owner alone
        yield filesystem, str(part)
        os.replace(part, name)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


@contextmanager
def open_stored(url: str) -> Iterator[tuple[BufferedReader[Any], int]]:
    """Open a file of a store for reading, and give its size in bytes too."""
    store, name = store_of(url)
    with store_errors(url):
        raw = _StoredFile(url, store.open(name, "rb"))
        size = raw.seek(0, SEEK_END)
        raw.seek(0)
    with BufferedReader(raw, _READ_SIZE) as buffered:
        yield buffered, size


@contextmanager
def create_stored(url: str) -> Iterator[BinaryIO]:
    """Open a file of a store for writing, compressed as its name says; it appears if the block raises no error."""
    store, name = store_of(url)
    with _transaction(url, store), store.open(name, "wb") as file, compressing(url, file) as packed:
        yield packed


@contextmanager
def _transaction(url: str, store: Any) -> Iterator[None]:
    """Make what the block writes to a store appear at its end, or not at all if it raises an error."""
    from fsspec.spec import AbstractBufferedFile

    with store_errors(url), store.transaction:
        try:
            yield
        except BaseException:
            for file in store.transaction.files:
                # Arrow leaves some files open; without this their upload would begin when Python frees them.
                if isinstance(file, AbstractBufferedFile):
                    file.closed = True
            raise


class _StoredFile(RawIOBase):
    """A file of a store that is open for reading, whose errors name its URL."""

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
        with store_errors(self._url):
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def first_line(error: Exception) -> str:
    """Return the first line of an error's text."""
    return str(error).partition("\n")[0]
