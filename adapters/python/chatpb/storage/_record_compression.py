"""Compression of records: each is a zstd frame of its own, most with a dictionary trained on earlier records.

A frame has a checksum of its content, so that damage shows when it is read. It names its dictionary by the number that
the file's table has for it, so that a reader in another language can choose by that.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any, Final

# A second binding beside `backports.zstd`, Python's own, which reads and writes .zst files. Its decompressor takes one
# frame, and zstd asks the processor for its features whenever one is made; on a virtual machine, which answers slowly,
# scanning a recorder's file took three times as long, and looking up a record half as long again. Its dictionaries and
# frames are as good, and made as fast. `zstandard` in turn reads a .zst file that is cut short without an error.
import zstandard

from chatpb._limits import MAX_SIZE

__all__ = [
    "MAX_DICTIONARY",
    "MIN_SAMPLES",
    "CorruptBodyError",
    "RecordCompression",
    "size_of_record",
    "train_dictionary",
]

MAX_DICTIONARY: Final = 256 << 10
"""Bytes of a dictionary at most."""

MIN_SAMPLES: Final = 16
"""Records that a dictionary is trained on, at least."""


class CorruptBodyError(Exception):
    """A compressed record that is no whole frame, or whose content does not have its checksum."""


class RecordCompression:
    """Compresses records to the bodies that a file keeps, and decompresses them.

    Several threads may compress at once. One may decompress beside them, not several.

    Args:
        level: zstd's level, 1 to 22.

    """

    def __init__(self, level: int) -> None:
        self._level = level
        self._compressing = Lock()  # zstandard's compressors are not for several threads
        self._compressors: dict[int, zstandard.ZstdCompressor] = {}
        self._decompressors: dict[int, zstandard.ZstdDecompressor] = {}
        self._add(0, None)

    def add_dictionary(self, number: int, dictionary: bytes) -> None:
        """Make a dictionary known by its number, which is at least 1; 0 stands for no dictionary."""
        self._add(number, zstandard.ZstdCompressionDict(dictionary))

    def has_dictionary(self, number: int) -> bool:
        return number in self._decompressors

    def compress(self, record: bytes, dictionary: int = 0) -> bytes:
        """Return a record's body, compressed with the dictionary of that number."""
        with self._compressing:
            return self._compressors[dictionary].compress(record)

    def compress_all(self, records: Sequence[bytes], dictionary: int = 0, threads: int = 1) -> list[bytes]:
        """Return the bodies of records, which that number of threads make."""
        if threads == 1 or len(records) <= 1:
            return [self.compress(record, dictionary) for record in records]
        with self._compressing:
            bodies: Any = self._compressors[dictionary].multi_compress_to_buffer(list(records), threads=threads)
        return [body.tobytes() for body in bodies]

    def decompress(self, body: object, dictionary: int = 0, limit: int = MAX_SIZE) -> bytes:
        """Return the record of a body. Raises CorruptBodyError, also for a record of more than `limit` bytes."""
        if not isinstance(body, bytes):
            raise CorruptBodyError("its body is of another type")
        _check_size(size_of_record(body), limit)
        try:
            return self._decompressors[dictionary].decompress(body)
        except (zstandard.ZstdError, MemoryError) as error:
            raise CorruptBodyError(f"its body is damaged: {error}") from None

    def decompress_all(
        self, bodies: Sequence[object], dictionary: int, limit: int, threads: int
    ) -> tuple[bytes, list[int]]:
        """Return the records of bodies, one after the other, and the size of each; the threads share the work.

        Raises CorruptBodyError if any of them is damaged, and does not say which.
        """
        sizes = [size_of_record(body) for body in bodies]
        for size in sizes:
            _check_size(size, limit)
        try:
            given: Any = list(bodies)
            records: Any = self._decompressors[dictionary].multi_decompress_to_buffer(given, threads=threads)
            data = b"".join(records)
        except (zstandard.ZstdError, MemoryError, TypeError, ValueError) as error:
            raise CorruptBodyError(f"a body is damaged: {error}") from None
        return data, sizes

    def _add(self, number: int, dictionary: zstandard.ZstdCompressionDict | None) -> None:
        self._compressors[number] = zstandard.ZstdCompressor(self._level, dict_data=dictionary, write_checksum=True)
        self._decompressors[number] = zstandard.ZstdDecompressor(dict_data=dictionary)


def size_of_record(body: object) -> int:
    """Return how many bytes the record of a body has, as the body says; -1 where it does not."""
    try:
        return int(zstandard.frame_content_size(body)) if isinstance(body, bytes) else -1
    except zstandard.ZstdError:
        return -1


def _check_size(size: int, limit: int) -> None:
    if size < 0:
        raise CorruptBodyError("it has no size")
    if size > limit:
        raise CorruptBodyError(f"it has {size} bytes, above the limit of {limit}")


def train_dictionary(samples: Sequence[bytes], number: int = 1, size: int = MAX_DICTIONARY) -> bytes | None:
    """Return a dictionary with a number, of `size` bytes at most; None if the records are too few or too much alike."""
    if len(samples) < MIN_SAMPLES:
        return None
    # A larger dictionary would hold the samples themselves, and its statistics would be worthless.
    size = min(size, sum(map(len, samples)) * 6 // 10)
    try:
        # All samples both train and test: the samples are few, and half of them would train a worse dictionary.
        trained = zstandard.train_dictionary(size, list(samples), dict_id=number, d=8, steps=4, split_point=1.0)
    except zstandard.ZstdError:
        return None
    return trained.as_bytes()
