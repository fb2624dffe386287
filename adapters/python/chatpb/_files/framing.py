"""Framing: how documents follow each other in a file, and how a file is cut into runs of whole documents.

A .json, .binpb or .txtpb file is one document. A line of a .jsonl file is a document, and so is a message of a .binpbs
file, which follows its length. A file comes in pieces that may end anywhere: the unfinished document at the end of a
piece is held back until the rest of it comes. No document above the limit is held, so memory stays bounded. After a
line that is too long the next line is read; after a wrong length nothing says where the next message starts.

A large document is a run of its own, which nothing here holds once it is given, so that it is in memory once.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Final, TypeVar

from chatpb._engine import whole_messages
from chatpb._errors import ChatpbError
from chatpb._files.formats import Format
from chatpb._limits import MAX_LENGTH_BYTES
from chatpb._wire.read import FieldError, read_varint
from chatpb._wire.write import varint

__all__ = ["LARGE", "DocumentError", "Run", "emptied", "frame", "runs_of", "split_run"]

LARGE: Final = 1 << 20
"""Bytes of a document from which on it is kept apart from others: what is done for many at once would copy it."""

T = TypeVar("T")

_SPACE: Final = b" \t\r\n"


class DocumentError(ChatpbError):
    """A document that cannot be read from its file: it is too long, cut short, or its compression is damaged."""


Run = tuple[int, bytes | DocumentError]
"""The number of lines or messages in a run, and its bytes, or what is wrong with the one document that it would be."""


def emptied(items: list[T]) -> Iterator[T]:
    """Yield the items of a list, which is empty then: nothing but the caller has them any longer."""
    items.reverse()
    while items:
        yield items.pop()


def frame(document: bytes, format: Format) -> bytes:
    """Return a document as it stands in a file of a format: before a line's end, after its length, or as it is."""
    if format is Format.BINPBS:
        return varint(len(document)) + document
    return document + b"\n" if format.is_json else document


def runs_of(pieces: Iterator[bytes], format: Format, limit: int) -> Iterator[Run]:
    """Cut a file into runs of whole documents.

    Args:
        pieces: the file's bytes in order, each piece of `limit` bytes at most.
        format: the file's format.
        limit: bytes of one document at most.

    """
    return {Format.JSONL: _runs_of_lines, Format.BINPBS: _runs_of_messages}.get(format, _one_run)(pieces, limit)


def split_run(data: bytes, format: Format, first: int) -> Iterator[tuple[int, bytes]]:
    """Yield the documents of a run, each with its number; the first line or message of the run has the number `first`.

    Blank lines count, but are no documents.
    """
    return (_split_lines if format is Format.JSONL else _split_messages)(data, first)


def _one_run(pieces: Iterator[bytes], limit: int) -> Iterator[Run]:
    held = BytesIO()
    for piece in pieces:
        held.write(piece)
        if held.tell() > limit:
            yield 1, _too_long(limit)
            return
    yield 1, _taken(held)


def _runs_of_lines(pieces: Iterator[bytes], limit: int) -> Iterator[Run]:
    held = BytesIO()
    is_too_long = False
    for piece in pieces:
        first = piece.find(b"\n")
        if first < 0:
            if not is_too_long:
                held.write(piece)
            if held.tell() > limit:
                is_too_long = True
                _taken(held)
            continue
        if is_too_long or held.tell() + first > limit:
            yield 1, _too_long(limit)
            is_too_long = False
            _taken(held)
            piece = piece[first + 1 :]
        elif held.tell() + first >= LARGE:
            held.write(memoryview(piece)[:first])
            piece = piece[first + 1 :]
            yield 1, _taken(held)
        if end := piece.rfind(b"\n") + 1:
            run = b"".join((_taken(held), memoryview(piece)[:end]))  # copied once, since each copy takes fresh memory
            yield run.count(b"\n"), run
            del run
        held.write(memoryview(piece)[end:])
    if is_too_long:
        yield 1, _too_long(limit)
    elif held.tell():
        yield 1, _taken(held)


def _runs_of_messages(pieces: Iterator[bytes], limit: int) -> Iterator[Run]:
    no_length = DocumentError("the length before a message is cut short or no length; reading stops here")
    held = BytesIO()
    stop = 0  # where the large message ends that the held bytes begin with
    for piece in pieces:
        rest = memoryview(piece)
        if stop:
            missing = stop - held.tell()
            held.write(rest[:missing])
            rest = rest[missing:]
            if held.tell() < stop:
                continue
            stop = 0
            yield 1, _taken(held)
        held.write(rest)
        data = _taken(held)
        count, end = whole_messages(data, limit)
        if end:
            yield count, data[:end]
        held.write(memoryview(data)[end:])
        size, at = _read_length(data[end : end + MAX_LENGTH_BYTES])
        if size is None and held.tell() >= MAX_LENGTH_BYTES:
            yield 1, no_length
            return
        if size is not None and size > limit:
            yield 1, DocumentError(f"a length of {size} bytes, above the limit of {limit}; reading stops here")
            return
        if size is not None and size >= LARGE:
            stop = at + size
    size, at = _read_length(held.getvalue()[:MAX_LENGTH_BYTES])
    if size is not None:
        yield 1, DocumentError(f"a message of {size} bytes, cut short after {held.tell() - at}; reading stops here")
    elif held.tell():
        yield 1, no_length


def _taken(held: BytesIO) -> bytes:
    """Return what is held, without a copy, and hold nothing."""
    data = held.getvalue()
    held.seek(0)
    held.truncate()
    return data


def _read_length(head: bytes) -> tuple[int | None, int]:
    """Return the length that bytes begin with, None where it is not whole, and the position after it."""
    try:
        return read_varint(head, 0, len(head))
    except FieldError:
        return None, 0


def _too_long(limit: int) -> DocumentError:
    return DocumentError(f"a record of more than {limit} bytes, the limit")


def _split_lines(data: bytes, first: int) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(data.split(b"\n"), first):
        if line := line.strip(_SPACE):
            yield number, line


def _split_messages(data: bytes, first: int) -> Iterator[tuple[int, bytes]]:
    at, number = 0, first
    while at < len(data):
        size, at = read_varint(data, at, len(data))
        yield number, data[at : at + size]
        at += size
        number += 1
