"""Read files of documents, compressed or not, in blocks that each hold a run of whole documents.

A block goes to the engine as a whole, which is faster than one document at a time; where that fails, the documents of
the block are read one by one, to find the one at fault.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, FileIO
from typing import Any, BinaryIO, Final

from chatpb._errors import ChatpbError, JsonError
from chatpb._files.cancellation import CancellableInput
from chatpb._files.compression import CorruptDataError, Decompressed
from chatpb._files.formats import STANDARD, Format
from chatpb._files.framing import LARGE, DocumentError, emptied, runs_of, split_run

__all__ = ["MAX_DOCUMENT", "Block", "Document", "DocumentError", "Input", "documents_of", "open_input"]

MAX_DOCUMENT: Final = 256 << 20
"""Bytes of one document at most, unless the caller sets another limit."""

_BLOCK: Final = 2 << 20
"""Bytes that are read at a time from a file; from a pipe, what it has."""


@dataclass(frozen=True)
class Document:
    """A document as it was read.

    Attributes:
        file: the file's name, as it is shown.
        format: the file's format.
        number: the line of a .jsonl file, else the document's number; both count from 1.
        data: the document's bytes, without its framing.
        error: why it could not be read, in place of the data.

    """

    file: str
    format: Format
    number: int
    data: bytes
    error: DocumentError | None = None

    def describe(self, error: ChatpbError) -> str:
        """Return one line that says which document is wrong, where, and why."""
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
    """A run of documents as they stand in a file.

    Attributes:
        file: the file's name, as it is shown.
        format: the file's format.
        number: the number of the first line or message.
        data: whole documents, each with its framing.
        count: how many they are, blank lines too.
        error: why the one document that would be here could not be read, in place of the data.

    """

    file: str
    format: Format
    number: int
    data: bytes
    count: int = 1
    error: DocumentError | None = None

    @property
    def is_large(self) -> bool:
        """Whether it is one document, of many bytes."""
        return self.count == 1 and len(self.data) >= LARGE

    def documents(self) -> Iterator[Document]:
        """Yield the documents, in order."""
        if self.error or not self.format.is_stream:
            yield Document(self.file, self.format, self.number, self.data, self.error)
            return
        for number, data in split_run(self.data, self.format, self.number):
            yield Document(self.file, self.format, number, data)


class Input:
    """A file that is open for reading, decompressed on the way."""

    def __init__(self, name: str, raw: BufferedReader) -> None:
        self.name = name
        self._raw = raw
        self._decompressed = Decompressed(raw)

    def position(self) -> int:
        """Return how many bytes of the file, as it is stored, have been read; 0 for a pipe."""
        return self._raw.tell() if self._raw.seekable() else 0

    def blocks(self, format: Format, limit: int = MAX_DOCUMENT) -> Iterator[Block]:
        """Yield the documents in runs, in order.

        A document of more than `limit` bytes, or one that cannot be read, is a block with an error. Reading goes on
        after it where it can.
        """
        pieces = self._decompressed.pieces(min(_BLOCK, limit), at_once=not self._raw.seekable())
        number = 1
        try:
            for count, data in runs_of(pieces, format, limit):
                if isinstance(data, DocumentError):
                    block = [Block(self.name, format, number, b"", count, data)]
                else:
                    block = [Block(self.name, format, number, data, count)]
                del data
                number += count
                yield block.pop()  # so that nothing here has it any longer
        except CorruptDataError as damaged:
            error = DocumentError(f"the {damaged} data is damaged or cut short; reading stops here")
            yield Block(self.name, format, number, b"", error=error)

    def copy_to(self, file: BinaryIO) -> None:
        """Copy the bytes of the file as they are stored."""
        shutil.copyfileobj(self._raw, file)

    def documents(self, format: Format, limit: int = MAX_DOCUMENT) -> Iterator[Document]:
        """Yield the documents one by one, in order, with errors as in `blocks`."""
        return documents_of(self.blocks(format, limit))


def documents_of(blocks: Iterable[Block]) -> Iterator[Document]:
    """Yield the documents of blocks one by one. Nothing here has a large one any longer once it is given."""
    for block in blocks:
        documents = list(block.documents()) if block.is_large else []
        if documents:
            del block
            yield from emptied(documents)
        else:
            yield from block.documents()


@contextmanager
def open_input(path: str) -> Iterator[Input]:
    """Open a file, or standard input, for reading. Raises OSError, and MissingExtraError for zstd without the extra."""
    if path == STANDARD:
        standard: Any = sys.stdin.buffer
        yield Input(
            "stdin", _cancellable(standard if isinstance(standard, BufferedReader) else BufferedReader(standard))
        )
    else:
        with open(path, "rb") as raw:
            yield Input(path, _cancellable(raw))


def _cancellable(file: BufferedReader) -> BufferedReader:
    """Return a file whose reader can be cancelled, if it is one that a reader may wait for."""
    if file.seekable() or not isinstance(file.raw, FileIO):
        return file
    return BufferedReader(CancellableInput(file))
