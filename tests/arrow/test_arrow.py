"""Arrow batches of records, and columns of JSON text and wire bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, Final

import pyarrow as pa
import pytest

from chatpb import ChatCompletion, ChatCompletionRecord, JsonError, WireError, json_to_wire
from chatpb._wire.write import delimited
from chatpb.arrow import (
    SCHEMA,
    compact_records,
    expand_records,
    from_messages,
    json_column,
    record_batch,
    to_messages,
    wire_column,
    with_columns,
    wrap_documents,
)
from tests.support import RECORDINGS, exactly_equal, google_type, recording


def record(obj: dict[str, Any]) -> bytes:
    return json_to_wire(json.dumps(obj), ChatCompletionRecord)


RECORDS: list[dict[str, Any]] = [
    {"start_time": 1767225600000001, "first_token_time": 1767225600000021, "end_time": 1767225600000031, "status": 200,
     "stream": {"chunks": [{"id": "c", "model": "m", "created": 1, "choices": [{"finish_reason": "stop"}]}]}},
    {"response": {"id": "d", "created": 1767225600, "choices": [], "usage": {"total_tokens": 3}}, "peer": "p"},
    {"status": 2**40, "response": {"created": -(2**62)}, "error": {"error": {"code": "rate_limit_exceeded"}}},
    {},
]  # fmt: skip


def test_record_batch() -> None:
    batch = record_batch(map(record, RECORDS))
    assert batch.schema == SCHEMA
    rows = [
        {name: value for name, value in row.items() if name != "wire" and value not in (None, [], False)}
        for row in batch.to_pylist()
    ]
    utc = timezone.utc
    assert rows == [
        {
            "id": "c",
            "model": "m",
            "created": datetime.fromtimestamp(1, utc),
            "time": datetime(2026, 1, 1, microsecond=1, tzinfo=utc),
            "streamed": True,
            "status": 200,
            "finish_reasons": ["stop"],
            "latency_us": 30,
            "first_token_us": 20,
        },
        {
            "id": "d",
            "created": datetime(2026, 1, 1, tzinfo=utc),
            "time": datetime(2026, 1, 1, tzinfo=utc),
            "total_tokens": 3,
            "peer": "p",
        },
        {"error": "rate_limit_exceeded"},
        {},
    ]
    assert batch.column("wire").to_pylist() == [record(obj) for obj in RECORDS]
    batch.validate(full=True)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_slices(kind: Any) -> None:
    wires = pa.array(map(record, RECORDS), kind)
    assert with_columns(wires.slice(1, 2)) == with_columns(wires).slice(1, 2)
    assert with_columns(wires.slice(0, 0)).num_rows == record_batch([]).num_rows == 0


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()])
def test_text_and_wire(kind: Any) -> None:
    texts = ['{"id":"a"}', None, '{"x":{"y":18446744073709551615}}', "{}"]
    column = pa.array(texts, pa.string()).cast(kind)
    wires = wire_column(column)
    assert wires.to_pylist() == [text and json_to_wire(text) for text in texts]
    assert json_column(wires).to_pylist() == texts
    assert json_column(wire_column(column.slice(1, 2)), ChatCompletion, threads=2).to_pylist() == texts[1:3]
    assert wire_column(column.slice(1, 1)).to_pylist() == [None]
    json_column(wires).validate(full=True)


@pytest.mark.parametrize(("kind", "name"), RECORDINGS.items())
def test_recorded_traffic(kind: str, name: str) -> None:
    texts = recording(kind)
    wires = wire_column(pa.array(texts), google_type(name))
    found = json_column(wires, google_type(name)).to_pylist()
    assert exactly_equal([*map(json.loads, found)], [*map(json.loads, texts)])
    if kind == "completion":
        records = wrap_documents(wires, "response")
        assert with_columns(records).column("wire").to_pylist() == records.to_pylist()


def test_errors_name_the_row() -> None:
    with pytest.raises(JsonError, match="in /1/a$"):
        wire_column(pa.array(["{}", '{"a":}']))
    with pytest.raises(WireError, match="in /1$"):
        json_column(pa.array([b"", b"\x0a\x05"]))
    with pytest.raises(WireError, match="in /2$"):
        record_batch([b"", b"", b"\x3a\x05"])
    assert json_column(pa.array([json_to_wire('{"x":NaN}', nonfinite="allow")]), nonfinite="allow").to_pylist() == [
        '{"x":NaN}'
    ]


def test_wrong_arguments() -> None:
    empty = pa.array([b"{}"])
    for convert in (json_column, wire_column):
        with pytest.raises(ValueError, match="^nonfinite must be 'error' or 'allow', not 'bogus'$"):
            convert(empty, nonfinite="bogus")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="^part must be one of 'request', 'response', 'stream', 'error', not 'chunk'$"):
        wrap_documents(empty, "chunk")
    unhashable: Any = ["request"]
    with pytest.raises(ValueError, match=r"^part must be one of .*, not \['request'\]$"):
        wrap_documents(empty, unhashable)
    with pytest.raises(ValueError, match="^a column of records has wire bytes in each row, and no null$"):
        with_columns(pa.array([b"", None]))


TAKE_COLUMNS: Final[dict[str, Callable[[Any], Any]]] = {
    "with_columns": with_columns,
    "json_column": json_column,
    "wire_column": wire_column,
    "to_messages": to_messages,
    "compact_records": compact_records,
    "expand_records": expand_records,
    "wrap_documents": lambda column: wrap_documents(column, "request"),
}


@pytest.mark.parametrize("call", TAKE_COLUMNS.values(), ids=TAKE_COLUMNS)
def test_what_is_no_column_of_bytes(call: Callable[[Any], Any]) -> None:
    for other in ([b""], b"", None, pa.chunked_array([[b""]])):
        with pytest.raises(TypeError, match=f"^a column is a pyarrow.Array, not {type(other).__name__}$"):
            call(other)
    with pytest.raises(TypeError, match="^a column has strings or bytes, not int64$"):
        call(pa.array([1]))


def test_a_null_may_have_bytes() -> None:
    """Those of a null of fixed size, or what an array had before rows were made null."""
    for kind in (pa.binary(3), pa.binary()):
        wires = pa.array([b"\x0a\x01a", b"\x0a\x01b"], kind)
        validity = pa.array([True, False]).buffers()[1]
        column = pa.Array.from_buffers(kind, 2, [validity, *wires.buffers()[1:]])
        assert json_column(column).to_pylist() == ['{"id":"a"}', None]
        assert to_messages(column) == delimited(b"", b"\x0a\x01a") + b"\0"
        assert expand_records(wrap_documents(column, "response")).to_pylist()[1] is None


def test_streams_of_a_column() -> None:
    chunks = [{"id": "c", "choices": []}] * 3
    whole = pa.array([record({"status": 1}), None, record({"stream": {"chunks": chunks}})], pa.binary())
    compact = compact_records(whole)
    assert len(compact[2].as_py()) < len(whole[2].as_py())
    assert compact_records(compact) == compact
    assert expand_records(compact).to_pylist() == whole.to_pylist() == expand_records(whole).to_pylist()
    assert expand_records(compact.slice(2, 1), threads=2).to_pylist() == whole.to_pylist()[2:]
    with pytest.raises(WireError, match="in /1$"):
        compact_records(pa.array([b"", b"\x42\x05"]))


def test_documents_become_records() -> None:
    column = pa.array([json_to_wire('{"id":"a"}'), b"", json_to_wire(json.dumps({"x": "y" * 300}))])
    found = [ChatCompletionRecord.FromString(wire) for wire in wrap_documents(column, "response").to_pylist()]
    assert [each.response.SerializeToString() for each in found] == column.to_pylist()
    assert all(each.HasField("response") for each in found)


def test_messages() -> None:
    wires = [b"", b"\x0a\x01a", b"\x0a" * 300]
    column = pa.array(wires, pa.large_binary())
    messages = to_messages(column)
    assert messages == b"".join(delimited(b"", wire) for wire in wires)
    assert from_messages(messages) == column
    assert from_messages(to_messages(column.slice(1, 1))) == column.slice(1, 1)
    assert from_messages(b"") == column.slice(0, 0)
    with pytest.raises(WireError, match="^a message that runs past the end of the input at byte 5$"):
        from_messages(messages[:-1])
