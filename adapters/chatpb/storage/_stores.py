"""Where Parquet is: this machine, or a store that fsspec knows by a URL, such as s3:// or gs://."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.fs

from chatpb._errors import ChatpbError

__all__ = ["filesystem_of", "first_line", "is_remote", "reaching", "store_of"]


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


def filesystem_of(path: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """Arrow's view of the place of a path or URL, and the name there. Raises ChatpbError as `store_of`."""
    if not is_remote(path):
        return pyarrow.fs.LocalFileSystem(), os.path.abspath(path)
    store, name = store_of(path)
    return pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(store)), name


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


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    return str(error).partition("\n")[0]
