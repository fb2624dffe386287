"""Records and documents as Arrow columns, and back. It needs the extra `storage` (pyarrow).

A batch of records has the exact wire bytes of each record in one column, and what people filter by in typed columns, as
SCHEMA lists them. The native engine makes columns from the bytes on all cores, without a Python object for each record.
In every function `threads` is how many threads share the work, None for one a core, and the path of an error starts
with the number of the row, from 0. What is no column of strings or bytes raises TypeError.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Final

import chatpb._contract.own_classes  # noqa: F401
from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk
from chatpb._engine import expanded_sizes, fields_of_rows, messages_of_rows, rows_of_messages
from chatpb._engine.codec import Codec, ColumnBuffers
from chatpb._extras import extra_for
from chatpb._files.framing import LARGE
from chatpb._inputs import Buffer, wire_bytes
from chatpb._limits import MAX_LENGTH_BYTES
from chatpb._options import Nonfinite, UnknownFields, choice, threads_of
from chatpb._records.columns import COLUMNS, SECONDS_UNTIL, record_columns_reader, seconds_of
from chatpb._records.parts import TAGS
from chatpb._runtimes import message_class
from chatpb._wire.read import FieldError, read_varint

with extra_for("chatpb.arrow"):
    import pyarrow as pa
    import pyarrow.compute as pc

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
        ("requested_model", pa.string()),
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
        ("cost", pa.float64()),
        ("latency_us", pa.int64()),
        ("first_token_us", pa.int64()),
        ("peer", pa.string()),
    ]
)
"""The columns of a batch of records. `wire` is a ChatCompletionRecord. `time` is when the exchange started, or else
when the completion was created. `error` is the error's code, else its type, else its message. `latency_us` and
`first_token_us` are microseconds from the start to the end, and to the first token. `cost` is `usage.cost`. A time
outside the years up to 9999 is null; `created` in a finer unit than seconds is read as what it is.

Examples:
    >>> from chatpb.arrow import SCHEMA
    >>> SCHEMA.names[:4]
    ['wire', 'request_id', 'id', 'time']

"""


def record_batch(records: Iterable[bytes], *, threads: int | None = None) -> pa.RecordBatch:
    """Return a batch, with SCHEMA, of records given by their wire bytes.

    Raises WireError for bytes that are no record.

    Examples:
        >>> from chatpb.arrow import record_batch
        >>> from chatpb.storage import make_record
        >>> batch = record_batch([make_record(response='{"model":"m","usage":{"total_tokens":7}}')])
        >>> batch.column("model").to_pylist()
        ['m']

    """
    records = list(records)
    if len(records) == 1 and len(records[0]) >= LARGE:  # read where it is: a reader of columns copies Arrow's buffers
        return _with_columns(one_row(records[0]), record_columns_reader().of_messages(records))
    return with_columns(pa.array(records, pa.binary()), threads=threads)


def with_columns(wire: pa.Array, *, threads: int | None = None) -> pa.RecordBatch:
    """Return a batch, with SCHEMA, of records given as a column of wire bytes without nulls.

    Raises WireError for bytes that are no record, ValueError for a null.

    Examples:
        >>> import pyarrow as pa
        >>> from chatpb.arrow import with_columns
        >>> from chatpb.storage import make_record
        >>> records = pa.array([make_record(response='{"model":"m"}')], pa.large_binary())
        >>> with_columns(records).column("model").to_pylist()
        ['m']

    """
    data, offsets = _buffers(wire)
    if wire.null_count:
        raise ValueError("a column of records has wire bytes in each row, and no null")
    return _with_columns(wire, record_columns_reader().of_array(data, offsets, threads_of(threads)))


def _with_columns(wire: pa.Array, read: Sequence[ColumnBuffers]) -> pa.RecordBatch:
    raw = {column.name: _array(column.type, len(wire), *each) for column, each in zip(COLUMNS, read, strict=True)}
    start = raw["start_time"]
    created = _seconds(raw["created"])
    limit = SECONDS_UNTIL * 10**6
    columns = {
        **raw,
        "wire": wire.cast(pa.binary()),
        "time": pc.coalesce(_within(start, limit), pc.multiply(created, 10**6)).cast(_MICROS),
        "created": created.cast(pa.timestamp("s", "UTC")),
        "streamed": pc.is_valid(raw["streamed"]),
        "status": _within(raw["status"], 2**31).cast(pa.int32()),
        "latency_us": pc.subtract(raw["end_time"], start),
        "first_token_us": pc.subtract(raw["first_token_time"], start),
    }
    return pa.record_batch([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def json_column(
    wire: pa.Array,
    message_type: type = ChatCompletion,
    *,
    unknown_fields: UnknownFields = "error",
    nonfinite: Nonfinite = "error",
    threads: int | None = None,
) -> pa.Array:
    """Return the JSON text (large_string) of a column of wire bytes (binary of any kind); null stays null.

    Args:
        wire: the wire bytes of messages of one type.
        message_type: their type.
        unknown_fields: as in `chatpb.wire_to_json`.
        nonfinite: as there.
        threads: how many threads share the work.

    Raises WireError for bytes that are no such message.

    Examples:
        >>> import pyarrow as pa
        >>> from chatpb.arrow import json_column
        >>> json_column(pa.array([bytes.fromhex("0a026331"), None])).to_pylist()
        ['{"id":"c1"}', None]

    """
    codec = _codec(message_type)
    refuse = not choice("unknown_fields", unknown_fields, "error", "skip")
    allow = choice("nonfinite", nonfinite, "error", "allow")
    threads = threads_of(threads)
    made = codec.wire_to_json_rows(*_buffers(wire), refuse, allow, threads)
    return _rows(pa.large_string(), wire, *made)


def wire_column(
    text: pa.Array, message_type: type = ChatCompletion, *, nonfinite: Nonfinite = "error", threads: int | None = None
) -> pa.Array:
    r"""Return the wire bytes (large_binary) of a column of JSON text (strings or binary of any kind); null stays null.

    Args:
        text: the text of JSON objects of one type.
        message_type: the type of the messages to make.
        nonfinite: as in `chatpb.json_to_wire`.
        threads: how many threads share the work.

    Raises JsonError for text that is no acceptable JSON object.

    Examples:
        >>> import pyarrow as pa
        >>> from chatpb.arrow import wire_column
        >>> wire_column(pa.array(['{"id":"c1"}', None])).to_pylist()
        [b'\n\x02c1', None]

    """
    codec = _codec(message_type)
    options = choice("nonfinite", nonfinite, "error", "allow"), threads_of(threads)
    filled = _large_binary(text).fill_null(b"{}")
    made = codec.json_to_wire_rows(*_buffers(filled), *options)
    return _rows(pa.large_binary(), text, *made)


def from_messages(messages: Buffer) -> pa.Array:
    r"""Return a column (large_binary) of messages that each follow their length, as in a .binpbs file.

    Raises WireError if the last one is cut short.

    Examples:
        >>> from chatpb import json_lines_to_wire
        >>> from chatpb.arrow import from_messages, json_column
        >>> column = from_messages(json_lines_to_wire('{"id":"c1"}\n{"id":"c2"}'))
        >>> json_column(column).to_pylist()
        ['{"id":"c1"}', '{"id":"c2"}']

    """
    wire = wire_bytes(messages)
    if len(wire) >= LARGE and (start := _start_of_only_message(wire)):
        return one_row(wire, start)
    data, offsets = rows_of_messages(wire)
    return pa.Array.from_buffers(
        pa.large_binary(), len(offsets) // 8 - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    )


def one_row(data: bytes, start: int = 0) -> pa.Array:
    """Return a column (large_binary) whose only row is what bytes have from a place on, without a copy."""
    return pa.Array.from_buffers(
        pa.large_binary(), 1, [None, pa.py_buffer(array("q", (start, len(data)))), pa.py_buffer(data)]
    )


def _start_of_only_message(messages: bytes) -> int:
    """Return where the message begins that is alone in its bytes; 0 if there are more, or none that is whole."""
    head = messages[:MAX_LENGTH_BYTES]
    try:
        size, start = read_varint(head, 0, len(head))
    except FieldError:
        return 0
    return start if start + size == len(messages) else 0


def to_messages(wire: pa.Array) -> bytes:
    """Return the messages of a column of wire bytes, each after its length; null is an empty message.

    Examples:
        >>> import pyarrow as pa
        >>> from chatpb.arrow import to_messages
        >>> to_messages(pa.array([bytes.fromhex("0a026331"), None])).hex(" ")
        '04 0a 02 63 31 00'

    """
    return messages_of_rows(*_buffers(wire))


def compact_records(wire: pa.Array, *, threads: int | None = None) -> pa.Array:
    """Return a column (large_binary) of records with their streams compact; null stays null.

    Raises WireError for bytes that are no record.

    Examples:
        >>> import pyarrow as pa
        >>> from chatpb.arrow import compact_records, expand_records
        >>> from chatpb.storage import expand_record, make_record
        >>> record = expand_record(make_record(stream=['{"id":"c1"}', '{"id":"c1"}']))
        >>> column = compact_records(pa.array([record, None], pa.large_binary()))
        >>> expand_records(column).to_pylist() == [record, None]
        True

    """
    made = _codec(ChatCompletionChunk).compact_records(*_buffers(wire), TAGS["stream"], threads_of(threads))
    return _rows(pa.large_binary(), wire, *made)


def expand_records(wire: pa.Array, *, threads: int | None = None) -> pa.Array:
    """Return a column (large_binary) of records whose streams have whole chunks; null stays null.

    Raises WireError for bytes that are no record.

    Examples:
        >>> import pyarrow as pa
        >>> from chatpb.arrow import expand_records
        >>> from chatpb.storage import Record, make_record
        >>> column = pa.array([make_record(stream=['{"id":"c1"}', '{"id":"c1"}'])])
        >>> [chunk.id for chunk in Record(expand_records(column)[0].as_py()).chunks]
        ['c1', 'c1']

    """
    made = _codec(ChatCompletionChunk).expand_records(*_buffers(wire), TAGS["stream"], threads_of(threads))
    return _rows(pa.large_binary(), wire, *made)


def size_of(wire: pa.Array) -> int:
    """Return how many bytes the rows of a column have together."""
    return int(pc.sum(pc.binary_length(wire)).as_py() or 0)


def expanded_size(wire: pa.Array) -> int:
    """Return how many bytes the records of a column have at most with whole chunks in their streams."""
    return sum(array("q", expanded_sizes(*_buffers(wire), TAGS["stream"])))


def wrap_documents(wire: pa.Array, part: str) -> pa.Array:
    """Return a column (large_binary) of records that each have one document as their only part; null stays null.

    Args:
        wire: the wire bytes of the documents.
        part: their field in the record: "request", "response", "stream" or "error".

    Raises ValueError for another name.

    Examples:
        >>> import pyarrow as pa
        >>> from chatpb.arrow import with_columns, wrap_documents
        >>> answers = pa.array([bytes.fromhex("0a026331")])
        >>> with_columns(wrap_documents(answers, "response")).column("id").to_pylist()
        ['c1']

    """
    if not isinstance(part, str) or part not in TAGS:
        raise ValueError(f"part must be one of {', '.join(map(repr, TAGS))}, not {part!r}")
    return _rows(pa.large_binary(), wire, *fields_of_rows(*_buffers(wire), TAGS[part]))


def _codec(message_type: type) -> Codec:
    return message_class(message_type).codec


def _buffers(column: pa.Array) -> tuple[memoryview, memoryview]:
    """Return the bytes of a column of strings or bytes, and its offsets as 64-bit integers. A null is empty."""
    large = _large_binary(column)
    if large.null_count:
        large = large.fill_null(b"")  # Arrow lets a null have bytes
    _, offsets, data = large.buffers()
    first, last = large.offset * 8, (large.offset + len(large) + 1) * 8
    if offsets is None or not len(large):
        return memoryview(b""), memoryview(bytes(8))
    return memoryview(data or b""), memoryview(offsets)[first:last]


def _large_binary(column: pa.Array) -> pa.Array:
    """Return a column of strings or bytes of any kind as large_binary. Raises TypeError for anything else."""
    if not isinstance(column, pa.Array):
        raise TypeError(f"a column is a pyarrow.Array, not {type(column).__name__}")
    try:
        return column.cast(pa.large_binary())
    except pa.ArrowNotImplementedError:
        raise TypeError(f"a column has strings or bytes, not {column.type}") from None


def _rows(kind: pa.DataType, source: pa.Array, data: bytes, offsets: bytes) -> pa.Array:
    validity = source.is_valid().buffers()[1] if source.null_count else None
    return pa.Array.from_buffers(kind, len(source), [validity, pa.py_buffer(offsets), pa.py_buffer(data)])


def _array(kind: str, count: int, validity: bytes, lists: bytes, values: bytes, data: bytes) -> pa.Array:
    """Return the array that a ColumnReader's buffers hold."""
    valid, first = (pa.py_buffer(each) if each else None for each in (validity, values))
    if kind in ("integer", "number", "present"):
        return pa.Array.from_buffers(pa.float64() if kind == "number" else pa.int64(), count, [valid, first])
    strings = len(values) // 4 - 1
    text = pa.Array.from_buffers(
        pa.string(), count if kind == "string" else strings, [valid, first, pa.py_buffer(data)]
    )
    if kind == "string":
        return text
    return pa.Array.from_buffers(pa.list_(pa.string()), count, [None, pa.py_buffer(lists)], children=[text])


def _within(values: pa.Array, limit: int) -> pa.Array:
    """Return values, with null for those whose magnitude reaches a limit."""
    there = pc.and_(pc.greater(values, -limit), pc.less(values, limit))
    return pc.if_else(there, values, pa.scalar(None, pa.int64()))


def _seconds(created: pa.Array) -> pa.Array:
    """Return a column as `seconds_of` returns each value."""
    # Nearly all values are seconds, and then nothing more is to do.
    if not pc.any(pc.greater_equal(created, SECONDS_UNTIL)).as_py():
        return _within(created, SECONDS_UNTIL)
    return pa.array(map(seconds_of, created.to_pylist()), pa.int64())
