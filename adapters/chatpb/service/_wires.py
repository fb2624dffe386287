"""What wire bytes of requests say of streaming, looked at and changed without building a message."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from chatcompletion.v1 import CreateChatCompletionRequest
from chatpb._api import wire_to_json
from chatpb._errors import WireError
from chatpb._python.wire import Bad, read_tag, read_varint, skip_field, tag, varint
from chatpb._split import split_wire

__all__ = ["is_stream", "split_answer", "with_stream"]

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


def split_answer(completion: bytes, request: bytes) -> Iterator[bytes]:
    """The chunks of a whole answer to a request.

    Usage comes in a chunk without choices, which clients take only where they asked for it by `stream_options`.
    """
    options = json.loads(wire_to_json(request, CreateChatCompletionRequest)).get("stream_options")
    return split_wire(completion, usage=isinstance(options, dict) and options.get("include_usage") is True)
