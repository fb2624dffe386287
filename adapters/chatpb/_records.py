"""Read and write files of records: the framing of each format, compression, and files that appear only when whole.

A record is one document: a .json, .binpb or .txtpb file holds one, a line of .jsonl and a length-delimited message of
.binpbs are one each. Files are read in blocks, each a run of whole records, and no record above a limit is taken in, so
memory stays bounded.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from chatpb._compression import Damaged, Decompressed, compressing, plain_name
from chatpb._engine import whole_messages
from chatpb._errors import ChatpbError, JsonError
from chatpb._python.lines import MAX_LENGTH
from chatpb._python.wire import Bad, read_varint, varint

__all__ = [
    "MAX_RECORD",
    "STANDARD",
    "Block",
    "Format",
    "Input",
    "Record",
    "RecordError",
    "format_of",
    "frame",
    "open_input",
    "open_output",
    "unfinished",
]

MAX_RECORD: Final = 256 << 20
"""Bytes of one record, unless the caller sets another limit."""

STANDARD: Final = "-"
"""The path that stands for standard input or output."""

_BLOCK: Final = 2 << 20
"""Bytes read at a time from a file; a pipe gives what it has."""

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


@dataclass(frozen=True)
class Block:
    """A run of records as they stand in a file.

    Attributes:
        file: the file's name, as it is shown.
        format: the file's format.
        number: that of the first record.
        data: whole records, each with its framing.
        error: what was wrong with reading the one record that would be here, in place of the data.

    """

    file: str
    format: Format
    number: int
    data: bytes
    error: RecordError | None = None

    def records(self) -> Iterator[Record]:
        """The records, in order."""
        if self.error or not self.format.is_stream:
            yield Record(self.file, self.format, self.number, self.data, self.error)
            return
        framing = _lines if self.format is Format.JSONL else _delimited
        for number, data in framing(self.data, self.number):
            yield Record(self.file, self.format, number, data)


def format_of(path: str) -> Format | None:
    """The format that a file's name tells, with or without .gz or .zst; None if it tells none."""
    ending = Path(plain_name(path)).suffix.removeprefix(".").lower()
    return next((format for format in Format if format.value == _ALIASES.get(ending, ending)), None)


class Input:
    """A file opened for reading, decompressed, and how far it has been read."""

    def __init__(self, name: str, raw: BufferedReader) -> None:
        self.name = name
        self._raw = raw
        self._stream = Decompressed(raw)

    def position(self) -> int:
        """Bytes of the file itself that have been read; 0 for a pipe."""
        return self._raw.tell() if self._raw.seekable() else 0

    def blocks(self, format: Format, limit: int = MAX_RECORD) -> Iterator[Block]:
        """The records in runs, in order. One that cannot be read has an error; reading goes on after it if it can."""
        framing = {Format.JSONL: _line_blocks, Format.BINPBS: _message_blocks}.get(format, _whole)
        taken = self._stream.pieces(min(_BLOCK, limit), at_once=not self._raw.seekable())
        number = 1
        try:
            for count, data in framing(taken, limit):
                if isinstance(data, RecordError):
                    yield Block(self.name, format, number, b"", data)
                else:
                    yield Block(self.name, format, number, data)
                number += count
        except Damaged as damaged:
            error = RecordError(f"the {damaged} data is damaged or cut short; reading stops here")
            yield Block(self.name, format, number, b"", error)

    def records(self, format: Format, limit: int = MAX_RECORD) -> Iterator[Record]:
        """The records, in order. One that cannot be read has an error; reading goes on after it if it can."""
        for block in self.blocks(format, limit):
            yield from block.records()


@contextmanager
def open_input(path: str) -> Iterator[Input]:
    """Open a file, or standard input, for reading records. Raises ChatpbError for zstd data without its library."""
    if path == STANDARD:
        standard = sys.stdin.buffer
        yield Input("stdin", standard if isinstance(standard, BufferedReader) else BufferedReader(cast(Any, standard)))
    else:
        with open(path, "rb") as raw:
            yield Input(path, raw)


Run = tuple[int, bytes | RecordError]
"""How many records there are in some bytes, and the bytes."""


def _whole(pieces: Iterator[bytes], limit: int) -> Iterator[Run]:
    data = bytearray()
    for piece in pieces:
        data += piece
        if len(data) > limit:
            yield 1, _too_long(limit)
            return
    yield 1, bytes(data)


def _line_blocks(pieces: Iterator[bytes], limit: int) -> Iterator[Run]:
    """A line whose end is still to come is held back. No piece is longer than a line may be."""
    held = bytearray()
    is_too_long = False
    for piece in pieces:
        first = piece.find(b"\n")
        if first < 0:
            if not is_too_long:
                held += piece
            if len(held) > limit:
                is_too_long = True
                held.clear()
            continue
        if is_too_long or len(held) + first > limit:
            yield 1, _too_long(limit)
            is_too_long = False
            held.clear()
            piece = piece[first + 1 :]
        end = piece.rfind(b"\n") + 1
        if end:
            held += piece[:end]
            yield held.count(b"\n"), bytes(held)
            held.clear()
        held += piece[end:]
    if is_too_long:
        yield 1, _too_long(limit)
    elif held:
        yield 1, bytes(held)


def _message_blocks(pieces: Iterator[bytes], limit: int) -> Iterator[Run]:
    """A message that is not whole yet is held back."""
    no_length = RecordError("the length before a message is cut short or no length; reading stops here")
    held = bytearray()
    for piece in pieces:
        held += piece
        count, end = whole_messages(held, limit)
        if end:
            yield count, bytes(held[:end])
            del held[:end]
        size, _ = _length(held)
        if size is None and len(held) >= MAX_LENGTH:
            yield 1, no_length
            return
        if size is not None and size > limit:
            yield 1, RecordError(f"a length of {size} bytes, above the limit of {limit}; reading stops here")
            return
    size, at = _length(held)
    if size is not None:
        yield 1, RecordError(f"a message of {size} bytes, cut short after {len(held) - at}; reading stops here")
    elif held:
        yield 1, no_length


def _length(data: bytearray) -> tuple[int | None, int]:
    """The length that bytes begin with and where it ends; None where it is not whole."""
    head = bytes(data[:MAX_LENGTH])
    try:
        return read_varint(head, 0, len(head))
    except Bad:
        return None, 0


def _lines(data: bytes, first: int) -> Iterator[tuple[int, bytes]]:
    """Each line that is not blank, with its number."""
    for number, line in enumerate(data.split(b"\n"), first):
        if line := line.strip(_SPACE):
            yield number, line


def _delimited(data: bytes, first: int) -> Iterator[tuple[int, bytes]]:
    """Each message, with its number."""
    at, number = 0, first
    while at < len(data):
        size, at = read_varint(data, at, len(data))
        yield number, data[at : at + size]
        at += size
        number += 1


def _too_long(limit: int) -> RecordError:
    return RecordError(f"a record of more than {limit} bytes, the limit")


def frame(data: bytes, format: Format) -> bytes:
    """A record with its framing, as it stands in a file."""
    if format is Format.BINPBS:
        return varint(len(data)) + data
    return data + b"\n" if format.is_json else data


class _Unbuffered:
    """Standard output of an interpreter without buffers, which at each call may take less than it is given."""

    closed = False
    """As pyarrow asks."""

    def __init__(self, raw: RawIOBase) -> None:
        self._raw = raw

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._raw.write(left) :]

    def flush(self) -> None:
        """Nothing is held back."""


def unfinished(target: Path) -> Path:
    """A new name beside a file or folder, for as long as it is being written."""
    return target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")


@contextmanager
def open_output(path: str) -> Iterator[BinaryIO]:
    """Open a file, or standard output, for writing; compressed if its name ends in .gz or .zst.

    What is written goes to a new file in the same folder, which takes the name when all has gone well and is removed
    when not. Pipes, devices and standard output are written to directly.
    """
    if path == STANDARD:
        standard = sys.stdout.buffer
        yield cast(BinaryIO, _Unbuffered(standard)) if isinstance(standard, RawIOBase) else standard
        standard.flush()
        return
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        with open(target, "wb") as direct:
            yield direct
        return
    # The name is chosen before the file is made: an interrupt between the two leaves nothing behind.
    part = unfinished(target)
    try:
        try:
            file = open(part, "xb")  # noqa: SIM115  (closed below; only opening it is told by the target's name)
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from None
        with file, compressing(path, file) as packed:
            yield packed
        if target.exists():
            shutil.copymode(target, part)
        os.replace(part, target)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
