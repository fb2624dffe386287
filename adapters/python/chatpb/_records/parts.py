"""Make the wire bytes of records from parts, take records apart, and compact or expand the streams in them.

The parts are the wire bytes that an engine, a gRPC call or a file gives. No message objects are built of them.
"""

from __future__ import annotations

import re
from array import array
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from google.protobuf.message import DecodeError, Message

from chatcompletion.v1 import ChatCompletionChunk, ChatCompletionRecord, ChatCompletionStream
from chatpb._contract.documents import RECORD_PARTS
from chatpb._convert import json_to_wire, wire_to_json
from chatpb._engine import codec_of
from chatpb._engine.codec import Wire
from chatpb._errors import ChatpbError, WireError
from chatpb._inputs import is_buffer, wire_bytes
from chatpb._openai_objects import from_openai
from chatpb._records.columns import columns_of
from chatpb._runtimes import is_message, runtime_of, wire_of
from chatpb._wire import LEN
from chatpb._wire.read import fields_of
from chatpb._wire.write import delimited, varint

__all__ = [
    "TAGS",
    "check_records",
    "compact_record",
    "expand_record",
    "is_streamed",
    "make_record",
    "parts_of",
    "salvage",
    "wire_of_part",
]

TAGS: Final = {name: ChatCompletionRecord.DESCRIPTOR.fields_by_name[name].number << 3 | LEN for name in RECORD_PARTS}
"""The tags of the parts of a record, by the name of their field."""

_PRINTED: Final = 1 << 20
"""Bytes below which a record is printed to see whether it can be read. Validating takes no memory, but ten times as
long: it notes what is missing in the chunks of a compact stream."""

_UNREADABLE: Final = "chatpb.unreadable"

_OBJECT_START: Final = re.compile(rb"\s*\{")

_RECORD_CODEC: Final = codec_of(ChatCompletionRecord.DESCRIPTOR)
_CHUNK_CODEC: Final = codec_of(ChatCompletionChunk.DESCRIPTOR)


def make_record(
    *,
    request: Any = None,
    response: Any = None,
    stream: Any = None,
    error: Any = None,
    start_time: int | None = None,
    first_token_time: int | None = None,
    end_time: int | None = None,
    status: int | None = None,
    request_id: str | None = None,
    peer: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> bytes:
    """Return the wire bytes of a ChatCompletionRecord.

    Each part is wire bytes in any buffer, a message of any runtime, JSON text as a str, a dict, or an object of the
    `openai` package.

    Args:
        request: a CreateChatCompletionRequest.
        response: a ChatCompletion.
        stream: a ChatCompletionStream, as `chatpb.compact_stream` makes them, or an iterable of its chunks.
        error: an ErrorResponse.
        start_time: microseconds since the Unix epoch, as are the other times.
        status: the HTTP status of the outcome.
        request_id: the x-request-id of the call.
        peer: the address or the name of the caller.
        labels: any labels, by name.

    Raises:
        TypeError: a part is of another type, such as JSON text in bytes.
        JsonError: a part is not acceptable JSON.

    Examples:
        >>> from chatpb import ChatCompletionRecord
        >>> from chatpb.storage import make_record
        >>> wire = make_record(request={"model": "m"}, response='{"id":"c1"}', status=200, labels={"team": "search"})
        >>> record = ChatCompletionRecord.FromString(wire)
        >>> record.response.id, record.labels["team"]
        ('c1', 'search')

    """
    head = ChatCompletionRecord(
        start_time=start_time,
        first_token_time=first_token_time,
        end_time=end_time,
        status=status,
        request_id=request_id,
    )
    given = {"request": request, "response": response, "stream": stream, "error": error}
    parts = {name: wire_of_part(part, RECORD_PARTS[name]) for name, part in given.items() if part is not None}
    tail = ChatCompletionRecord(peer=peer, labels=labels)
    return b"".join([head.SerializeToString(), _joined(parts), tail.SerializeToString(deterministic=True)])


def _joined(parts: Mapping[str, bytes]) -> bytes:
    return b"".join(delimited(varint(TAGS[name]), part) for name, part in parts.items())


def wire_of_part(part: Any, message_type: type[Message]) -> bytes:
    """Return the wire bytes of a message in any of the forms that `make_record` takes. Raises TypeError, JsonError."""
    if isinstance(part, str):
        return json_to_wire(part, message_type)
    if is_buffer(part):
        return _checked(wire_bytes(part), message_type)
    if is_message(part):
        name = runtime_of(type(part)).descriptor(type(part)).full_name
        if name != message_type.DESCRIPTOR.full_name:
            raise TypeError(f"expected a {message_type.DESCRIPTOR.name}, not a {name}")
        return bytes(wire_of(part))
    if message_type is ChatCompletionStream and isinstance(part, Iterable) and not isinstance(part, Mapping):
        return _CHUNK_CODEC.compact_stream([wire_of_part(chunk, ChatCompletionChunk) for chunk in part])
    return bytes(wire_of(from_openai(part, message_type)))


def _checked(wire: bytes, message_type: type[Message]) -> bytes:
    """Return wire bytes. Raises TypeError for JSON text, which has another parameter's form."""
    if _OBJECT_START.match(wire):
        try:
            wire_to_json(wire, message_type, unknown_fields="skip", nonfinite="allow")
        except WireError:
            what = f"bytes are the wire bytes of a {message_type.DESCRIPTOR.name}"
            raise TypeError(f"{what}, and these are JSON text: give it as a str, or use json_to_wire") from None
    return wire


def check_records(records: list[bytes]) -> list[bytes]:
    """Return records that can be read whole. Raises WireError, with the place of the record at fault as its path."""
    for place, record in enumerate(records):
        try:
            if len(record) < _PRINTED:
                _RECORD_CODEC.wire_to_json(record, False, False, True)
            else:
                _RECORD_CODEC.validate_wire(record, True)
        except WireError as error:
            raise WireError(f"/{place}{error.path}", error.offset, error.reason) from None
    return records


def salvage(record: bytes, error: ChatpbError) -> bytes:
    """Return a record that can be read, with what can be read of one that cannot.

    Labels have the rest: `chatpb.unreadable` the error, and `chatpb.unreadable.request`, or the name of another part,
    its bytes in base64. If the record cannot be taken apart, `chatpb.unreadable.record` has all of it.
    """
    labels = {_UNREADABLE: str(error)}
    try:
        parts = parts_of(record)
        head = ChatCompletionRecord.FromString(b"".join(_fields_without_parts(record)))
    except (ChatpbError, DecodeError):
        return make_record(labels={**labels, f"{_UNREADABLE}.record": b64encode(record).decode()})
    for name in list(parts):
        try:
            wire_to_json(parts[name], RECORD_PARTS[name], unknown_fields="skip", nonfinite="allow")
        except WireError:
            labels[f"{_UNREADABLE}.{name}"] = b64encode(parts.pop(name)).decode()
    head.labels.update(labels)
    return head.SerializeToString(deterministic=True) + _joined(parts)


def _fields_without_parts(record: bytes) -> Iterator[bytes]:
    tags = set(TAGS.values())
    return (field.data for field in fields_of(record) if field.tag not in tags)


def parts_of(record: bytes) -> dict[str, bytes]:
    """Return the wire bytes of a record's parts, by the name of their field. Raises WireError.

    Examples:
        >>> from chatpb.storage import make_record, parts_of
        >>> {name: wire.hex() for name, wire in parts_of(make_record(response={"id": "c1"})).items()}
        {'response': '0a026331'}

    """
    names = {tag: name for name, tag in TAGS.items()}
    parts: dict[str, bytes] = {}
    for field in fields_of(record):
        if name := names.get(field.tag):
            # Protobuf merges the pieces of a message, which is to join their bytes.
            parts[name] = parts.get(name, b"") + field.payload
    return parts


def compact_record(record: bytes) -> bytes:
    """Return the record with its stream compact, as `chatpb.compact_stream` makes it. Raises WireError.

    Examples:
        >>> from chatpb.storage import compact_record, expand_record, make_record
        >>> record = make_record(stream=['{"id":"c1","model":"m"}'] * 10)
        >>> expand_record(compact_record(record)) == expand_record(record)
        True

    """
    return _as_one_row(_CHUNK_CODEC.compact_records, record) if is_streamed(record) else record


def expand_record(record: bytes) -> bytes:
    """Return the record with whole chunks in its stream, as `chatpb.expand_stream` makes them. Raises WireError.

    Examples:
        >>> from chatpb.storage import compact_record, expand_record, make_record
        >>> record = compact_record(make_record(stream=['{"id":"c1","model":"m"}'] * 10))
        >>> len(record) < len(expand_record(record))
        True

    """
    return _as_one_row(_CHUNK_CODEC.expand_records, record) if is_streamed(record) else record


def is_streamed(record: bytes) -> bool:
    """Return whether a record may have a stream: one without need not be copied."""
    try:
        return columns_of([record], "streamed") == [[1]]
    except WireError:  # it may be of a part that is no stream, and is copied as it is
        return True


def _as_one_row(convert: Callable[[Wire, Wire, int, int], tuple[bytes, bytes]], record: bytes) -> bytes:
    """Return what a function of columns makes of a column whose only row is the record."""
    try:
        return convert(record, array("q", [0, len(record)]).tobytes(), TAGS["stream"], 1)[0]
    except WireError as error:
        raise WireError(error.path.removeprefix("/0"), error.offset, error.reason) from None
