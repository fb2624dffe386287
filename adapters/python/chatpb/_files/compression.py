"""Compressed files: gzip and zstd, detected from the first bytes in reading and from the end of the name in writing."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from io import BufferedReader
from typing import Any, BinaryIO, Final

from chatpb._extras import extra_for

__all__ = ["CorruptDataError", "Decompressed", "compressing", "plain_name"]

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ENDINGS: Final = (".gz", ".zst")


class CorruptDataError(Exception):
    """Compressed data that is damaged or cut short. The text names the compression."""


class Decompressed:
    """A file as it is read: decompressed, if it begins as compressed data does.

    Raises MissingExtraError for zstd data where the library for it is not installed.
    """

    def __init__(self, raw: BufferedReader) -> None:
        start = raw.peek(len(_ZSTD))
        self._stream: Any = raw
        self._name = ""
        self._errors: tuple[type[Exception], ...] = ()
        if start.startswith(_GZIP):
            self._stream = gzip.GzipFile(fileobj=raw)
            self._name, self._errors = "gzip", (EOFError, gzip.BadGzipFile, zlib.error)
        elif start.startswith(_ZSTD):
            zstd = _zstd()
            self._stream = zstd.ZstdFile(raw)
            self._name, self._errors = "zstd", (EOFError, zstd.ZstdError)

    def pieces(self, size: int, at_once: bool) -> Iterator[bytes]:
        """Yield the whole file in pieces of `size` bytes, or smaller ones as they come, if `at_once`.

        Raises CorruptDataError where compressed data cannot be read any further, after the last piece before that.
        """
        held: list[bytes] = []
        wanted = size
        damaged = None
        more = b"..."
        while more:
            try:
                more = self._stream.read1(wanted)
            except self._errors:
                more, damaged = b"", CorruptDataError(self._name)
            held.append(more)
            wanted -= len(more)
            if wanted < size and (at_once or not wanted or not more):
                yield b"".join(held)
                held.clear()
                wanted = size
        if damaged:
            raise damaged


def plain_name(path: str) -> str:
    """Return a file's name without the ending of a compression."""
    return path[: -len(ending)] if (ending := _compression_of(path)) else path


def compressing(path: str, file: BinaryIO) -> AbstractContextManager[BinaryIO]:
    """Return what compresses into a file, as the path's ending says; the file itself if it says nothing.

    Raises MissingExtraError for .zst where the library for it is not installed.
    """
    packed: Any = nullcontext(file)
    ending = _compression_of(path)
    if ending == ".gz":
        # Level 6 is that of the gzip command. Python's own, 9, takes half as long again to save a sixtieth.
        packed = gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0)
    elif ending == ".zst":
        packed = _zstd().ZstdFile(file, mode="wb")
    found: AbstractContextManager[BinaryIO] = packed
    return found


def _compression_of(path: str) -> str:
    """Return the ending of a compression that a file's name has, in lower case; "" if it has none."""
    return next((ending for ending in _ENDINGS if path.lower().endswith(ending)), "")


def _zstd() -> Any:
    """Return the zstd module, which is part of Python from 3.14 on."""
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        with extra_for("zstd"):
            import backports.zstd as zstd
    return zstd
