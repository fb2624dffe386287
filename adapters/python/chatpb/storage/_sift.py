"""The one place where good records are told from bad ones, so that no record costs another.

A conversion takes many records at once and fails as a whole. `sift` then converts their halves, and so on, until only
the records that cannot be converted are left out, each with its own error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from chatpb._errors import ChatpbError

__all__ = ["sift"]

Converted = TypeVar("Converted")


def sift(
    records: Any, convert: Callable[[Any], Converted], on_bad: Callable[[int, ChatpbError], None]
) -> Iterator[Converted]:
    """Yield what a function makes of records, in order and in as few pieces as the bad ones among them allow.

    Args:
        records: a sequence that can be sliced, such as a list or an Arrow array.
        convert: converts a slice of it. Raises ChatpbError if one of its records is bad.
        on_bad: called with the place of each bad record, and its error.

    """
    pending = [(0, len(records))]
    while pending:
        start, stop = pending.pop()
        try:
            made = convert(records[start:stop])
        except ChatpbError as error:
            if stop - start == 1:
                on_bad(start, error)
            else:
                middle = (start + stop) // 2
                pending += [(middle, stop), (start, middle)]
        else:
            yield made
            del made  # before more is made
