"""Read and write files of records: the framing of each format, compression, and files that appear only when whole.

A record is one document: a .json, .binpb or .txtpb file holds one, a line of .jsonl and a length-delimited message of
.binpbs are one each. Records are read one at a time, and none above a limit, so memory stays bounded.
"""

from __future__ import annotations

import gzip
import os
import secrets
import shutil
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from chatpb._errors import ChatpbError, JsonError
from chatpb._python.wire import varint

__all__ = [
    "MAX_RECORD",
    "STANDARD",
    "Format",
    "Input",
    "Record",
    "RecordError",
    "format_of",
    "frame",
    "open_input",
    "open_output",
]

MAX_RECORD: Final = 256 << 20
"""Bytes of one record, unless the caller sets another limit."""

STANDARD: Final = "-"
"""The path that stands for standard input or output."""

_PIECE: Final = 1 << 20
_GZIP_MAGIC: Final = b"\x1f\x8b"
_SPACE: Final = b" \t\r\n"
_ALIASES: Final = {"ndjson": "jsonl", "textproto": "txtpb", "pb": "binpb"}


class Format(str, Enum):
    """A format of files, by the ending of their names."""

    JSON = "json"
    JSONL = "jsonl"
    BINPB = "binpb"
    BINPBS = "binpbs"
    TXTPB = "txtpb"

    @property
    def is_stream(self) -> bool:
        """Whether a file holds any number of records rather than one."""
        return self in (Format.JSONL, Format.BINPBS)

    @property
    def is_json(self) -> bool:
        return self in (Format.JSON, Format.JSONL)

    @property
    def is_binary(self) -> bool:
        return self in (Format.BINPB, Format.BINPBS)


class RecordError(ChatpbError):
    """A record that is wrong before its content is looked at: too long, cut short, or of damaged compression."""


@dataclass(frozen=True)
class Record:
    """One record as it was read.

    Attributes:
        file: the file's name, as it is shown.
        format: the file's format.
        number: the line of a .jsonl file, else the record's number; both count from 1.
        data: the record's bytes, without its framing.
        error: what was wrong with reading it, in place of the data.

    """

    file: str
    format: Format
    number: int
    data: bytes
    error: RecordError | None = None

    def describe(self, error: ChatpbError) -> str:
        """One line that says which record is wrong, where, and why."""
        if isinstance(error, JsonError) and self.format.is_json:
            where = f"{self.file}:{self.number + error.line - 1}:{error.column}"
            return f"{where}: {error.reason}" + (f", in {error.path}" if error.path else "")
        if self.format is Format.JSONL:
            return f"{self.file}:{self.number}: {error}"
        if self.format is Format.BINPBS:
            return f"{self.file}: record {self.number}: {error}"
        return f"{self.file}: {error}"


def format_of(path: str) -> Format | None:
    """The format that a file's name tells, with or without .gz; None if it tells none."""
    ending = Path(path.removesuffix(".gz")).suffix.removeprefix(".").lower()
    return next((format for format in Format if format.value == _ALIASES.get(ending, ending)), None)


class Input:
    """A file opened for reading, gzip undone, and how far it has been read."""

    def __init__(self, name: str, raw: BufferedReader) -> None:
        self.name = name
        self._raw = raw
        is_gzip = raw.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
        self._stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw) if is_gzip else raw)

    def position(self) -> int:
        """Bytes of the file itself that have been read; 0 for a pipe."""
        return self._raw.tell() if self._raw.seekable() else 0

    def records(self, format: Format, limit: int = MAX_RECORD) -> Iterator[Record]:
        """The records, in order. One that cannot be read has an error; reading goes on after it if it can."""
        framing: Callable[[BinaryIO, int], Iterator[tuple[int, bytes | RecordError]]] = {
            Format.JSONL: _lines,
            Format.BINPBS: _delimited,
        }.get(format, _whole)
        number = 0
        try:
            for number, data in framing(self._stream, limit):
                if isinstance(data, RecordError):
                    yield Record(self.name, format, number, b"", data)
                else:
                    yield Record(self.name, format, number, data)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            damaged = RecordError("the gzip data is damaged or cut short; reading stops here")
            yield Record(self.name, format, number + 1, b"", damaged)


@contextmanager
def open_input(path: str) -> Iterator[Input]:
    """Open a file, or standard input, for reading records."""
    if path == STANDARD:
        standard = sys.stdin.buffer
        yield Input("stdin", standard if isinstance(standard, BufferedReader) else BufferedReader(cast(Any, standard)))
    else:
        with open(path, "rb") as raw:
            yield Input(path, raw)


def _whole(stream: BinaryIO, limit: int) -> Iterator[tuple[int, bytes | RecordError]]:
    data = _read(stream, limit + 1)
    yield 1, data if len(data) <= limit else _too_long(limit)


def _lines(stream: BinaryIO, limit: int) -> Iterator[tuple[int, bytes | RecordError]]:
    number = 0
    while line := stream.readline(limit + 1):
        number += 1
        if len(line) > limit and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = stream.readline(_PIECE)
            yield number, _too_long(limit)
        elif line := line.strip(_SPACE):
            yield number, line


def _delimited(stream: BinaryIO, limit: int) -> Iterator[tuple[int, bytes | RecordError]]:
    number = 0
    while True:
        number += 1
        size = shift = 0
        while byte := stream.read(1):
            size |= (byte[0] & 127) << shift
            shift += 7
            if byte[0] < 128 or shift == 35:
                break
        if not byte and not shift:
            return
        if not byte or byte[0] > 127:
            yield number, RecordError("the length before a message is cut short or no length; reading stops here")
            return
        if size > limit:
            error = RecordError(f"a length of {size} bytes, above the limit of {limit}; reading stops here")
            yield number, error
            return
        data = _read(stream, size)
        if len(data) < size:
            error = RecordError(f"a message of {size} bytes, cut short after {len(data)}; reading stops here")
            yield number, error
            return
        yield number, data


def _read(stream: BinaryIO, size: int) -> bytes:
    """Up to `size` bytes, taken in pieces, so that a false length asks for no more memory than there is data."""
    pieces = []
    while size and (piece := stream.read(min(size, _PIECE))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _too_long(limit: int) -> RecordError:
    return RecordError(f"a record of more than {limit} bytes, the limit")


def frame(data: bytes, format: Format) -> bytes:
    """A record with its framing, as it stands in a file."""
    if format is Format.BINPBS:
        return varint(len(data)) + data
    return data + b"\n" if format.is_json else data


@contextmanager
def open_output(path: str) -> Iterator[BinaryIO]:
    """Open a file, or standard output, for writing; compressed if its name ends in .gz.

    What is written goes to a new file in the same folder, which takes the name when all has gone well and is removed
    when not. Pipes, devices and standard output are written to directly.
    """
    if path == STANDARD:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        with open(target, "wb") as direct:
            yield direct
        return
    # The name is chosen before the file is made: an interrupt between the two leaves nothing behind.
    part = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    try:
        try:
            file = open(part, "xb")  # noqa: SIM115  (closed below; only opening it is told by the target's name)
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from None
        with file:
            if path.endswith(".gz"):
                with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
                    yield cast(BinaryIO, packed)
            else:
                yield file
        if target.exists():
            shutil.copymode(target, part)
        os.replace(part, target)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
