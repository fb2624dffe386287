"""Wire bytes of requests, looked at and changed without building a message."""

from __future__ import annotations

from typing import Final

from chatcompletion.v1 import CreateChatCompletionRequest
from chatpb._errors import WireError
from chatpb._python.wire import Bad, read_tag, read_varint, skip_field, tag, varint

__all__ = ["is_stream", "with_stream"]

_STREAM: Final = tag(CreateChatCompletionRequest.DESCRIPTOR.fields_by_name["stream"].number, 0)
_STREAM_TAG: Final = read_varint(_STREAM, 0, len(_STREAM))[0]


def is_stream(request: bytes) -> bool:
    """Whether a request's `stream` member is true."""
    found, at, end = False, 0, len(request)
    try:
        while at < end:
            field, at = read_tag(request, at, end)
            if field == _STREAM_TAG:
                value, at = read_varint(request, at, end)
                found = value != 0
            else:
                at = skip_field(field, request, at, end)
    except Bad as bad:
        raise WireError("", at, str(bad)) from None
    return found


def with_stream(request: bytes, value: bool) -> bytes:
    """The request with its `stream` member set. Of a field that is given twice, the last counts."""
    return request + _STREAM + varint(int(value))
