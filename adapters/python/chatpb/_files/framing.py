"""Framing: how documents follow each other in a file, and how a file is cut into runs of whole documents.

A .json, .binpb or .txtpb file is one document. A line of a .jsonl file is a document, and so is a message of a .binpbs
file, which follows its length. A file comes in pieces that may end anywhere: the unfinished document at the end of a
piece is held back until the rest of it comes. No document above the limit is held, so memory stays bounded. After a
line that is too long the next line is read; after a wrong length nothing says where the next message starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chatpb._engine import whole_messages
from chatpb._errors import ChatpbError
from chatpb._files.formats import Format
from chatpb._limits import MAX_LENGTH_BYTES
from chatpb._wire.read import FieldError, read_varint
from chatpb._wire.write import varint

__all__ = ["DocumentError", "Run", "frame", "runs_of", "split_run"]

_SPACE: Final = b" \t\r\n"


class DocumentError(ChatpbError):
    """A document that cannot be read from its file: it is too long, cut short, or its compression is damaged."""


Run = tuple[int, bytes | DocumentError]
"""The number of lines or messages in a run, and its bytes, or what is wrong with the one document that it would be."""


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
    data = bytearray()
    for piece in pieces:
        data += piece
        if len(data) > limit:
            yield 1, _too_long(limit)
            return
    yield 1, bytes(data)


def _runs_of_lines(pieces: Iterator[bytes], limit: int) -> Iterator[Run]:
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
        if end := piece.rfind(b"\n") + 1:
            run = b"".join((held, memoryview(piece)[:end]))  # copied once, since each copy takes fresh memory
            held.clear()
            yield run.count(b"\n"), run
            del run
        held += piece[end:]
    if is_too_long:
        yield 1, _too_long(limit)
    elif held:
        yield 1, bytes(held)


def _runs_of_messages(pieces: Iterator[bytes], limit: int) -> Iterator[Run]:
    no_length = DocumentError("the length before a message is cut short or no length; reading stops here")
    held = bytearray()
    for piece in pieces:
        held += piece
        count, end = whole_messages(held, limit)
        if end:
            run = bytes(memoryview(held)[:end])
            del held[:end]
            yield count, run
            del run
        size, _ = _read_length(held)
        if size is None and len(held) >= MAX_LENGTH_BYTES:
            yield 1, no_length
            return
        if size is not None and size > limit:
            yield 1, DocumentError(f"a length of {size} bytes, above the limit of {limit}; reading stops here")
            return
    size, at = _read_length(held)
    if size is not None:
        yield 1, DocumentError(f"a message of {size} bytes, cut short after {len(held) - at}; reading stops here")
    elif held:
        yield 1, no_length


def _read_length(data: bytearray) -> tuple[int | None, int]:
    """Return the length that bytes begin with, None where it is not whole, and the position after it."""
    head = bytes(data[:MAX_LENGTH_BYTES])
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
