"""Bodies: records as zstd frames, most of them with a dictionary that was trained on earlier records.

Each body is one frame with its content's checksum, so that damage shows when it is read. The frame has its dictionary's
number as its dictionary id, which readers in other languages choose by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from chatpb._limits import MAX_SIZE

__all__ = ["DICTIONARY", "BadBody", "Bodies", "train"]

DICTIONARY: Final = 256 << 10
"""Bytes of a dictionary at most."""

_LEAST_SAMPLES: Final = 16


class BadBody(Exception):
    """A body that is no whole frame, or whose content is not what its checksum says."""


class Bodies:
    """Compresses and decompresses bodies (package `zstandard`). Not for several threads at once.

    Args:
        level: that of zstd, 1 to 22.

    """

    def __init__(self, level: int) -> None:
        import zstandard

        self._zstd = zstandard
        self._level = level
        self._compressors: dict[int, Any] = {}
        self._decompressors: dict[int, Any] = {}
        self.add(0, None)

    def add(self, number: int, dictionary: bytes | None) -> None:
        """Make a dictionary known; number 0 is none."""
        data = None if dictionary is None else self._zstd.ZstdCompressionDict(dictionary)
        self._compressors[number] = self._zstd.ZstdCompressor(level=self._level, dict_data=data, write_checksum=True)
        self._decompressors[number] = self._zstd.ZstdDecompressor(dict_data=data)

    def knows(self, number: int) -> bool:
        return number in self._decompressors

    def compress(self, data: bytes, dictionary: int = 0) -> bytes:
        body: bytes = self._compressors[dictionary].compress(data)
        return body

    def compress_all(self, records: Sequence[bytes], dictionary: int = 0, threads: int = 1) -> list[bytes]:
        """The bodies of records, made by as many threads."""
        if threads == 1 or not records:
            return [self.compress(record, dictionary) for record in records]
        made = self._compressors[dictionary].multi_compress_to_buffer(list(records), threads=threads)
        return [body.tobytes() for body in made]

    def decompress(self, body: object, dictionary: int = 0) -> bytes:
        """The record. Raises BadBody."""
        if not isinstance(body, bytes):
            raise BadBody("its body is of another type")
        try:
            if not 0 <= self._zstd.frame_content_size(body) <= MAX_SIZE:
                raise BadBody("its body's size is out of range")
            data: bytes = self._decompressors[dictionary].decompress(body)
        except (self._zstd.ZstdError, MemoryError) as error:
            raise BadBody(f"its body is damaged: {error}") from None
        return data


def train(samples: Sequence[bytes], number: int = 1, size: int = DICTIONARY) -> bytes | None:
    """A dictionary of `size` bytes at most, made from records; None if they are too few or too much of a kind."""
    import zstandard

    if len(samples) < _LEAST_SAMPLES:
        return None
    # Larger than what it was made from it would be the records themselves, and their statistics worthless.
    size = min(size, sum(map(len, samples)) * 6 // 10)
    try:
        # All samples train and test: halving the few there are costs more than testing on others gains.
        trained = zstandard.train_dictionary(size, list(samples), dict_id=number, d=8, steps=4, split_point=1.0)
    except zstandard.ZstdError:
        return None
    found: bytes = trained.as_bytes()
    return found
