"""JSON text and wire bytes as callers give them: the forms that are accepted, and the errors for all others."""

from __future__ import annotations

import sys
from typing import Final, Protocol

__all__ = ["Buffer", "JsonText", "Wire", "is_buffer", "json_text", "refusal", "wire_bytes"]


class Buffer(Protocol):
    """An object whose memory can be read: bytes, bytearray, memoryview, array.array, mmap.mmap and others."""

    def __buffer__(self, flags: int, /) -> memoryview: ...


JsonText = bytes | bytearray | memoryview | str
Wire = bytes | bytearray | memoryview
"""Text and bytes in the forms that engines read."""

_EXPECTED: Final = {
    "json_text": "JSON text is a str or UTF-8 bytes in any buffer",
    "wire_bytes": "wire bytes are bytes in any buffer",
}


_HINTS: Final[dict[tuple[str, type[object]], str]] = {
    ("json_text", dict): "; from_dict takes a dict",
    ("wire_bytes", str): "; from_json takes JSON text",
}


def json_text(data: str | Buffer) -> bytes | str:
    """Return JSON text as a str or as bytes that stay as they are.

    Raises TypeError for what is neither a str nor a buffer. An error of the object passes unchanged.
    """
    if isinstance(data, str):
        return str.__str__(data)  # of a subclass too the text that it holds, whatever its methods return
    return _bytes(data, "json_text")


def wire_bytes(wire: Buffer) -> bytes:
    """Return wire bytes that stay as they are.

    Raises TypeError for what is no buffer. An error of the object passes unchanged.
    """
    return _bytes(wire, "wire_bytes")


def refusal(function: str, data: object) -> TypeError:
    """Return the error of a function of this module for an object that it does not take."""
    hint = _HINTS.get((function, type(data)), "")
    return TypeError(f"{_EXPECTED[function]}, not {type(data).__name__}{hint}")


def is_buffer(data: object) -> bool:
    """Return whether an object has a buffer, without asking for it."""
    if sys.version_info >= (3, 12):
        return any("__buffer__" in vars(base) for base in type(data).__mro__)
    try:
        memoryview(data).release()  # type: ignore[arg-type]
    except Exception as error:  # of a class written in C
        return not isinstance(error, TypeError)
    return True


def _bytes(data: Buffer, function: str) -> bytes:
    """Return a copy, unless the object is a bytes: other threads and processes may change any other buffer."""
    if isinstance(data, bytes):
        return data if type(data) is bytes else bytes.__getitem__(data, slice(None))  # what it holds, as for a str
    if not is_buffer(data):
        raise refusal(function, data)
    with memoryview(data) as view:
        return view.tobytes()
