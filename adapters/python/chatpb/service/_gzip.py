"""Bodies that are compressed, decompressed in pieces: a few bytes may stand for gigabytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

__all__ = ["CODINGS", "Decompressor"]

CODINGS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""By content coding that can be read: what zlib calls the format."""

_PIECE: Final = 1 << 18
"""The most bytes of a decompressed piece."""


class Decompressor:
    """Decompresses a body. Raises zlib.error for bytes that are not compressed so."""

    def __init__(self, coding: str) -> None:
        self._zlib = zlib.decompressobj(CODINGS[coding])

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes, and yield what they stand for, in pieces of limited size."""
        while data and not self._zlib.eof:
            piece = self._zlib.decompress(data, _PIECE)
            data = self._zlib.unconsumed_tail
            if piece:
                yield piece

    @property
    def is_complete(self) -> bool:
        """Whether the end of the compressed data was read."""
        return self._zlib.eof
