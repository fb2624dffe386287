"""Compressed files: gzip and zstd, known by their first bytes when read and by the end of their names when written."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from io import BufferedReader
from typing import Any, BinaryIO, Final

from chatpb._errors import ChatpbError

__all__ = ["Damaged", "Decompressed", "compressing", "plain_name"]

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ENDINGS: Final = (".gz", ".zst")


class Damaged(Exception):
    """Compressed data that is damaged or cut short; the text names the compression."""


class Decompressed:
    """What a file holds, decompressed if it begins like compressed data. Raises ChatpbError without the library."""

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
        """All of it, in pieces of `size` bytes, or of what there is `at_once`.

        Raises Damaged where compressed data cannot be read on, after the piece that ends there.
        """
        held = bytearray()
        damaged = None
        more = b"..."
        while more:
            try:
                more = self._stream.read1(size - len(held))
            except self._errors:
                more, damaged = b"", Damaged(self._name)
            held += more
            if held and (at_once or len(held) == size or not more):
                yield bytes(held)
                held.clear()
        if damaged:
            raise damaged


def plain_name(path: str) -> str:
    """A file's name without the ending that says how it is compressed."""
    return next((path.removesuffix(ending) for ending in _ENDINGS if path.endswith(ending)), path)


def compressing(path: str, file: BinaryIO) -> AbstractContextManager[BinaryIO]:
    """Write to a file, compressed as its name says. Raises ChatpbError without the library for it."""
    packed: Any = nullcontext(file)
    if path.endswith(".gz"):
        # The level of the gzip command: Python's own, 9, takes half as long again for a sixtieth of the size.
        packed = gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0)
    elif path.endswith(".zst"):
        packed = _zstd().ZstdFile(file, mode="wb")
    found: AbstractContextManager[BinaryIO] = packed
    return found


def _zstd() -> Any:
    """The module that is Python's own from 3.14 on."""
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        try:
            from backports import zstd
        except ImportError:
            raise ChatpbError("zstd needs a library: pip install 'chatpb[zstd]'") from None
    return zstd
