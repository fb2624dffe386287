"""Records by their wire bytes: made from parts, taken apart, their streams written compact or with whole chunks.

A record's parts go in and out as the bytes that an engine, a gRPC call or a file gives; no message objects are built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from google.protobuf.message import Message

from chatcompletion.v1 import (
    ChatCompletion,
    ChatCompletionRecord,
    ChatCompletionStream,
    CreateChatCompletionRequest,
    ErrorResponse,
)
from chatpb._api import compact_stream, expand_stream
from chatpb._python.wire import LEN, delimited, fields_of, payload_of, tag

__all__ = ["PARTS", "compact_record", "expand_record", "make_record", "parts_of"]

PARTS: Final[dict[str, type[Message]]] = {
    "request": CreateChatCompletionRequest,
    "response": ChatCompletion,
    "stream": ChatCompletionStream,
    "error": ErrorResponse,
}
"""The documents that a record may have, and what they are."""

_TAGS: Final = {name: ChatCompletionRecord.DESCRIPTOR.fields_by_name[name].number << 3 | LEN for name in PARTS}
_COMMON: Final = ChatCompletionStream.DESCRIPTOR.fields_by_name["common"].number << 3 | LEN
_CHUNKS: Final = ChatCompletionStream.DESCRIPTOR.fields_by_name["chunks"].number << 3 | LEN


def make_record(
    *,
    request: bytes | None = None,
    response: bytes | None = None,
    stream: bytes | None = None,
    error: bytes | None = None,
    start_time: int | None = None,
    first_token_time: int | None = None,
    end_time: int | None = None,
    status: int | None = None,
    request_id: str | None = None,
    peer: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> bytes:
    """Wire bytes of a ChatCompletionRecord.

    Args:
        request: wire bytes of the CreateChatCompletionRequest.
        response: of the ChatCompletion.
        stream: of the ChatCompletionStream, as `chatpb.compact_stream` makes it.
        error: of the ErrorResponse.
        start_time: microseconds since the Unix epoch, as are the other times.

    """
    head = ChatCompletionRecord(
        start_time=start_time,
        first_token_time=first_token_time,
        end_time=end_time,
        status=status,
        request_id=request_id,
    )
    parts = {"request": request, "response": response, "stream": stream, "error": error}
    fields = (delimited(tag(_TAGS[name] >> 3, LEN), part) for name, part in parts.items() if part is not None)
    tail = ChatCompletionRecord(peer=peer, labels=labels)
    return b"".join([head.SerializeToString(), *fields, tail.SerializeToString(deterministic=True)])


def parts_of(record: bytes) -> dict[str, bytes]:
    """Wire bytes of the documents that a record has, by name. Raises WireError."""
    names = {key: name for name, key in _TAGS.items()}
    parts: dict[str, bytes] = {}
    for field in fields_of(record):
        if name := names.get(field.tag):
            # Pieces of a message are merged: their bytes follow each other.
            parts[name] = parts.get(name, b"") + payload_of(field)
    return parts


def compact_record(record: bytes) -> bytes:
    """The record with its stream compact. Raises WireError."""
    return _with_stream(record, _compact)


def expand_record(record: bytes) -> bytes:
    """The record with its stream's chunks whole. Raises WireError."""
    return _with_stream(record, _expand)


def _with_stream(record: bytes, change: Callable[[bytes], bytes]) -> bytes:
    fields = fields_of(record)
    stream = _TAGS["stream"]
    pieces = [payload_of(field) for field in fields if field.tag == stream]
    if not pieces:
        return record
    changed = delimited(tag(stream >> 3, LEN), change(b"".join(pieces)))
    first = next(index for index, field in enumerate(fields) if field.tag == stream)
    kept = [
        changed if index == first else field.data
        for index, field in enumerate(fields)
        if index == first or field.tag != stream
    ]
    return b"".join(kept)


def _compact(stream: bytes) -> bytes:
    fields = fields_of(stream)
    if any(field.tag == _COMMON for field in fields):
        return stream
    chunks = [payload_of(field) for field in fields if field.tag == _CHUNKS]
    return compact_stream(chunks) + _others(stream)


def _expand(stream: bytes) -> bytes:
    if not any(field.tag == _COMMON for field in fields_of(stream)):
        return stream
    chunks = (delimited(tag(_CHUNKS >> 3, LEN), chunk) for chunk in expand_stream(stream))
    return b"".join(chunks) + _others(stream)


def _others(stream: bytes) -> bytes:
    return b"".join(field.data for field in fields_of(stream) if field.tag not in (_COMMON, _CHUNKS))
