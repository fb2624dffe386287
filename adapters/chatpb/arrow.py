"""Records and documents as Arrow columns, in and out. It needs the extra `storage` (pyarrow).

A batch of records has the exact wire bytes of each in one column, and what people filter on in typed ones, as SCHEMA
says. With the native engine columns are made from the bytes by all cores, without a Python object for each record.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk
from chatpb._api import Nonfinite, threads_of
from chatpb._engine import Codec, codec_of, fields_of_rows, messages_of_rows, rows_of_messages
from chatpb._runtimes import runtime_of
from chatpb.storage._columns import COLUMNS, projection
from chatpb.storage._record import TAGS

__all__ = [
    "SCHEMA",
    "compact_records",
    "expand_records",
    "from_messages",
    "json_column",
    "record_batch",
    "to_messages",
    "wire_column",
    "with_columns",
    "wrap_documents",
]

_MICROS: Final = pa.timestamp("us", "UTC")

SCHEMA: Final = pa.schema(
    [
        pa.field("wire", pa.binary(), nullable=False),
        ("request_id", pa.string()),
        ("id", pa.string()),
        ("time", _MICROS),
        ("created", pa.timestamp("s", "UTC")),
        ("model", pa.string()),
        ("streamed", pa.bool_()),
        ("status", pa.int32()),
        ("error", pa.string()),
        ("finish_reasons", pa.list_(pa.string())),
        ("tool_names", pa.list_(pa.string())),
        ("prompt_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("total_tokens", pa.int64()),
        ("cached_tokens", pa.int64()),
        ("reasoning_tokens", pa.int64()),
        ("latency_us", pa.int64()),
        ("first_token_us", pa.int64()),
        ("peer", pa.string()),
    ]
)
"""The columns of a batch of records. `wire` is a ChatCompletionRecord; `time` is when it started, or else was created;
`error` is the error's code, else its type, else its message; latencies are in microseconds."""


def record_batch(records: Iterable[bytes], *, threads: int | None = None) -> pa.RecordBatch:
    """A batch, with SCHEMA, of records given by their wire bytes.

    Raises WireError for bytes that are no record; its path is the record's place.
    """
    return with_columns(pa.array(records, pa.binary()), threads=threads)


def with_columns(wire: pa.Array, *, threads: int | None = None) -> pa.RecordBatch:
    """A batch, with SCHEMA, of a column of records' wire bytes without nulls. Raises WireError as `record_batch`."""
    data, offsets = _buffers(wire)
    read = projection().of_array(data, offsets, threads_of(threads))
    raw = {column.name: _array(column.type, len(wire), *each) for column, each in zip(COLUMNS, read, strict=True)}
    start = raw["start_time"]
    created = pc.if_else(_in_range(raw["created"], 10**6), raw["created"], None)
    columns = {
        **raw,
        "wire": wire.cast(pa.binary()),
        "time": pc.coalesce(start, pc.multiply(created, 10**6)).cast(_MICROS),
        "created": created.cast(pa.timestamp("s", "UTC")),
        "streamed": pc.is_valid(raw["streamed"]),
        "status": pc.if_else(_in_range(raw["status"], 2**32), raw["status"], None).cast(pa.int32()),
        "latency_us": pc.subtract(raw["end_time"], start),
        "first_token_us": pc.subtract(raw["first_token_time"], start),
    }
    return pa.record_batch([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def json_column(
    wire: pa.Array, message_type: type = ChatCompletion, *, nonfinite: Nonfinite = "error", threads: int | None = None
) -> pa.Array:
    """JSON text (large_string) of a column of wire bytes; null stays null.

    Raises WireError; its path starts with the row's place.
    """
    data, offsets = _buffers(wire)
    made = _codec(message_type).wire_to_json_rows(data, offsets, nonfinite == "allow", threads_of(threads))
    return _rows(pa.large_string(), wire, *made)


def wire_column(
    text: pa.Array, message_type: type = ChatCompletion, *, nonfinite: Nonfinite = "error", threads: int | None = None
) -> pa.Array:
    """Wire bytes (large_binary) of a column of JSON text, as strings or bytes; null stays null.

    Raises JsonError; its path starts with the row's place.
    """
    data, offsets = _buffers(text.fill_null("{}" if pa.types.is_string(text.type) else b"{}"))
    made = _codec(message_type).json_to_wire_rows(data, offsets, nonfinite == "allow", threads_of(threads))
    return _rows(pa.large_binary(), text, *made)


def from_messages(messages: bytes) -> pa.Array:
    """A column (large_binary) of messages that each follow their length, as in a .binpbs file.

    Raises ValueError if they are cut short.
    """
    data, offsets = rows_of_messages(messages)
    return pa.Array.from_buffers(
        pa.large_binary(), len(offsets) // 8 - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    )


def to_messages(wire: pa.Array) -> bytes:
    """The messages of a column of wire bytes, each after its length."""
    return messages_of_rows(*_buffers(wire))


def compact_records(wire: pa.Array, *, threads: int | None = None) -> pa.Array:
    """A column (large_binary) of records with their streams compact. Raises WireError as `record_batch`."""
    data, offsets = _buffers(wire)
    made = _codec(ChatCompletionChunk).compact_records(data, offsets, TAGS["stream"], threads_of(threads))
    return _rows(pa.large_binary(), wire, *made)


def expand_records(wire: pa.Array, *, threads: int | None = None) -> pa.Array:
    """A column (large_binary) of records whose streams have whole chunks. Raises WireError as `record_batch`."""
    data, offsets = _buffers(wire)
    made = _codec(ChatCompletionChunk).expand_records(data, offsets, TAGS["stream"], threads_of(threads))
    return _rows(pa.large_binary(), wire, *made)


def wrap_documents(wire: pa.Array, part: str) -> pa.Array:
    """A column (large_binary) of records that have each document as their part alone, a name of PARTS."""
    return _rows(pa.large_binary(), wire, *fields_of_rows(*_buffers(wire), TAGS[part]))


def _codec(message_type: type) -> Codec:
    return codec_of(runtime_of(message_type).descriptor(message_type))


def _buffers(column: pa.Array) -> tuple[memoryview, memoryview]:
    """The bytes of a column of strings or bytes, and its offsets as 64-bit integers. Nulls are empty."""
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    large = column.cast(pa.large_string() if is_text else pa.large_binary())
    _, offsets, data = large.buffers()
    first, last = large.offset * 8, (large.offset + len(large) + 1) * 8
    if offsets is None or not len(large):
        return memoryview(b""), memoryview(bytes(8))
    return memoryview(data or b""), memoryview(offsets)[first:last]


def _rows(kind: pa.DataType, source: pa.Array, data: bytes, offsets: bytes) -> pa.Array:
    validity = source.is_valid().buffers()[1] if source.null_count else None
    return pa.Array.from_buffers(kind, len(source), [validity, pa.py_buffer(offsets), pa.py_buffer(data)])


def _array(kind: str, count: int, validity: bytes, lists: bytes, values: bytes, data: bytes) -> pa.Array:
    """The array that buffers of a projection are."""
    valid, first = (pa.py_buffer(each) if each else None for each in (validity, values))
    if kind in ("integer", "present"):
        return pa.Array.from_buffers(pa.int64(), count, [valid, first])
    strings = len(values) // 4 - 1
    text = pa.Array.from_buffers(
        pa.string(), count if kind == "string" else strings, [valid, first, pa.py_buffer(data)]
    )
    if kind == "string":
        return text
    return pa.Array.from_buffers(pa.list_(pa.string()), count, [None, pa.py_buffer(lists)], children=[text])


def _in_range(values: pa.Array, scale: int) -> pa.Array:
    """Which values stay in 64 bits when they are multiplied."""
    limit = 2**63 // scale - 1
    return pc.and_(pc.greater_equal(values, -limit), pc.less_equal(values, limit))
