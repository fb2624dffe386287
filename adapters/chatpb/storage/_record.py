"""Records by their wire bytes: made from parts, taken apart, their streams written compact or with whole chunks.

A record's parts go in and out as the bytes that an engine, a gRPC call or a file gives; no message objects are built.
"""

from __future__ import annotations

from collections.abc import Mapping
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
from chatpb._python import record as _python_record
from chatpb._python.wire import LEN, delimited, fields_of, payload_of, tag

__all__ = ["PARTS", "TAGS", "compact_record", "expand_record", "make_record", "parts_of"]

PARTS: Final[dict[str, type[Message]]] = {
    "request": CreateChatCompletionRequest,
    "response": ChatCompletion,
    "stream": ChatCompletionStream,
    "error": ErrorResponse,
}
"""The documents that a record may have, and what they are."""

TAGS: Final = {name: ChatCompletionRecord.DESCRIPTOR.fields_by_name[name].number << 3 | LEN for name in PARTS}
"""The tags of their fields."""


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
    fields = (delimited(tag(TAGS[name] >> 3, LEN), part) for name, part in parts.items() if part is not None)
    tail = ChatCompletionRecord(peer=peer, labels=labels)
    return b"".join([head.SerializeToString(), *fields, tail.SerializeToString(deterministic=True)])


def parts_of(record: bytes) -> dict[str, bytes]:
    """Wire bytes of the documents that a record has, by name. Raises WireError."""
    names = {key: name for name, key in TAGS.items()}
    parts: dict[str, bytes] = {}
    for field in fields_of(record):
        if name := names.get(field.tag):
            # Pieces of a message are merged: their bytes follow each other.
            parts[name] = parts.get(name, b"") + payload_of(field)
    return parts


def compact_record(record: bytes) -> bytes:
    """The record with its stream compact. Raises WireError."""
    return _python_record.compact_record(record, TAGS["stream"], compact_stream)


def expand_record(record: bytes) -> bytes:
    """The record with its stream's chunks whole. Raises WireError."""
    return _python_record.expand_record(record, TAGS["stream"], expand_stream)
