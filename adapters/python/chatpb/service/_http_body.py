"""The body of an HTTP request: JSON, perhaps compressed, and never larger than the limit."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from chatpb.service._error_table import ServiceError
from chatpb.service._gzip import CODINGS, Decompressor

__all__ = ["declared_size", "read_body"]


def declared_size(headers: Mapping[str, str]) -> int | None:
    """Return the bytes of a body that its headers declare; None if they do not, or if it is compressed."""
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() and "content-encoding" not in headers else None


async def read_body(
    headers: Mapping[str, str], receive: Callable[[], Awaitable[MutableMapping[str, Any]]], limit: int
) -> bytes:
    """Return the body, decompressed. Raises ServiceError 413, 415 or 400, and 499 if the client leaves.

    Other types than JSON are refused, because a page of any site may post forms and plain text to any address.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise ServiceError.of(415, f"The content-type is {kind or 'missing'}: send application/json.")
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding not in CODINGS and coding != "identity":
        raise ServiceError.of(415, f"The content-encoding {coding} is not supported: send gzip, deflate or none.")
    decompressor = Decompressor(coding) if coding in CODINGS else None
    too_large = ServiceError.of(413, f"The body is larger than {limit} bytes, the limit.")
    if (declared_size(headers) or 0) > limit:
        raise too_large
    pieces, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ServiceError.of(499, "The client went away.")
        data = message.get("body", b"")
        try:
            for piece in decompressor.feed(data) if decompressor else (data,):
                pieces.append(piece)
                size += len(piece)
                if size > limit:
                    raise too_large
        except zlib.error:
            raise ServiceError.of(400, f"The body is not {coding}.", code="invalid_encoding") from None
        more = message.get("more_body", False)
    if decompressor and not decompressor.is_complete:
        raise ServiceError.of(400, f"The body is not {coding}: it ends too early.", code="invalid_encoding")
    return b"".join(pieces)
