"""JSON text without its long strings, for what only looks at the structure.

Python's parser makes objects of all that it reads, which are up to four times as large as the text. Nearly all of a
large text is in a few strings. With a mark in place of each, parsing takes no memory, and what was made of the objects
has its strings put back as they stood in the text. So have numbers that Python would take for infinite.
"""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

__all__ = ["LongStrings"]

_LARGE: Final = 1 << 20
"""Bytes of a text from which on it is worth it."""

_LONG: Final = 1 << 12
"""Bytes of a string from which on it is long."""

_SALT: Final = secrets.token_hex(8)
"""What nobody can write into a text beforehand."""

_MARK: Final = re.compile(rb"%b-[0-9a-f]{64}" % _SALT.encode())

_NUMBER: Final = re.compile(rb'"%b=([-+.0-9Ee]+)"' % _SALT.encode())

# A repetition without a limit takes memory for each turn.
_STRING: Final = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*){0,1000})"?', re.DOTALL)
_MORE: Final = re.compile(rb'(?:\\.[^"\\]*){1,1000}', re.DOTALL)


class LongStrings:
    """The long strings of a large JSON text; a smaller text has none.

    Equal strings have equal marks, in all texts of a process.

    Attributes:
        text: the text with marks in place of the strings.

    """

    def __init__(self, text: bytes) -> None:
        self._found: dict[bytes, memoryview] = {}
        self._has_numbers = False
        self.text = b"".join(self._short(text)) if len(text) >= _LARGE else text

    def _short(self, text: bytes) -> Iterator[bytes | memoryview]:
        view = memoryview(text)
        done = 0
        for start, end in _long_strings(text):
            string = view[start:end]
            mark = f"{_SALT}-{sha256(string).hexdigest()}".encode()
            self._found[mark] = string
            yield view[done:start]
            yield mark
            done = end
        yield view[done:]

    def parsed(self) -> Any:
        """Return the objects that Python's parser makes of the text. Raises ValueError, RecursionError."""
        return json.loads(self.text, parse_float=self._number)

    def _number(self, text: str) -> float | str:
        if math.isfinite(number := float(text)):
            return number
        self._has_numbers = True
        return f"{_SALT}={text}"

    def long(self, value: Any) -> bytes:
        """Return what stands between the quotes of a long string, given its mark; nothing for any other value."""
        mark = value.encode(errors="replace") if isinstance(value, str) and value.startswith(_SALT) else b""
        return bytes(self._found.get(mark, b""))

    def put_back(self, text: bytes) -> bytes:
        """Return a JSON text that was made of this one, with the strings and numbers in place of the marks."""
        if self._has_numbers:
            text = _NUMBER.sub(rb"\1", text)
        return b"".join(self._long(text)) if self._found else text

    def _long(self, text: bytes) -> Iterator[bytes | memoryview]:
        done = 0
        for mark in _MARK.finditer(text):
            if string := self._found.get(mark[0]):
                yield text[done : mark.start()]
                yield string
                done = mark.end()
        yield text[done:]


def _long_strings(text: bytes) -> Iterator[tuple[int, int]]:
    """Yield where what is between the quotes of each long string starts and ends."""
    strings = _STRING.finditer(text)
    while found := next(strings, None):
        start, end = found.span(1)
        if end == found.end():  # it has more escapes, or is cut short and left to the parser
            while more := _MORE.match(text, end):
                end = more.end()
            strings = _STRING.finditer(text, end + 1)
        if end - start >= _LONG and end < len(text):
            yield start, end
