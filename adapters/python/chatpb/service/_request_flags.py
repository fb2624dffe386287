"""What a request says about streaming, read from its wire bytes and set in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from chatcompletion.v1 import CreateChatCompletionRequest
from chatpb._convert import wire_to_dict
from chatpb._errors import WireError
from chatpb._wire import LEN
from chatpb._wire.read import fields_of
from chatpb.service._error_table import ServiceError
from chatpb.service._parse_wire import parse_wire
from chatpb.streams._known import split_known

__all__ = ["ask_for_whole", "is_stream", "model_of", "set_model", "set_stream", "split_answer"]

_OPTIONS: Final = CreateChatCompletionRequest.DESCRIPTOR.fields_by_name["stream_options"].number

_MODEL_TAG: Final = CreateChatCompletionRequest.DESCRIPTOR.fields_by_name["model"].number << 3 | LEN

_STREAM: Final = {value: CreateChatCompletionRequest(stream=value).SerializeToString() for value in (False, True)}


def is_stream(request: bytes) -> bool:
    """Return whether a request's `stream` member is true. Raises WireError, and ServiceError if it is no boolean."""
    return _read_flags(request).stream


def ask_for_whole(request: bytes) -> bytes:
    """Return the request without what asks for a stream: endpoints refuse `stream_options` where nothing streams.

    Raises WireError, and ServiceError if `stream` is no boolean.
    """
    flags = _read_flags(request)
    if flags.has_options:
        request = b"".join(field.data for field in fields_of(bytes(request)) if field.tag >> 3 != _OPTIONS)
    return set_stream(request, False) if flags.stream else request


def set_stream(request: bytes, value: bool) -> bytes:
    """Return the request with its `stream` member set, and every other byte as it is."""
    # Of a field that is given twice, the last one counts.
    return b"".join((request, _STREAM[value]))


def model_of(request: bytes) -> str:
    """Return the model that a request names; empty if it names none. Raises WireError."""
    names = [field.payload for field in fields_of(bytes(request)) if field.tag == _MODEL_TAG]
    return names[-1].decode(errors="replace") if names else ""


def set_model(request: bytes, name: str) -> bytes:
    """Return the request, with the model of that name if it names none itself."""
    return request if model_of(request) else request + CreateChatCompletionRequest(model=name).SerializeToString()


def split_answer(completion: bytes, request: bytes) -> Iterator[bytes]:
    """Split a whole answer to a request into chunks. Raises WireError if the request cannot be read.

    Usage comes in a chunk without choices, which clients accept only if they asked for it by `stream_options`.
    """
    return split_known(completion, usage=_read_flags(request).include_usage)


class _Flags(NamedTuple):
    stream: bool
    include_usage: bool
    has_options: bool


def _read_flags(request: bytes) -> _Flags:
    try:
        message = parse_wire(request, CreateChatCompletionRequest)
    except WireError:
        # protobuf does not parse all requests that chatpb carries, such as those nested deeper than 100 levels.
        members = wire_to_dict(request, CreateChatCompletionRequest, unknown_fields="skip", nonfinite="allow")
        stream, options = members.get("stream"), members.get("stream_options")
        _check_stream(stream is None or isinstance(stream, bool))
        include_usage = isinstance(options, dict) and options.get("include_usage") is True
        return _Flags(stream is True, include_usage, isinstance(options, dict))
    _check_stream("stream" not in message.additional_properties and "stream" not in message.verbatim_properties)
    return _Flags(message.stream, message.stream_options.include_usage, message.HasField("stream_options"))


def _check_stream(is_boolean: bool) -> None:
    if not is_boolean:
        raise ServiceError.of(400, "The request's `stream` is neither true nor false.", param="stream")
