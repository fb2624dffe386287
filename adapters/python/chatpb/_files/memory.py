"""How much memory work on one document takes: twice the limit of a document at most, whatever the document is.

Most work has a document in memory twice, as it was read and as it is written, and keeps that bound by itself. What
takes more says so here before it begins, and a document for which that is too much is left out like any bad one.
"""

from __future__ import annotations

from typing import Final

from chatpb._files.framing import DocumentError
from chatpb._json.long_strings import LongStrings

__all__ = ["TooLargeError", "check_encoding", "check_memory", "size_of_objects"]

_UNCOUNTED: Final = 16 << 20
"""Bytes that count as the program's own."""


_ENCODED: Final = 24
"""Bytes that a value of JSON may take beyond its text as wire bytes, and while they are made."""


class TooLargeError(DocumentError):
    """A document on which work would take too much memory."""


def check_memory(needed: int, limit: int) -> None:
    """Raise TooLargeError if work on a document takes more than twice the limit of a document.

    Args:
        needed: bytes that the document and what is made of it take at most.
        limit: bytes of a document at most.

    """
    if needed > 2 * limit + _UNCOUNTED:
        enough = -(-(needed - _UNCOUNTED) // (2 << 20))
        raise TooLargeError(
            f"this takes up to {needed >> 20} MiB of memory, more than twice the limit of a record, {limit >> 20} MiB;"
            f" --max-record {enough} is enough for it"
        )


def check_encoding(text: bytes, limit: int) -> None:
    """Raise TooLargeError if the wire bytes of a JSON text, with it, may take more than twice the limit of a document.

    Numbers and brackets alone take several times their text.
    """
    needed = 2 * len(text) + _size_of_values(text)
    if needed > 2 * limit + _UNCOUNTED:  # what is in its long strings may have been counted too
        check_memory(2 * len(text) + _size_of_values(LongStrings(text).text), limit)


def _size_of_values(text: bytes) -> int:
    return _ENCODED * sum(map(text.count, (b"{", b"[", b",")))


def size_of_objects(text: bytes) -> int:
    """Return how many bytes Python's objects of a JSON text take at most, beside the text itself.

    Characters take up to four bytes, and the text is decoded first. The others are the sizes of a list, of a dict, of a
    number or a string, and of an item's place: those of Python 3.11, and no smaller than those of other versions.
    """
    brackets = 96 * text.count(b"[") + 240 * text.count(b"{")
    return 6 * len(text) + brackets + 72 * (text.count(b",") + text.count(b":"))
